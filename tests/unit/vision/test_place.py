from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.place import (
    DIAMETER_PER_HEIGHT,
    MIN_DIAMETER_PX,
    face_height,
    paint_order,
    place,
    reading_order,
)
from emojifier_bot.vision.types import Landmarks, LandmarkScheme
from emojifier_training.data import is_held_out, read_landmarks
from tests.builders import EYE_DISTANCE_PX, make_landmarks, make_placement
from tests.strategies import landmarks, placements

#: Highest brow point to chin of the mean face, in distances of the outer eye corners.
MEAN_HEIGHT = 1.297 + 0.271


def turn_difference(first: float, other: float) -> float:
    return abs((first - other + 180) % 360 - 180)


def away_from(placement, points_xy) -> np.ndarray:
    return np.linalg.norm(points_xy - np.array(placement.center_xy), axis=1)


@pytest.mark.parametrize("roll", [0, 15, -15, 45, 90, -90, 135, 180])
def test_the_emoji_tilts_with_the_head(roll):
    placement = place(make_landmarks(roll_degrees=roll))

    assert turn_difference(placement.roll_degrees, roll) < 0.1


@pytest.mark.parametrize("roll", [0, 30, 90, 180])
def test_the_disc_lies_even_on_the_face(roll):
    face = make_landmarks(roll_degrees=roll)
    away = away_from(place(face), face.points_xy)

    assert away[0] == pytest.approx(away[16], rel=1e-3)
    assert away[19] == pytest.approx(away[24], rel=1e-3)


def test_the_disc_reaches_over_the_forehead():
    points_xy = make_landmarks().points_xy
    placement = place(make_landmarks())
    radius, y = placement.size_px / 2, placement.center_xy[1]
    over_brows = points_xy[:, 1].min() - (y - radius)
    under_chin = y + radius - points_xy[:, 1].max()

    assert over_brows > 0.25 * face_height(points_xy) > 4 * under_chin > 0


@given(landmarks())
def test_the_disc_covers_every_point(face):
    placement = place(face)

    assert away_from(placement, face.points_xy).max() <= placement.size_px / 2


@given(landmarks(), st.floats(-180, 180), st.floats(0.2, 5))
def test_placing_commutes_with_turning_and_scaling(face, turn, scale):
    radians = np.deg2rad(turn)
    cos, sin = np.cos(radians), np.sin(radians)
    matrix = scale * np.array([[cos, sin], [-sin, cos]])
    moved = Landmarks((face.points_xy @ matrix.T).astype(np.float32), face.scheme)

    before, after = place(face), place(moved)

    slack = 0.005 * after.size_px + 1e-3 * scale
    wanted = matrix @ np.array(before.center_xy)
    assert np.abs(np.array(after.center_xy) - wanted).max() < slack
    assert abs(after.size_px - scale * before.size_px) < slack
    assert turn_difference(after.roll_degrees, before.roll_degrees + turn) < 0.1


def test_points_that_coincide_still_give_a_disc():
    face = Landmarks(np.full((68, 2), 7, np.float32), LandmarkScheme.IBUG_68)

    placement = place(face)

    assert placement.size_px == MIN_DIAMETER_PX
    assert placement.center_xy == pytest.approx((7, 7), abs=1e-3)


@pytest.mark.parametrize("roll", [0, 33, 90, 180])
def test_the_face_height_is_taken_along_the_face(roll):
    points_xy = make_landmarks(roll_degrees=roll).points_xy

    assert face_height(points_xy) == pytest.approx(
        MEAN_HEIGHT * EYE_DISTANCE_PX, rel=1e-4
    )


@pytest.mark.parametrize(
    ("sizes", "order"),
    [
        ([], []),
        ([80], [0]),
        ([80, 20, 50], [1, 2, 0]),
    ],
)
def test_larger_faces_are_painted_over_smaller_ones(sizes, order):
    assert paint_order([make_placement(size_px=size) for size in sizes]) == order


@given(st.lists(placements(), max_size=6), st.randoms())
def test_the_order_of_painting_does_not_depend_on_that_of_finding(faces, random):
    shuffled = random.sample(faces, len(faces))

    def painted(found):
        ordered = [found[index] for index in paint_order(found)]
        return [(one.size_px, one.center_xy) for one in ordered]

    assert painted(faces) == painted(shuffled)
    assert painted(faces) == sorted(painted(faces), key=lambda one: one[0])


#: Faces of this height; half of it is a row.
HEIGHT = 40.0


@pytest.mark.parametrize(
    ("centers", "order"),
    [
        ([], []),
        ([(10, 10)], [0]),
        ([(90, 10), (10, 10)], [1, 0]),
        ([(10, 90), (10, 10)], [1, 0]),
        # The right one is a little higher, but in the same row.
        ([(90, 10), (10, 29)], [1, 0]),
        # Half a face height is another row.
        ([(90, 10), (10, 31)], [0, 1]),
        # Two rows of two.
        ([(90, 102), (90, 5), (10, 98), (10, 0)], [3, 1, 2, 0]),
        # A slope is cut into rows, not taken for one.
        ([(0, 30), (50, 15), (100, 0)], [1, 2, 0]),
    ],
)
def test_faces_are_read_row_by_row(centers, order):
    size = HEIGHT * DIAMETER_PER_HEIGHT

    assert reading_order([make_placement(at, size) for at in centers]) == order


@given(st.lists(placements(), max_size=8), st.randoms())
def test_the_reading_order_does_not_depend_on_that_of_finding(faces, random):
    shuffled = random.sample(faces, len(faces))

    def read(found):
        return [found[index].center_xy for index in reading_order(found)]

    assert read(faces) == read(shuffled)


def test_the_disc_covers_hand_labelled_points(shared_data):
    crops = read_landmarks(shared_data / "data" / "landmarks")
    held = [c for c in crops if c.source == "helen" and is_held_out("helen", c.name)]
    random = np.random.default_rng(0)
    shares, ratios = [], []
    for crop in held:
        eyes = np.linalg.norm(crop.points_xy[36] - crop.points_xy[45])
        # Off by 5 % of the distance of the eyes: sigma is that over sqrt(pi / 2).
        off = random.normal(0, 0.05 * eyes / 1.2533, (68, 2))
        found = (crop.points_xy + off).astype(np.float32)
        placement = place(Landmarks(found, LandmarkScheme.IBUG_68))
        inside = away_from(placement, crop.points_xy) <= placement.size_px / 2
        shares.append(inside.mean())
        ratios.append(placement.size_px / face_height(crop.points_xy))

    assert np.mean(shares) >= 0.985
    assert np.median(ratios) <= 1.47
