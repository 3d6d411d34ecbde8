from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.crops import (
    CANONICAL_EYE_CENTER,
    CANONICAL_EYE_DISTANCE,
    LANDMARK_FRAME_MARGIN,
    MEAN_FACE,
    canonical_face,
    canonical_frame,
    centered_frame,
    frame_scale,
    invert,
    landmark_frame,
)
from emojifier_bot.vision.landmarks import (
    MIRRORED,
    OUTER_LEFT_EYE_CORNER,
    OUTER_RIGHT_EYE_CORNER,
    apply_affine,
    five_points,
    roll_degrees,
)
from emojifier_bot.vision.types import BoundingBox
from tests.builders import make_box, make_landmarks
from tests.strategies import rolls

SIZE_PX = 112


def test_the_mean_face_stands_as_it_says():
    eyes = MEAN_FACE[[OUTER_RIGHT_EYE_CORNER, OUTER_LEFT_EYE_CORNER]]

    np.testing.assert_allclose(eyes, [[-0.5, 0], [0.5, 0]], atol=1e-6)
    # The labels of its two halves agree.
    flipped = MEAN_FACE[list(MIRRORED)] * np.float32([-1, 1])
    np.testing.assert_allclose(flipped, MEAN_FACE, atol=0.002)


@given(rolls, st.floats(0.05, 20), st.floats(-500, 2000), st.floats(-500, 2000))
def test_there_and_back_is_where_we_were(turn, scale, x, y):
    frame = centered_frame((x, y), scale, np.deg2rad(turn), SIZE_PX)
    points_xy = np.float32([[x, y], [x + 10, y - 20]])

    back = apply_affine(invert(frame), apply_affine(frame, points_xy))

    np.testing.assert_allclose(back, points_xy, atol=0.02)
    assert frame_scale(frame) == pytest.approx(scale)
    np.testing.assert_allclose(
        apply_affine(frame, points_xy[:1]), [[SIZE_PX / 2] * 2], atol=0.05
    )


def test_a_positive_turn_is_clockwise_on_screen():
    frame = centered_frame((0, 0), 1, np.pi / 2, 0)

    np.testing.assert_allclose(
        apply_affine(frame, np.float32([[1, 0]])), [[0, 1]], atol=1e-6
    )


@pytest.mark.parametrize(
    ("box", "longer"),
    [((0, 0, 40, 60), 60), ((10, 20, 90, 70), 80), ((5, 5, 5, 5), 1)],
)
def test_the_landmark_frame_holds_the_box_with_room(box, longer):
    box = BoundingBox(*box)

    frame = landmark_frame(box, None, SIZE_PX)

    assert frame_scale(frame) == pytest.approx(
        SIZE_PX / (LANDMARK_FRAME_MARGIN * longer)
    )
    center = apply_affine(frame, np.float32([box.center_xy]))
    np.testing.assert_allclose(center, [[SIZE_PX / 2] * 2], atol=1e-3)


@pytest.mark.parametrize("roll", [0, 20, -75, 135, 180])
def test_the_landmark_frame_is_upright(roll):
    face = make_landmarks(roll_degrees=roll)

    frame = landmark_frame(make_box(face), five_points(face.points_xy), SIZE_PX)

    in_frame = apply_affine(frame, face.points_xy)
    assert roll_degrees(in_frame) == pytest.approx(0, abs=0.1)


def test_without_points_the_landmark_frame_does_not_turn():
    face = make_landmarks(roll_degrees=20)

    frame = landmark_frame(make_box(face), None, SIZE_PX)

    assert roll_degrees(apply_affine(frame, face.points_xy)) == pytest.approx(
        20, abs=0.1
    )


@given(rolls, st.floats(5, 800))
def test_every_face_has_its_eyes_in_the_same_place(roll, eye_distance):
    face = make_landmarks(eye_distance_px=eye_distance, roll_degrees=roll)

    in_frame = apply_affine(canonical_frame(face.points_xy, SIZE_PX), face.points_xy)

    np.testing.assert_allclose(in_frame, canonical_face(SIZE_PX), atol=0.05)


def test_the_canonical_face_lies_inside_its_frame():
    face = canonical_face(SIZE_PX)
    eyes = face[[OUTER_RIGHT_EYE_CORNER, OUTER_LEFT_EYE_CORNER]]

    assert ((face > 0) & (face < SIZE_PX)).all()
    wanted = np.array(CANONICAL_EYE_CENTER) * SIZE_PX
    np.testing.assert_allclose(eyes.mean(axis=0), wanted, atol=1e-3)
    assert np.ptp(eyes[:, 0]) == pytest.approx(CANONICAL_EYE_DISTANCE * SIZE_PX)
