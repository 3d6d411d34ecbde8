from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emojifier_bot.vision.calibration import (
    DECIMALS,
    FaceReading,
    calibrate,
    leave_one_out,
    mean_point,
    measure_cells,
    never_chosen,
    rounded,
    settled,
    with_points,
)
from emojifier_bot.vision.themes import MIN_POINT_DISTANCE, open_theme
from emojifier_bot.vision.types import EMOTIONS, EmojiTheme, EmotionScores, Measure
from tests.builders import make_emoji

MEASURES = {
    Measure.MOUTH_OPENING: 0.0,
    Measure.SMILE_WIDTH: 0.5,
    Measure.RIGHT_EYE_OPENING: 0.3,
    Measure.LEFT_EYE_OPENING: 0.3,
}


def point(**shares):
    return np.array([shares.get(str(one), 0.0) for one in EMOTIONS], np.float32)


def reading(*, confident=True, **shares):
    return FaceReading(EmotionScores(point(**shares)), MEASURES, confident)


def theme(**points):
    emoji = tuple(
        make_emoji(name, character=name, point=shares)
        for name, shares in points.items()
    )
    return EmojiTheme("small", "Small", 512, emoji)


CLASSIC = open_theme("classic").theme
GLAD_SAD = theme(glad={"happiness": 1}, sad={"sadness": 1}, calm={"neutral": 1})


def rows(calibration):
    return {one.name: one for one in calibration.emoji}


def test_without_faces_nothing_moves():
    result = calibrate(GLAD_SAD, {})

    assert [one.point.tolist() for one in result.theme.emoji] == [
        one.point.tolist() for one in GLAD_SAD.emoji
    ]
    assert {one.note for one in result.emoji} == {"kept: no faces"}
    assert (result.hits, result.checked) == (0, 0)
    assert all(math.isnan(one.distance) for one in result.emoji)


def test_an_emoji_moves_to_the_mean_of_its_faces():
    faces = [reading(happiness=1.0), reading(happiness=0.6, surprise=0.4)]

    result = calibrate(GLAD_SAD, {"glad": faces})

    moved = rows(result)["glad"]
    assert (moved.faces, moved.way, moved.note) == (2, 1, "")
    assert moved.distance == pytest.approx(0.2 * math.sqrt(2))
    np.testing.assert_allclose(
        result.theme.emoji[0].point, point(happiness=0.8, surprise=0.2)
    )


GLAD = reading(happiness=1.0)
NEARLY_SAD = reading(sadness=0.55, happiness=0.45)


@pytest.mark.parametrize(
    ("faces", "way", "chosen"),
    [
        # The one sad face among the glad ones only gets `glad` if it helps to place it.
        (
            {"glad": [*[GLAD] * 3, reading(sadness=0.9, neutral=0.1)]},
            1.0,
            {"glad": {"glad": 3, "sad": 1}},
        ),
        # A single face cannot be left out of its own point.
        (
            {"glad": [GLAD], "sad": [reading(sadness=1.0)]},
            1.0,
            {"sad": {"sad": 1}},
        ),
        # What is checked went as far as the theme that is written.
        ({"glad": [NEARLY_SAD] * 3}, 0.05, {"glad": {"sad": 3}}),
        ({"glad": [NEARLY_SAD] * 3}, 1.0, {"glad": {"glad": 3}}),
    ],
    ids=["outlier", "single", "a part of the way", "all of it"],
)
def test_a_face_is_left_out_of_the_mean_that_it_is_checked_with(faces, way, chosen):
    moved = {"glad": (GLAD_SAD.emoji[0].point, way)}

    assert leave_one_out(GLAD_SAD, faces, moved) == chosen


def test_two_emoji_with_the_same_faces_are_not_laid_upon_each_other():
    same = [reading(happiness=0.7, neutral=0.3)] * 4

    result = calibrate(GLAD_SAD, {"glad": same, "calm": same[:3]})

    assert (rows(result)["glad"].way, rows(result)["glad"].note) == (1, "")
    assert 0.8 <= rows(result)["calm"].way < 1
    assert rows(result)["calm"].note == "glad is in the way"
    glad, _, calm = (one.point for one in result.theme.emoji)
    assert np.linalg.norm(glad - calm) >= MIN_POINT_DISTANCE


def test_an_emoji_that_cannot_move_at_all_stays():
    crowd = theme(
        a={"happiness": 1},
        b={"happiness": 0.929, "neutral": 0.071},
        c={"sadness": 1},
    )

    result = calibrate(crowd, {"b": [reading(happiness=1.0)] * 2})

    assert (rows(result)["b"].way, rows(result)["b"].note) == (0, "a is in the way")


def test_too_few_faces_move_nothing():
    result = calibrate(GLAD_SAD, {"glad": [reading(neutral=0.6, happiness=0.4)] * 4}, 5)

    assert rows(result)["glad"].note == "kept: fewer than 5 faces"
    assert rows(result)["glad"].hits + rows(result)["glad"].chosen["calm"] == 4


@pytest.mark.parametrize(
    ("change", "never"),
    [({}, ["b"]), ({"mild": True}, []), ({"surprise_only": True}, [])],
    ids=["covered", "wins for unsure faces", "for surprise only"],
)
def test_an_emoji_at_the_point_of_an_earlier_one_never_wins(change, never):
    emoji = list(theme(a={"anger": 1}, b={"anger": 1}, c={"sadness": 1}).emoji)
    emoji[1] = dataclasses.replace(emoji[1], **change)

    assert never_chosen(EmojiTheme("x", "X", 512, tuple(emoji))) == never
    assert never_chosen(CLASSIC) == []


def test_cells_hold_a_value_on_each_side_of_every_limit():
    limits = {
        (bound.measure, limit)
        for one in CLASSIC.emoji
        for bound in one.bounds
        for limit in (bound.minimum, bound.maximum)
        if math.isfinite(limit)
    }

    cells = measure_cells(CLASSIC)

    assert limits
    for measure, limit in limits:
        assert {cell[measure] < limit for cell in cells} == {True, False}


@given(
    arrays.arrays(
        np.float32,
        8,
        elements=st.floats(0, 1, width=32).filter(lambda x: x == 0 or x > 1e-3),
    ).filter(lambda a: a.sum() > 0)
)
def test_rounded_shares_sum_to_one_and_are_near(shares):
    exact = shares / shares.sum()
    point = rounded(exact)
    decimals = [round(float(one), DECIMALS) for one in point]

    assert sum(decimals) == pytest.approx(1, abs=1e-9)
    assert min(decimals) >= 0
    np.testing.assert_allclose(point, exact, atol=8 * 10**-DECIMALS)


@given(
    st.dictionaries(
        st.sampled_from([one.name for one in CLASSIC.emoji]),
        st.lists(st.floats(0.01, 1), min_size=8, max_size=8).map(np.array),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_the_faces_the_new_theme_can_be_opened(drawn):
    faces = {
        name: [FaceReading(EmotionScores(shares / shares.sum()), MEASURES, True)] * 2
        for name, shares in drawn.items()
    }
    means = {name: mean_point(found) for name, found in faces.items()}

    moved, _, _ = settled(CLASSIC, means, faces)

    points = np.stack([one.point for one in with_points(CLASSIC, moved).emoji])
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert away[~np.eye(len(points), dtype=bool)].min() >= MIN_POINT_DISTANCE - 1e-6
