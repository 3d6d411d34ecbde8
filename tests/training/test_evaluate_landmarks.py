import math

import numpy as np
import pytest

from emojifier_bot.vision.landmarks import REGIONS
from emojifier_bot.vision.place import face_height, place
from emojifier_bot.vision.types import Landmarks, LandmarkScheme
from emojifier_training.data import LabelledCrop
from emojifier_training.evaluate_landmarks import (
    COVER_RGB,
    HARD,
    Located,
    followed,
    hard_figures,
    landmark_figures,
    locate_all,
)
from tests.builders import make_detection, make_landmarks
from tests.images import encoded, flat

EYES_PX = 60.0
FACE = make_landmarks(center_xy=(128, 100), eye_distance_px=EYES_PX)
ELSEWHERE = make_landmarks(center_xy=(30, 30), eye_distance_px=10)


def crop(name="helen/a.png", face=FACE):
    data = encoded(flat((9, 9, 9), (256, 256)), "PNG")
    return LabelledCrop(name, name.partition("/")[0], "", data, face.points_xy)


LOCATED = Located(crop(), make_detection(FACE), FACE.points_xy)


class OffBy:
    """A landmarker that is off by a step from the true points."""

    def __init__(self, *step, points=slice(None)):
        self.points_xy = FACE.points_xy.copy()
        self.points_xy[points] += np.float32(step)

    def locate(self, picture, detections):
        assert picture.image.size == (256, 256)
        return [Landmarks(self.points_xy, LandmarkScheme.IBUG_68) for _ in detections]


def evaluate(crops, landmarker, detections=None):
    found = [make_detection(FACE)] if detections is None else detections
    located = locate_all(lambda _: found, landmarker, crops, lambda *_: None)
    return landmark_figures(located)


def test_no_crops():
    figures = evaluate([], OffBy(0, 0))

    assert figures["count"] == figures["found"] == 0
    assert math.isnan(figures["nme"])
    assert math.isnan(figures["disc_coverage"])


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_its_figures(region):
    points = REGIONS[region]
    count = points.stop - points.start

    figures = evaluate([crop()], OffBy(6, 0, points=points))

    assert figures["nme"] == pytest.approx(0.1 * count / 68, rel=1e-3)
    for name in REGIONS:
        expected = 0.1 if name == region else 0
        assert figures[f"nme_{name}"] == pytest.approx(expected, rel=1e-3)


def test_each_source_has_its_figures():
    other = make_landmarks(center_xy=(134, 100), eye_distance_px=EYES_PX)

    figures = evaluate([crop("afw/a.png"), crop("helen/a.png", other)], OffBy(0, 0))

    assert figures["nme_afw"] == 0
    assert figures["nme_helen"] == pytest.approx(0.1, rel=1e-3)
    assert figures["nme"] == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize(
    "detections", [[], [make_detection(ELSEWHERE)]], ids=["none", "another face"]
)
def test_a_missed_face_counts_in_full(detections):
    figures = evaluate([crop()], OffBy(0, 0), detections)

    assert figures["nme"] == 1
    assert figures["found"] == figures["disc_coverage"] == 0
    assert math.isnan(figures["nme_of_found"])
    assert math.isnan(figures["nme_eyes"])
    assert math.isnan(figures["disc_over_face_height"])


def test_the_disc_is_the_one_that_use_lays():
    figures = evaluate([crop()], OffBy(0, 0))

    placed = place(FACE)
    away = np.linalg.norm(FACE.points_xy - placed.center_xy, axis=1)
    covered = (away <= placed.size_px / 2).mean()
    assert figures["disc_coverage"] == pytest.approx(covered)
    assert figures["disc_coverage"] > 0.9
    assert figures["disc_over_face_height"] == pytest.approx(
        placed.size_px / face_height(FACE.points_xy)
    )


def opened(share):
    """Return a crop whose face has its lips and lids apart by a share."""
    points_xy = FACE.points_xy.copy()
    points_xy[65:68, 1] += np.float32(EYES_PX * share)
    points_xy[[40, 41, 46, 47], 1] += np.float32(EYES_PX * share / 8)
    face = Landmarks(points_xy, LandmarkScheme.IBUG_68)
    return crop(f"helen/{share}.png", face)


SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)


def test_true_points_follow():
    located = [Located(one, None, one.points_xy) for one in map(opened, SHARES)]

    for name in ("mouth_opening", "right_eye_opening", "left_eye_opening"):
        row = followed(located)[name]
        assert row["correlation"] == pytest.approx(1)
        assert row["mean_difference"] == 0
        assert row["spread"] > 0


def test_points_that_stay_do_not_follow():
    row = evaluate([*map(opened, SHARES)], OffBy(0, 0))["followed"]["mouth_opening"]

    assert math.isnan(row["correlation"])
    assert row["mean_difference"] > 0.1


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


def test_points_and_detection_of_small_faces_are_in_the_crops_own_pixels():
    landmarker = Scaling()

    rows = hard_figures(landmarker, [LOCATED], lambda *_: None)

    assert all(row["nme"] < 1e-5 for row in rows.values())
    assert all(row["faces"] == 1 for row in rows.values())
    by_name = dict(zip(HARD, landmarker.boxes, strict=True))
    whole = make_detection(FACE).box.xyxy
    assert by_name["lower half covered"].xyxy == pytest.approx(whole, rel=1e-6)
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
    grey = np.full((256, 256, 3), 200, np.uint8)

    hidden, scale = HARD[name](grey, FACE.points_xy)

    x_min, y_min = FACE.points_xy.min(axis=0).astype(int)
    x_max, y_max = FACE.points_xy.max(axis=0).astype(int)
    inside = (hidden[y_min:y_max, x_min:x_max] == COVER_RGB).all(axis=2)
    assert inside.mean() == pytest.approx(share, abs=0.05)
    assert scale == 1
    assert (grey == 200).all()
