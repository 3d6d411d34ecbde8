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


def test_a_face_is_left_out_of_the_mean_that_it_is_checked_with():
    # The one sad face among the glad ones only gets `glad` if it helps to place it.
    faces = [*[reading(happiness=1.0)] * 3, reading(sadness=0.9, neutral=0.1)]

    moved = {"glad": (GLAD_SAD.emoji[0].point, 1.0)}
    chosen = leave_one_out(GLAD_SAD, {"glad": faces}, moved)

    assert chosen == {"glad": {"glad": 3, "sad": 1}}


def test_a_single_face_cannot_be_left_out_of_its_own_point():
    faces = {"glad": [reading(happiness=1.0)], "sad": [reading(sadness=1.0)]}

    moved = {"glad": (GLAD_SAD.emoji[0].point, 1.0)}
    assert leave_one_out(GLAD_SAD, faces, moved) == {"sad": {"sad": 1}}


def test_what_is_checked_went_as_far_as_the_theme_that_is_written():
    # Their mean without the face lies at happiness, and they would leave `sad` behind.
    faces = [reading(sadness=0.55, happiness=0.45)] * 3
    start = GLAD_SAD.emoji[0].point

    went = {
        way: leave_one_out(GLAD_SAD, {"glad": faces}, {"glad": (start, way)})["glad"]
        for way in (0.05, 1.0)
    }

    assert went == {0.05: {"sad": 3}, 1.0: {"glad": 3}}


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


def test_every_emoji_of_the_shipped_theme_can_win():
    assert never_chosen(CLASSIC) == []


def test_cells_hold_a_value_on_each_side_of_every_limit():
    shipped = open_theme("classic").theme
    limits = {
        (bound.measure, limit)
        for one in shipped.emoji
        for bound in one.bounds
        for limit in (bound.minimum, bound.maximum)
        if math.isfinite(limit)
    }

    cells = measure_cells(shipped)

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


@given(st.data())
def test_whatever_the_faces_the_new_theme_can_be_opened(data):
    shipped = CLASSIC
    names = [one.name for one in shipped.emoji]
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
    shares = st.lists(st.floats(0.01, 1), min_size=8, max_size=8)
    faces = {}
    for name in chosen:
        drawn = np.array(data.draw(shares))
        scores = EmotionScores((drawn / drawn.sum()).astype(np.float32))
        faces[name] = [FaceReading(scores, MEASURES, True)] * 2

    means = {name: mean_point(found) for name, found in faces.items()}

    points, _, _ = settled(shipped, means, faces)

    points = np.stack([one.point for one in with_points(shipped, points).emoji])
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert away[~np.eye(len(points), dtype=bool)].min() >= MIN_POINT_DISTANCE - 1e-6
