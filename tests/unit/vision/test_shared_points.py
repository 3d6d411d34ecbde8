from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmarks import MIRRORED
from emojifier_bot.vision.place import place
from emojifier_bot.vision.shared_points import (
    SHARED_FEATURE_COUNT,
    SHARED_POINTS,
    SHARED_RIGID,
    SharedPoint,
    complete,
    pick_shared,
    shared_features,
)
from emojifier_bot.vision.types import Landmarks, LandmarkScheme
from tests.builders import make_landmarks


def named(points_xy):
    rows = pick_shared(points_xy).tolist()
    return dict(zip(SHARED_POINTS, map(tuple, rows), strict=True))


def laughing():
    """Return the mean face with its jaw dropped."""
    points_xy = MEAN_FACE * 60 + 200
    points_xy[[*range(5, 12), *range(55, 60), 65, 66, 67]] += (0, 15)
    return points_xy.astype(np.float32)


class TestPickShared:
    def test_each_point_has_its_place(self):
        picked = pick_shared(np.arange(136, dtype=np.float32).reshape(68, 2))

        assert picked[SHARED_POINTS.index(SharedPoint.NOSE_TIP)].tolist() == [60, 61]
        top = picked[SHARED_POINTS.index(SharedPoint.RIGHT_EYE_TOP)]
        assert top.tolist() == [75, 76]

    def test_left_and_right_are_mirror_images(self):
        for point in SHARED_POINTS:
            swapped = {"RIGHT": "LEFT", "LEFT": "RIGHT"}
            words = [swapped.get(word, word) for word in point.name.split("_")]
            mirrored = {MIRRORED[index] for index in point.value}
            assert mirrored == set(SharedPoint["_".join(words)].value)

    def test_the_rigid_ones_are_eye_corners_and_nose(self):
        names = {SHARED_POINTS[index].name.split("_", 1)[-1] for index in SHARED_RIGID}

        assert names <= {"EYE_OUTER", "EYE_INNER", "TIP", "RIGHT", "LEFT"}


class TestSharedFeatures:
    def test_no_faces(self):
        found = shared_features(np.empty((0, 68, 2), np.float32))

        assert found.shape == (0, SHARED_FEATURE_COUNT)

    def test_the_mean_face_is_zero(self):
        np.testing.assert_allclose(shared_features(MEAN_FACE[None]), 0, atol=1e-5)

    @given(
        scale=st.floats(1, 500),
        turn=st.floats(-180, 180),
        x=st.floats(-500, 500),
        y=st.floats(-500, 500),
    )
    def test_place_size_and_roll_do_not_matter(self, scale, turn, x, y):
        face = make_landmarks(
            center_xy=(x, y), eye_distance_px=scale, roll_degrees=turn
        )

        np.testing.assert_allclose(shared_features(face.points_xy[None]), 0, atol=0.02)

    def test_an_open_mouth_is_seen(self):
        assert np.abs(shared_features(laughing()[None])).max() > 1

    def test_other_points_do_not_count(self):
        face = laughing()
        other = face.copy()
        used = {index for point in SHARED_POINTS for index in point.value}
        other[[index for index in range(68) if index not in used]] += 9

        np.testing.assert_array_equal(
            shared_features(face[None]), shared_features(other[None])
        )


class TestComplete:
    @pytest.mark.parametrize("roll", [0, 20, -75, 180])
    def test_the_mean_face_comes_back_at_any_roll(self, roll):
        face = make_landmarks(roll_degrees=roll)

        found = complete(named(face.points_xy))

        assert found.scheme is LandmarkScheme.IBUG_68
        np.testing.assert_allclose(found.points_xy, face.points_xy, atol=0.01)

    def test_shared_points_stay_where_they_were_seen(self):
        seen = named(laughing())
        seen[SharedPoint.LEFT_EYE_TOP] = (231.0, 190.0)

        found = complete(seen)

        again = dict(zip(SHARED_POINTS, pick_shared(found.points_xy), strict=True))
        for point, place_xy in seen.items():
            np.testing.assert_allclose(again[point], place_xy, atol=1e-3)

    def test_an_open_mouth_takes_the_chin_along(self):
        face = laughing()
        found = complete(named(face))

        assert found.points_xy[8][1] > MEAN_FACE[8][1] * 60 + 200 + 3

    def test_the_disc_is_about_that_of_the_whole_face(self):
        face = Landmarks(laughing(), LandmarkScheme.IBUG_68)
        ours, guessed = place(face), place(complete(named(face.points_xy)))

        assert guessed.size_px == pytest.approx(ours.size_px, rel=0.15)
        assert guessed.roll_degrees == pytest.approx(ours.roll_degrees, abs=0.5)
