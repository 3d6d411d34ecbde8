from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmarks import (
    INNER_LIP_PAIRS,
    MIRRORED,
    REGIONS,
    RIGID,
    apply_affine,
    fit_similarity,
    five_points,
    measure,
    mirror,
    roll_degrees,
)
from emojifier_bot.vision.types import Measure
from tests.builders import make_landmarks
from tests.strategies import landmarks, rolls


def turn_difference(first: float, other: float) -> float:
    return abs((first - other + 180) % 360 - 180)


def test_the_regions_share_the_points_out():
    indices = [index for part in REGIONS.values() for index in range(68)[part]]

    assert indices == list(range(68))


def test_mirroring_swaps_pairs():
    assert sorted(MIRRORED) == list(range(68))
    assert [MIRRORED[MIRRORED[index]] for index in range(68)] == list(range(68))
    for part in REGIONS.values():
        region = list(range(68)[part])
        assert sorted(MIRRORED[index] for index in region) == region


def test_the_mean_face_is_its_own_mirror_image():
    np.testing.assert_allclose(mirror(MEAN_FACE, 0), MEAN_FACE, atol=0.002)
    assert {MIRRORED[index] for index in RIGID} == set(RIGID)


@given(landmarks())
def test_a_mirrored_head_leans_the_other_way(face):
    mirrored = roll_degrees(mirror(face.points_xy, 500))

    assert turn_difference(mirrored, -roll_degrees(face.points_xy)) < 0.1


def test_five_points_are_the_persons_own_right_first():
    right_eye, left_eye, nose, right_mouth, left_mouth = five_points(MEAN_FACE)

    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


@pytest.mark.parametrize("reduce", [five_points, np.asarray])
@pytest.mark.parametrize("roll", [0, 25, -90, 179, -179, 180])
def test_roll(roll, reduce):
    points_xy = reduce(make_landmarks(roll_degrees=roll).points_xy)

    assert turn_difference(roll_degrees(points_xy), roll) < 0.1


@given(rolls, st.floats(0.1, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_a_similarity_is_found_again(turn, scale, x, y):
    radians = np.deg2rad(turn)
    cos, sin = scale * np.cos(radians), scale * np.sin(radians)
    wanted = np.array([[cos, -sin, x], [sin, cos, y]])

    found = fit_similarity(MEAN_FACE, apply_affine(wanted, MEAN_FACE))

    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_a_reflection_is_not_fitted_and_points_that_coincide_do_not_crash():
    mirrored = fit_similarity(MEAN_FACE, MEAN_FACE * np.float32([-1, 1]))
    collapsed = fit_similarity(np.ones((5, 2), np.float32), MEAN_FACE[:5])

    assert np.linalg.det(mirrored[:, :2]) >= 0
    assert np.isfinite(collapsed).all()


@pytest.mark.parametrize("shape", [(0, 2), (1, 2), (3, 68, 2)])
def test_affine_keeps_shape_and_dtype(shape):
    points_xy = np.ones(shape, np.float32)
    matrix = np.array([[2.0, 0, 1], [0, 3, -1]])

    moved = apply_affine(matrix, points_xy)

    assert moved.dtype == np.float32
    assert moved.shape == shape
    np.testing.assert_array_equal(moved[..., 0], np.full(shape[:-1], 3))
    np.testing.assert_array_equal(moved[..., 1], np.full(shape[:-1], 2))


def opened_mouth(gap: float) -> np.ndarray:
    points_xy = MEAN_FACE.copy()
    for upper, lower in INNER_LIP_PAIRS:
        points_xy[lower] = points_xy[upper] + np.float32([0, gap])
    return points_xy


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.5])
def test_the_mouth_opening_is_the_gap_over_the_inner_width(gap):
    inner_width = 2 * 0.269

    opening = measure(opened_mouth(gap))[Measure.MOUTH_OPENING]

    assert opening == pytest.approx(gap / inner_width, abs=0.002)


def test_measures_of_the_mean_face():
    measures = measure(MEAN_FACE)

    assert set(measures) == set(Measure)
    assert measures[Measure.SMILE_WIDTH] == pytest.approx(0.634, abs=0.001)
    assert measures[Measure.RIGHT_EYE_OPENING] == pytest.approx(0.30, abs=0.01)
    assert measures[Measure.LEFT_EYE_OPENING] == pytest.approx(0.30, abs=0.01)


@pytest.mark.parametrize(
    ("shut", "still_open", "points"),
    [
        (Measure.RIGHT_EYE_OPENING, Measure.LEFT_EYE_OPENING, [37, 38, 41, 40]),
        (Measure.LEFT_EYE_OPENING, Measure.RIGHT_EYE_OPENING, [43, 44, 47, 46]),
    ],
)
def test_a_wink_is_seen_on_the_persons_own_side(shut, still_open, points):
    points_xy = MEAN_FACE.copy()
    points_xy[points, 1] = 0.01

    measures = measure(points_xy)

    assert measures[shut] < 0.05
    assert measures[still_open] > 0.25


@given(landmarks(noise=0.02), rolls, st.floats(0.3, 3))
def test_measures_do_not_depend_on_size_and_tilt(face, turn, scale):
    radians = np.deg2rad(turn)
    cos, sin = scale * np.cos(radians), scale * np.sin(radians)
    turned = apply_affine(np.array([[cos, -sin, 3.0], [sin, cos, 5]]), face.points_xy)

    before, after = measure(face.points_xy), measure(turned)

    assert all(after[key] == pytest.approx(before[key], abs=0.01) for key in Measure)


def test_measures_of_points_that_coincide_are_finite():
    measures = measure(np.zeros((68, 2), np.float32))

    assert all(np.isfinite(value) for value in measures.values())
