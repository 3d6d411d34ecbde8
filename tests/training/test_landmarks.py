from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")

import torch

from emojifier_bot.vision.crops import landmark_frame
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.types import BoundingBox
from emojifier_training import augment
from emojifier_training.landmarks import (
    FRAME_PX,
    Jitter,
    LandmarkRecipe,
    face_box,
    heat_divergence,
    mirror_some,
)
from emojifier_training.nets import LandmarkNet
from tests.builders import make_landmarks
from tests.datasets import CROP_PX, drawn_face, write_landmarks
from tests.strategies import landmarks, rolls

EXACT = Jitter(shift=0, log_scale=0, turn_degrees=0, wide_turns=0)


def batch_of(*faces) -> torch.Tensor:
    return torch.tensor(np.stack([face.points_xy for face in faces]))


class TestFaceBox:
    @given(landmarks(noise=0), rolls)
    def test_it_turns_and_grows_with_the_face(self, face, turn):
        radians = np.deg2rad(turn)
        cos, sin = 2 * np.cos(radians), 2 * np.sin(radians)
        matrix = np.float32([[cos, -sin], [sin, cos]])

        before = face_box(face.points_xy)
        after = face_box(face.points_xy @ matrix.T)

        difference = np.rad2deg(before[0] - after[0]) - turn
        assert abs((difference + 180) % 360 - 180) < 0.2
        assert after[3] == pytest.approx(2 * before[3], rel=1e-3)
        np.testing.assert_allclose(
            after[1:3], matrix @ np.array(before[1:3]), rtol=1e-3, atol=0.5
        )

    @pytest.mark.parametrize("roll", [0, 30, -100])
    def test_the_frame_is_the_one_that_use_cuts(self, roll, data):
        face = make_landmarks(roll_degrees=roll)
        recipe = LandmarkRecipe(data, 2, jitter=EXACT)
        turn, x, y, side = face_box(face.points_xy)

        found = recipe._frames(batch_of(face))[0].numpy()

        half = side / 2
        box = BoundingBox(x - half, y - half, x + half, y + half)
        wanted = landmark_frame(box, five_points(face.points_xy), FRAME_PX)
        # The roll comes from the rigid points here, from five points in use.
        np.testing.assert_allclose(found, wanted, atol=0.02 * FRAME_PX)
        assert turn == pytest.approx(np.deg2rad(roll), abs=0.01)


def test_points_keep_their_pixels_and_their_meaning():
    faces = [
        make_landmarks(center_xy=(40, 50), eye_distance_px=30, roll_degrees=10)
    ] * 16
    points = batch_of(*faces)
    images = torch.zeros(16, 1, 112, 112)
    # The chin marks itself; points 0 and 16 are the ends of the jaw.
    x, y = (int(one) for one in points[0, 8])
    images[:, 0, y, x] = 1

    flipped, moved = mirror_some(images, points)

    lit = flipped[:, 0].flatten(1).argmax(dim=1)
    columns, rows = lit % 112, lit // 112
    assert len(set(columns.tolist())) == 2
    assert (moved[:, 8, 0].floor() - columns).abs().max() <= 1
    assert (moved[:, 8, 1].floor() == rows).all()
    # The person's right ear is left in the picture, mirrored or not.
    assert (moved[:, 0, 0] < moved[:, 16, 0]).all()


@pytest.mark.parametrize(("x", "y"), [(0.5, 0.5), (0.2, 0.7), (0.02, 0.9)])
def test_the_map_that_peaks_at_its_target_costs_least(x, y):
    centers = LandmarkNet().centers
    target = torch.tensor([[[x, y]]])

    def cost(at_x, at_y):
        away = (centers[None] - at_x) ** 2 + (centers[:, None] - at_y) ** 2
        heat = -away / 2 * (28 / 1.2) ** 2
        return float(heat_divergence(heat[None, None], target, centers))

    best = cost(x, y)
    for dx, dy in [(0.1, 0), (0, 0.1), (-0.1, 0.1)]:
        assert cost(x + dx, y + dy) > best + 0.1


class TestRecipe:
    def test_a_part_is_held_out_without_video_frames(self, data):
        recipe = LandmarkRecipe(data, 2)

        assert len(recipe.train.sources) == 9
        assert set(recipe.train.sources) == {"helen", "afw", "youtube"}
        assert sorted(recipe.held_out.sources) == ["afw", "helen"]

    def test_exact_boxes_put_the_face_in_the_middle(self, data):
        recipe = LandmarkRecipe(data, 4, jitter=EXACT)
        points = recipe.train.points

        found = augment.transform_points(recipe._frames(points), points) / FRAME_PX

        low, high = found.amin(dim=1), found.amax(dim=1)
        middle = (low + high) / 2
        # The forehead, which has no points, is above them.
        torch.testing.assert_close(
            middle[:, 0], torch.full_like(middle[:, 0], 0.5), atol=0.02, rtol=0
        )
        assert (middle[:, 1] > 0.5).all()
        assert (low > 0.05).all()
        assert (high < 0.95).all()

    def test_a_tiny_batch_is_learned(self, tmp_path, losses):
        points = make_landmarks(center_xy=(128, 105), eye_distance_px=62).points_xy
        image = drawn_face(points, (CROP_PX, CROP_PX))
        write_landmarks(tmp_path / "landmarks", {"helen/0.png": (image, points)})
        recipe = LandmarkRecipe(tmp_path, 4, jitter=EXACT)
        net = LandmarkNet(widths=(8, 12, 16))

        seen = losses(net, recipe.loss, 25)

        assert np.mean(seen[-3:]) < 0.75 * seen[0]
