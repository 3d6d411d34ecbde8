from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.landmarks import RIGID, measure
from emojifier_bot.vision.shapes import SHAPES, visible, with_measure
from emojifier_bot.vision.types import Measure
from tests.builders import make_landmarks
from tests.emotion_words import emotion_words, found_in

FACE = canonical_face(1)


def moved(**values: float):
    """Return the mean face with some measures changed."""
    face = FACE
    for name, value in values.items():
        face = with_measure(face, Measure(name), value)
    return face


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mouth_opening": 0.0}, ("mouth closed",)),
        ({}, ("lips apart",)),
        ({"mouth_opening": 0.3}, ("mouth open",)),
        ({"mouth_opening": 0.7}, ("mouth wide open",)),
        ({"mouth_corners": 0.06}, ("lips apart", "mouth corners raised")),
        ({"mouth_corners": -0.08}, ("lips apart", "mouth corners lowered")),
        ({"smile_width": 0.8}, ("lips apart", "mouth wide")),
        ({"smile_width": 0.45}, ("lips apart", "mouth narrow")),
        ({"eye_opening": 0.05}, ("lips apart", "eyes closed")),
        ({"eye_opening": 0.17}, ("lips apart", "eyes narrowed")),
        ({"eye_opening": 0.5}, ("lips apart", "eyes wide open")),
        ({"brow_height": 0.32}, ("lips apart", "brows raised")),
        ({"brow_height": 0.12}, ("lips apart", "brows lowered")),
        ({"brow_gap": 0.1}, ("lips apart", "brows drawn together")),
        (
            {"mouth_opening": 0.6, "brow_height": 0.33, "eye_opening": 0.5},
            ("mouth wide open", "eyes wide open", "brows raised"),
        ),
    ],
)
def test_words_name_what_is_visible(values, words):
    assert visible(moved(**values)) == words


@pytest.mark.parametrize(("first", "side"), [(36, "right"), (42, "left")])
def test_one_eye_may_be_closed_alone(first, side):
    face = FACE.copy()
    face[[first + 1, first + 2, first + 4, first + 5], 1] = face[first, 1]

    assert visible(face) == ("lips apart", f"{side} eye closed")


@pytest.mark.parametrize("roll", [0, 30, 180, -90])
def test_roll_size_and_place_change_no_words(roll):
    face = make_landmarks(center_xy=(900, 500), eye_distance_px=37, roll_degrees=roll)

    values, upright = measure(face.points_xy), measure(FACE)

    assert values == pytest.approx(upright, abs=2e-4)
    assert visible(face.points_xy) == visible(FACE)


@given(st.sampled_from(SHAPES), st.floats(0, 1))
def test_a_measure_gets_the_value_and_the_frame_stays(shape, share):
    value = shape.low + share * (shape.high - shape.low)

    face = with_measure(FACE, shape.measure, value)

    assert measure(face)[shape.measure] == pytest.approx(value, abs=2e-3)
    still = [one for one in RIGID if one not in range(36, 48) or one % 3 == 0]
    np.testing.assert_array_equal(face[still], FACE[still])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: one.measure)
def test_undoing_leads_to_rest_and_from_rest_away(shape):
    assert shape.undone(shape.high) == (shape.rest,)
    assert shape.undone(shape.rest) == (shape.low, shape.high)
    assert shape.low <= shape.rest < shape.high


def test_a_measure_without_words_is_refused():
    with pytest.raises(ValueError, match="expected a measure of SHAPES"):
        with_measure(FACE, Measure.LEFT_EYE_OPENING, 0.1)


def test_no_word_says_what_somebody_feels():
    texts = [
        text
        for shape in SHAPES
        for text in (
            *(words for _, words in shape.words),
            *(shape.usual, shape.less, shape.more),
        )
    ]

    assert found_in(" ".join(texts)) == set()
    assert {"grinning", "anger", "sobbing", "relieved"} <= emotion_words()
    assert found_in("Mouth_open, angrily 😡") == {"angrily", "😡"}
