"""Judges 68 points on labelled crops, found by the detector that use has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from emojifier_bot.core.boxes import box_iou
from emojifier_bot.core.decode import from_image
from emojifier_bot.core.landmarks import (
    OUTER_LEFT_EYE_CORNER,
    OUTER_RIGHT_EYE_CORNER,
    REGIONS,
)
from emojifier_bot.core.place import face_height, place
from emojifier_bot.domain import Detection, FloatArray, Landmarks, LandmarkScheme
from emojifier_bot.evaluation.datasets import LabelledCrop
from emojifier_bot.ports import FaceLandmarker

Progress = Callable[[int, int], None]
#: A face that is not found counts as this far off.
MISSED = 1.0
#: A detection is the labelled face if their boxes share this much.
SAME_FACE_IOU = 0.2


def evaluate_landmarks(
    detect: Callable[[Image.Image], list[Detection]],
    landmarker: FaceLandmarker,
    crops: Sequence[LabelledCrop],
    progress: Progress,
) -> dict[str, object]:
    """Return the mean error over the distance of the outer eye corners.

    Also how much of the labelled points the emoji's disc would cover, and how large
    that disc is; a missed face counts as an error of 100 % and as uncovered.

    Args:
        detect: Finds faces in a picture.
        landmarker: Finds the points of a detection.
        crops: What to judge on.
        progress: Told how many of how many are done.
    """
    errors = np.full((len(crops), 68), MISSED, np.float32)
    covered = np.zeros(len(crops), np.float32)
    sizes = []
    for index, crop in enumerate(crops):
        points_xy = _located(detect, landmarker, crop)
        progress(index + 1, len(crops))
        if points_xy is None:
            continue
        errors[index] = _errors(points_xy, crop.points_xy)
        placement = place(Landmarks(points_xy, LandmarkScheme.IBUG_68))
        away = np.linalg.norm(crop.points_xy - placement.center_xy, axis=1)
        covered[index] = (away <= placement.size_px / 2).mean()
        sizes.append(placement.size_px / face_height(crop.points_xy))
    found = errors.mean(axis=1) < MISSED
    per_source = {
        f"nme_{source}": float(errors[[c.source == source for c in crops]].mean())
        for source in sorted({crop.source for crop in crops})
    }
    per_region = {
        f"nme_{name}": _mean(errors[found][:, points])
        for name, points in REGIONS.items()
    }
    return {
        "nme": _mean(errors),
        "count": len(crops),
        "found": int(found.sum()),
        "nme_of_found": _mean(errors[found]),
        **per_source,
        **per_region,
        "disc_coverage": _mean(covered),
        "disc_over_face_height": float(np.median(sizes)) if sizes else float("nan"),
    }


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _errors(found_xy: FloatArray, wanted_xy: FloatArray) -> FloatArray:
    corners = wanted_xy[OUTER_RIGHT_EYE_CORNER] - wanted_xy[OUTER_LEFT_EYE_CORNER]
    away = np.linalg.norm(found_xy - wanted_xy, axis=1)
    return np.asarray(away / np.linalg.norm(corners), np.float32)


def _located(
    detect: Callable[[Image.Image], list[Detection]],
    landmarker: FaceLandmarker,
    crop: LabelledCrop,
) -> FloatArray | None:
    image = Image.fromarray(crop.image())
    detections = detect(image)
    if not detections:
        return None
    low, high = crop.points_xy.min(axis=0), crop.points_xy.max(axis=0)
    wanted = np.array([[*low, *high]], np.float32)
    boxes = np.array([one.box.xyxy for one in detections], np.float32)
    overlaps = box_iou(wanted, boxes)[0]
    if overlaps.max() < SAME_FACE_IOU:
        return None
    best = detections[int(overlaps.argmax())]
    return landmarker.locate(from_image(image), [best])[0].points_xy
