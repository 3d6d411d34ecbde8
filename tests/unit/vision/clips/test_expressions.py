from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.clips.expressions import Expression, steady_choices
from emojifier_bot.vision.types import Emotion, GeometryBound, Measure
from tests.builders import make_emoji, make_scores, make_theme

THEME = make_theme(
    make_emoji(f"{one}_face", point={one: 1.0}, mild=one is Emotion.NEUTRAL)
    for one in Emotion
)
MEASURES = dict.fromkeys(Measure, 0.3)
AT, END = np.arange(150) / 30, 150 / 30


def read(emotions, probability=0.8, *, confident=1.0, measures=MEASURES, step=0.1):
    return [
        Expression(k * step, make_scores(one, probability), measures, confident)
        for k, one in enumerate(emotions)
    ]


def names(choices):
    """Return the emoji that follow each other, and after how many frames each comes."""
    found = {}
    for index, one in enumerate(choices):
        if not found or list(found)[-1] != one.emoji.name:
            found[one.emoji.name] = index
    return found


def test_one_reading_decides_about_all_frames():
    chosen = steady_choices(THEME, read(["happiness"]), AT, END)

    assert names(chosen) == {"happiness_face": 0}
    assert len(chosen) == len(AT)


def test_a_lasting_change_is_followed_where_it_happens():
    chosen = names(
        steady_choices(THEME, read(["neutral"] * 20 + ["surprise"] * 30), AT, END)
    )

    assert list(chosen) == ["neutral_face", "surprise_face"]
    # It was between the readings at 1.9 and 2.0 seconds.
    assert abs(chosen["surprise_face"] - 58.5) <= 3


@pytest.mark.parametrize(("until", "last"), [(5.2, "neutral"), (6.0, "surprise")])
def test_the_last_frame_counts_for_as_long_as_it_is_shown(until, last):
    faces = read(["neutral"] * 5 + ["surprise"], step=1.0)

    *before, now = steady_choices(THEME, faces, np.arange(6.0), until)

    assert {one.emoji.name for one in before} == {"neutral_face"}
    assert now.emoji.name == f"{last}_face"


@pytest.mark.parametrize("length", [1, 2])
def test_what_shows_for_a_moment_changes_nothing(length):
    emotions = ["neutral"] * 20 + ["surprise"] * length + ["neutral"] * 28

    assert names(steady_choices(THEME, read(emotions), AT, END)) == {"neutral_face": 0}


def test_readings_that_go_to_and_fro_change_nothing():
    emotions = ["neutral", "happiness"] * 25

    assert len(names(steady_choices(THEME, read(emotions, 0.5), AT, END))) == 1


def test_what_is_hardly_better_changes_nothing():
    close = read(["neutral"] * 25, 0.5) + [
        Expression(one.seconds + 2.5, one.scores, MEASURES, 1.0)
        for one in read(["sadness"] * 25, 0.17)
    ]

    assert names(steady_choices(THEME, close, AT, END)) == {"neutral_face": 0}


def test_a_blink_is_no_wink():
    wink = make_emoji(
        "wink",
        point={Emotion.NEUTRAL: 0.9, Emotion.HAPPINESS: 0.1},
        bounds=[GeometryBound(Measure.LEFT_EYE_OPENING, maximum=0.15)],
    )
    theme = make_theme([*THEME.emoji, wink])
    closed = MEASURES | {Measure.LEFT_EYE_OPENING: 0.05}

    def winked(first, last):
        faces = read(["neutral"] * 50)
        faces[first:last] = [
            Expression(one.seconds, one.scores, closed, 1.0)
            for one in faces[first:last]
        ]
        return list(names(steady_choices(theme, faces, AT, END)))

    assert winked(20, 22) == ["neutral_face"]
    assert winked(20, 40)[:2] == ["neutral_face", "wink"]


def test_doubt_that_comes_and_goes_changes_nothing():
    faces = [
        Expression(one.seconds, one.scores, one.measures, float(k % 2))
        for k, one in enumerate(read(["anger"] * 50))
    ]

    assert len(names(steady_choices(THEME, faces, AT, END))) == 1


def test_a_measure_about_a_bound_changes_nothing():
    grin = make_emoji(
        "grin",
        point={Emotion.HAPPINESS: 0.95, Emotion.NEUTRAL: 0.05},
        bounds=[GeometryBound(Measure.MOUTH_OPENING, minimum=0.3)],
    )
    theme = make_theme([*THEME.emoji, grin])

    def smiled(slow):
        openings = 0.3 + 0.03 * np.sin(np.arange(50) / slow)
        faces = [
            Expression(
                one.seconds, one.scores, MEASURES | {Measure.MOUTH_OPENING: wide}, 1.0
            )
            for one, wide in zip(read(["happiness"] * 50), openings, strict=True)
        ]
        return names(steady_choices(theme, faces, AT, END))

    assert len(smiled(slow=5)) == len(smiled(slow=2)) == 1
