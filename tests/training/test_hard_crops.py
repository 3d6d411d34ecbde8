from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.types import Landmarks, LandmarkScheme
from emojifier_training.data import LabelledCrop
from emojifier_training.evaluate_landmarks import Located
from emojifier_training.hard_crops import COVER_RGB, HARD, hard_figures
from tests.builders import make_detection, make_landmarks
from tests.images import encoded, flat

FACE = make_landmarks(center_xy=(128, 100), eye_distance_px=60)
GREY = np.full((256, 256, 3), 200, np.uint8)
HEIGHT = float(np.ptp(FACE.points_xy[:, 1]))


def located(*, missed=False):
    data = encoded(flat((200, 200, 200), (256, 256)), "PNG")
    crop = LabelledCrop("helen/a.png", "helen", "", data, FACE.points_xy)
    if missed:
        return Located(crop, None, None)
    return Located(crop, make_detection(FACE), FACE.points_xy)


class Scaling:
    """A landmarker that knows the face, in whatever size the picture has."""

    def __init__(self):
        self.boxes = []

    def locate(self, picture, detections):
        (detection,) = detections
        self.boxes.append(detection.box)
        scale = picture.image.width / 256
        points_xy = FACE.points_xy * np.float32(scale)
        return [Landmarks(points_xy, LandmarkScheme.IBUG_68)]


def test_no_faces():
    rows = hard_figures(Scaling(), [], lambda *_: None)

    assert list(rows) == list(HARD)
    assert all(row["faces"] == 0 and np.isnan(row["nme"]) for row in rows.values())


def test_points_of_small_faces_are_told_in_the_crops_own_pixels():
    rows = hard_figures(Scaling(), [located()], lambda *_: None)

    assert all(row["nme"] < 1e-5 for row in rows.values())
    assert all(row["faces"] == 1 for row in rows.values())


def test_missed_faces_are_left_out():
    told = []

    rows = hard_figures(
        Scaling(), [located(), located(missed=True)], lambda *now: told.append(now)
    )

    assert rows["face of 24 px"]["faces"] == 1
    assert told[-1] == (len(HARD), len(HARD))


def test_the_detection_shrinks_with_the_face():
    landmarker = Scaling()

    hard_figures(landmarker, [located()], lambda *_: None)

    by_name = dict(zip(HARD, landmarker.boxes, strict=True))
    whole = make_detection(FACE).box
    assert by_name["lower half covered"] == whole
    assert by_name["face of 24 px"].height == pytest.approx(24, rel=0.03)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("lower half covered", 0.5),
        ("right half covered", 0.5),
        ("a quarter covered", 0.3),
    ],
)
def test_covers_hide_that_part_of_the_face(name, share):
    hidden, scale = HARD[name](GREY, FACE.points_xy)

    x_min, y_min = FACE.points_xy.min(axis=0).astype(int)
    x_max, y_max = FACE.points_xy.max(axis=0).astype(int)
    inside = (hidden[y_min:y_max, x_min:x_max] == COVER_RGB).all(axis=2)
    assert inside.mean() == pytest.approx(share, abs=0.05)
    assert scale == 1
    assert (GREY == 200).all()


def test_a_face_is_reduced_to_its_height():
    small, scale = HARD["face of 24 px"](GREY, FACE.points_xy)

    assert HEIGHT * scale == pytest.approx(24, rel=0.03)
    assert small.shape[0] == pytest.approx(256 * scale)


def test_blur_keeps_the_size():
    sharp = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)

    soft, scale = HARD["blurred by 4% of its height"](sharp, FACE.points_xy)

    assert (soft.shape, scale) == (sharp.shape, 1)
    assert soft.std() < sharp.std() / 4
