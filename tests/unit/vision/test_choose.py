from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.choose import (
    MIXTURE_SHARE,
    NEIGHBOURHOOD,
    SURPRISE_COUNT,
    choose,
    fits,
    point_distances,
    surprise,
)
from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmarks import INNER_LIP_PAIRS, measure
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import (
    EMOTIONS,
    Emotion,
    EmotionScores,
    GeometryBound,
    Measure,
)
from tests.builders import make_emoji, make_scores, make_theme

AT_REST = measure(MEAN_FACE)
OPEN_MOUTH = GeometryBound(Measure.MOUTH_OPENING, minimum=0.5)
SHUT_MOUTH = GeometryBound(Measure.MOUTH_OPENING, maximum=0.1)
LAUGHING = AT_REST | {Measure.MOUTH_OPENING: 0.8}
CLASSIC = open_theme("classic").theme


def scores(**shares: float) -> EmotionScores:
    return EmotionScores([shares.get(one, 0.0) for one in EMOTIONS])


def happy(name: str, share: float, **options):
    """Return an emoji on the way from neutral to happiness."""
    point = {"happiness": share, "neutral": 1 - share}
    return make_emoji(name, point=point, **options)


def chosen(emoji, face: EmotionScores, measures=None, *, confident=True) -> str:
    measures = AT_REST if measures is None else measures
    return choose(make_theme(emoji), face, measures, confident=confident).emoji.name


def mixture(random: np.random.Generator) -> np.ndarray:
    """Return a point of the space of emotions, more often near its rim."""
    return random.dirichlet(np.full(len(EMOTIONS), 0.4))


def theme_of(random: np.random.Generator, count: int):
    """Return a theme of emoji anywhere, mild or not, with bounds or without."""
    options = [{"mild": True}, {"surprise_only": True}]
    for _ in range(count):
        low = random.random(2)
        bounds = [
            GeometryBound(one, start, start + 0.5)
            for one, start in zip(random.permutation(Measure), low, strict=False)
        ]
        mild = bool(random.integers(2))
        options.append({"mild": mild, "bounds": bounds[: random.integers(3)]})
    return make_theme(
        [
            make_emoji(
                f"emoji_{index}",
                point=dict(zip(EMOTIONS, mixture(random), strict=True)),
                **one,
            )
            for index, one in enumerate(options)
        ]
    )


randoms = st.integers(0, 2**32 - 1).map(np.random.default_rng)
mixtures = randoms.map(lambda random: EmotionScores(mixture(random)))
themes = st.builds(theme_of, randoms, st.integers(0, 12))
all_measures = st.fixed_dictionaries(dict.fromkeys(Measure, st.floats(0, 2)))


@given(themes, mixtures, all_measures)
def test_laws(theme, face, measures):
    sure, doubted = (
        choose(theme, face, measures, confident=confident)
        for confident in (True, False)
    )

    candidates = [one for one in theme.emoji if not one.surprise_only]
    assert {sure.emoji.name, doubted.emoji.name} <= {one.name for one in candidates}
    assert sure.sure
    assert doubted.sure or doubted.emoji.mild
    (away,) = point_distances([sure.emoji], face)
    # Nothing without bounds is much nearer, and what has bounds fits and is near.
    unbounded = [one for one in candidates if not one.bounds]
    assert away <= point_distances(unbounded, face).min() + NEIGHBOURHOOD + 1e-5
    if sure.emoji.bounds:
        assert fits(sure.emoji, measures)
        assert away <= point_distances(candidates, face).min() + NEIGHBOURHOOD + 1e-5


@pytest.mark.parametrize(
    ("happiness", "name"),
    [(0.0, "none"), (0.2, "none"), (0.3, "half"), (0.7, "half"), (1.0, "full")],
)
def test_the_nearest_wins(happiness, name):
    emoji = [happy("none", 0.0), happy("half", 0.5), happy("full", 1.0)]

    assert chosen(emoji, scores(happiness=happiness, neutral=1 - happiness)) == name


def test_distances_are_euclidean():
    found = point_distances(
        [happy("full", 1.0), happy("half", 0.5)], scores(neutral=1.0)
    )

    np.testing.assert_allclose(found, [math.sqrt(2), math.sqrt(0.5)], rtol=1e-6)
    assert found.dtype == np.float32


class TestTies:
    #: As far from neutral as from happiness, by every way of rounding.
    MIDDLE = scores(happiness=0.5, neutral=0.5)

    @pytest.mark.parametrize("order", ["abc", "bca", "cab", "cba"])
    def test_the_first_name_wins_not_the_first_entry(self, order):
        points = {"a": 1.0, "b": 0.0, "c": 1.0}

        assert chosen([happy(n, points[n]) for n in order], self.MIDDLE) == "a"

    @pytest.mark.parametrize("other", [0.0, 2e-7, 4e-7, 6e-7])
    @pytest.mark.parametrize("share", np.linspace(0.1, 0.9, 9))
    def test_rounding_decides_nothing(self, share, other):
        emoji = [happy("b", share), happy("a", share - other)]

        assert chosen(emoji, scores(happiness=1.0)) == "a"

    @given(
        st.permutations(range(8)),
        st.lists(st.integers(0, 4), min_size=8, max_size=8),
        st.lists(st.booleans(), min_size=8, max_size=8),
        st.booleans(),
    )
    def test_shuffling_the_theme_changes_nothing(
        self, order, quarters, bounded, confident
    ):
        emoji = [
            happy(
                f"emoji_{index}",
                share / 4,
                mild=index < 4,
                bounds=[SHUT_MOUTH] if has_bounds else [],
            )
            for index, (share, has_bounds) in enumerate(
                zip(quarters, bounded, strict=True)
            )
        ]
        measures = AT_REST | {Measure.MOUTH_OPENING: 0.0}
        shuffled = [emoji[index] for index in order]

        plain, mixed = (
            choose(make_theme(one), self.MIDDLE, measures, confident=confident)
            for one in (emoji, shuffled)
        )

        assert (plain.emoji.name, plain.sure) == (mixed.emoji.name, mixed.sure)


class TestBounds:
    @pytest.mark.parametrize(
        ("bound", "fitting"),
        [
            ([], True),
            ([OPEN_MOUTH], False),
            ([SHUT_MOUTH], False),
            ([GeometryBound(Measure.MOUTH_OPENING, 0.3, 0.5)], True),
            ([GeometryBound(Measure.MOUTH_OPENING, 0.4, 0.5)], True),
            ([GeometryBound(Measure.MOUTH_OPENING, 0.3, 0.4)], False),
            ([GeometryBound(Measure.MOUTH_OPENING, 0.3), OPEN_MOUTH], False),
        ],
    )
    def test_a_face_meets_all_or_none(self, bound, fitting):
        measures = AT_REST | {Measure.MOUTH_OPENING: 0.4}

        assert fits(make_emoji(bounds=bound), measures) is fitting

    @pytest.mark.parametrize(
        ("shares", "measures", "name"),
        [
            # Neighbours: the smile has no bounds, the laughs ask for an open mouth.
            ({"smile": 1.0, "laugh": 0.85}, LAUGHING, "laugh"),
            ({"smile": 1.0, "laugh": 0.85}, AT_REST, "smile"),
            # Each hundredth is 0.0141 away; the neighbourhood ends at 0.7879.
            ({"smile": 1.0, "laugh": 0.8}, LAUGHING, "laugh"),
            ({"smile": 1.0, "laugh": 0.789}, LAUGHING, "laugh"),
            ({"smile": 1.0, "laugh": 0.78}, LAUGHING, "smile"),
            # Of several that fit the nearest wins.
            ({"smile": 1.0, "a_laugh": 0.8, "laugh": 0.9}, LAUGHING, "laugh"),
            # Without a fitting neighbour the nearest without bounds does,
            ({"laugh": 1.0, "smile": 0.5, "far_laugh": 0.1}, AT_REST, "smile"),
            ({"laugh": 1.0, "smile": 0.5, "shut": 0.1}, AT_REST, "smile"),
            # and if all have bounds the nearest.
            ({"far_laugh": 0.0, "near_laugh": 0.9}, AT_REST, "near_laugh"),
        ],
    )
    def test_geometry_tells_neighbours_apart(self, shares, measures, name):
        bounds = {"smile": [], "shut": [SHUT_MOUTH]}
        emoji = [
            happy(one, share, bounds=bounds.get(one, [OPEN_MOUTH]))
            for one, share in shares.items()
        ]

        assert chosen(emoji, scores(happiness=1.0), measures) == name


class TestDoubt:
    @pytest.mark.parametrize(
        ("confident", "name"), [(True, "smile"), (False, "slight_smile")]
    )
    def test_an_unsure_face_gets_a_mild_emoji(self, confident, name):
        emoji = [happy("smile", 1.0), happy("slight_smile", 0.6, mild=True)]

        assert chosen(emoji, scores(happiness=1.0), confident=confident) == name

    @pytest.mark.parametrize(
        ("point", "away", "sure"),
        [
            pytest.param(MIXTURE_SHARE, 0.0, True, id="on-a-mixed-point"),
            pytest.param(MIXTURE_SHARE + 0.01, 0.0, False, id="not-mixed-enough"),
            pytest.param(1.0, 0.0, False, id="on-a-pure-point"),
            pytest.param(0.5, 0.099, True, id="close-to-a-mixed-point"),
            pytest.param(0.5, 0.101, False, id="not-close-enough"),
        ],
    )
    def test_a_face_that_shows_a_mixture_is_sure(self, point, away, sure):
        emoji = [happy("mixed", point), happy("calm", 0.0, mild=True)]
        share = point + away / math.sqrt(2)
        face = scores(happiness=share, neutral=1 - share)

        choice = choose(make_theme(emoji), face, AT_REST, confident=False)

        assert choice.sure is sure
        assert choice.emoji.name == ("mixed" if sure else "calm")

    @pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
    @pytest.mark.parametrize("turn", [1, -1])
    def test_a_tie_of_a_mixed_and_a_pure_point_is_settled_by_rule(self, names, turn):
        mixed, pure = names
        emoji = [happy(mixed, 0.74), happy(pure, 0.86), happy("calm", 0, mild=True)]

        choice = choose(
            make_theme(emoji[::turn]),
            scores(happiness=0.8, neutral=0.2),
            AT_REST,
            confident=False,
        )

        assert choice.sure is (mixed == "a")
        assert choice.emoji.name == ("a" if choice.sure else "calm")


class TestSurprise:
    FACE = make_scores(Emotion.HAPPINESS)

    def draws(self, theme, count=400):
        return Counter(
            surprise(theme, self.FACE, str(seed)).emoji.name for seed in range(count)
        )

    @given(themes, mixtures, st.text(max_size=8))
    def test_the_same_seed_draws_the_same(self, theme, face, seed):
        first, again = (surprise(theme, face, seed) for _ in range(2))

        assert first.emoji is again.emoji
        assert first.sure

    def test_seeds_differ(self):
        assert len(self.draws(CLASSIC)) == SURPRISE_COUNT

    def test_it_may_draw_what_no_face_justifies(self):
        game = make_emoji("game", point={"happiness": 1.0}, surprise_only=True)
        calm = make_emoji("calm", mild=True)

        theme = make_theme([game, calm])

        assert set(self.draws(theme)) == {"game", "calm"}
        assert choose(theme, self.FACE, AT_REST, confident=True).emoji is calm

    def test_nearer_ones_come_more_often(self):
        counts = self.draws(make_theme([happy("near", 0.9), happy("far", 0.1)]))

        assert counts["near"] > 2 * counts["far"] > 0

    @given(mixtures, st.text(max_size=8))
    def test_it_draws_from_the_nearest(self, face, seed):
        drawn = surprise(CLASSIC, face, seed).emoji

        away = point_distances(CLASSIC.emoji, face)
        rank = (away < point_distances([drawn], face)[0]).sum()
        assert rank < SURPRISE_COUNT

    @pytest.mark.parametrize("turn", [1, -1])
    def test_ties_go_by_name(self, turn):
        names = [f"emoji_{index:02}" for index in range(20)]
        theme = make_theme([happy(name, 0.5) for name in names[::turn]])

        assert set(self.draws(theme)) == set(names[:SURPRISE_COUNT])


def expressions():
    """Return the measures of a face at rest, laughing, winking and asleep."""
    laughing, winking, asleep = (MEAN_FACE.copy() for _ in range(3))
    for upper, lower in INNER_LIP_PAIRS:
        laughing[lower] = laughing[upper] + np.float32([0, 0.4])
    winking[[37, 38, 41, 40], 1] = 0.01
    asleep[[37, 38, 41, 40, 43, 44, 46, 47], 1] = 0.01
    faces = {
        "rest": MEAN_FACE,
        "laughing": laughing,
        "winking": winking,
        "asleep": asleep,
    }
    return {name: measure(points_xy) for name, points_xy in faces.items()}


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("measures", expressions().values(), ids=expressions())
def test_a_pure_emotion_gets_an_emoji_of_its_own(emotion, measures):
    pure = EmotionScores([float(one == emotion) for one in EMOTIONS])

    choice = choose(CLASSIC, pure, measures, confident=True)

    assert choice.sure
    assert EMOTIONS[int(choice.emoji.point.argmax())] == emotion


@pytest.mark.parametrize(
    "emoji",
    [
        one
        for one in CLASSIC.emoji
        if one.point.max() <= MIXTURE_SHARE and not one.surprise_only
    ],
    ids=lambda one: one.name,
)
def test_each_mixture_of_the_shipped_theme_can_be_shown(emoji):
    choice = choose(CLASSIC, EmotionScores(emoji.point), AT_REST, confident=False)

    assert choice.sure
