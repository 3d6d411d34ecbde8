from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from emojifier_bot.vision.crops import MEAN_FACE, canonical_face
from emojifier_bot.vision.emotion import (
    EXPRESSIVE_PAIRS,
    GEOMETRY_COUNT,
    POINT_SPREAD,
    geometry_features,
    stretch,
    to_canonical,
)
from emojifier_bot.vision.landmarks import MIRRORED, RIGID, mirror
from tests.builders import make_landmarks
from tests.strategies import landmarks, rolls

#: Points are float32 pixels, up to some thousands; features are in 1/25 of a frame.
CLOSE = 0.02


def features(points_xy: np.ndarray) -> np.ndarray:
    return geometry_features(to_canonical(points_xy)[None])[0]


class TestToCanonical:
    @given(landmarks(noise=0))
    def test_the_mean_face_is_the_canonical_face_wherever_it_is(self, face):
        np.testing.assert_allclose(
            to_canonical(face.points_xy), canonical_face(1), atol=2e-4
        )

    @given(landmarks())
    def test_twice_is_once(self, face):
        once = to_canonical(face.points_xy)

        np.testing.assert_allclose(to_canonical(once), once, atol=1e-4)

    def test_an_expression_does_not_move_the_head(self):
        laughing = MEAN_FACE.copy()
        laughing[48:] += np.float32([0, 0.5])

        rigid = list(RIGID)

        np.testing.assert_allclose(
            to_canonical(laughing)[rigid], canonical_face(1)[rigid], atol=1e-6
        )


class TestGeometryFeatures:
    def test_no_faces_no_rows(self):
        found = geometry_features(np.empty((0, 68, 2), np.float32))

        assert found.shape == (0, GEOMETRY_COUNT)
        assert found.dtype == np.float32

    def test_the_mean_face_is_zero(self):
        found = geometry_features(canonical_face(1)[None])

        assert found.shape == (1, GEOMETRY_COUNT)
        assert found.dtype == np.float32
        assert (found == 0).all()

    @given(landmarks(), rolls, st.floats(0.25, 4))
    def test_place_size_and_roll_do_not_count(self, face, turn, scale):
        radians = np.deg2rad(turn)
        cos, sin = scale * np.cos(radians), scale * np.sin(radians)
        turned = face.points_xy @ np.float32([[cos, sin], [-sin, cos]]) + [7, -9]

        np.testing.assert_allclose(
            features(turned.astype(np.float32)), features(face.points_xy), atol=CLOSE
        )

    @given(landmarks())
    def test_a_mirrored_face_has_mirrored_features(self, face):
        found = features(mirror(face.points_xy, 500))
        plain = features(face.points_xy)

        moved, stretched = plain[: 2 * 68].reshape(68, 2), plain[2 * 68 :]
        pairs = [frozenset(pair) for pair in EXPRESSIVE_PAIRS]
        others = [
            pairs.index(frozenset((MIRRORED[a], MIRRORED[b])))
            for a, b in EXPRESSIVE_PAIRS
        ]
        wanted = [moved[list(MIRRORED)] * [-1, 1], stretched[others]]
        # The labels of the mean face's two halves agree to 0.002.
        np.testing.assert_allclose(
            found, np.hstack([part.ravel() for part in wanted]), atol=0.06
        )

    @pytest.mark.parametrize(("index", "axis"), [(0, 0), (8, 1), (62, 1)])
    def test_a_point_moves_its_own_number(self, index, axis):
        face = canonical_face(1)
        face[index, axis] += 2 * POINT_SPREAD

        (row,) = geometry_features(face[None])[:, : 2 * 68]

        assert row[2 * index + axis] == pytest.approx(2, abs=1e-4)
        assert np.flatnonzero(np.abs(row) > 1e-4).tolist() == [2 * index + axis]

    @pytest.mark.parametrize("pair", EXPRESSIVE_PAIRS)
    def test_pulling_a_pair_apart_moves_its_distance(self, pair):
        face = canonical_face(1)
        first, second = pair
        away = face[second] - face[first]
        face[second] += away / np.linalg.norm(away) * np.float32(POINT_SPREAD)

        (row,) = geometry_features(face[None])[:, 2 * 68 :]

        assert row[EXPRESSIVE_PAIRS.index(pair)] == pytest.approx(1, abs=1e-3)

    def test_faces_of_a_batch_do_not_touch_each_other(self):
        faces = [
            to_canonical(make_landmarks().points_xy + np.float32([[0, one]] * 68))
            for one in range(3)
        ]
        faces[1] = faces[1] + np.float32(0.1)

        found = geometry_features(np.stack(faces))

        for row, face in zip(found, faces, strict=True):
            np.testing.assert_array_equal(row, geometry_features(face[None])[0])


class TestStretch:
    @pytest.mark.parametrize(
        ("grey", "stretched"),
        [
            ([[7]], [[0]]),
            ([[200, 200]], [[0, 0]]),
            ([[0, 255]], [[0, 255]]),
            ([[100, 101]], [[0, 255]]),
            ([[10, 20, 30]], [[0, 128, 255]]),
            ([[50], [60], [150]], [[0], [26], [255]]),
        ],
    )
    def test_spans_the_whole_range(self, grey, stretched):
        found = stretch(np.array(grey, np.uint8))

        assert found.dtype == np.uint8
        assert found.tolist() == stretched

    @given(np_st.arrays(np.uint8, np_st.array_shapes(min_dims=2, max_dims=2)))
    def test_twice_is_once_and_the_input_stays(self, grey):
        before = grey.copy()

        once = stretch(grey)

        np.testing.assert_array_equal(stretch(once), once)
        np.testing.assert_array_equal(grey, before)

    @given(
        np_st.arrays(np.uint8, (3, 4), elements=st.integers(0, 100)),
        st.integers(0, 50),
    )
    def test_brightness_tells_nothing(self, grey, brighter):
        lifted = (grey + brighter).astype(np.uint8)

        np.testing.assert_array_equal(stretch(lifted), stretch(grey))

    @given(np_st.arrays(np.uint8, (3, 4)))
    def test_order_is_kept(self, grey):
        before, after = grey.ravel(), stretch(grey).ravel()

        order = np.argsort(before, kind="stable")
        assert (np.diff(after[order].astype(int)) >= 0).all()
