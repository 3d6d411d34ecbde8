"""Judges 68 points on labelled crops, found by the detector that use has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emojifier_bot.vision.boxes import box_iou
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.intervals import bootstrap, mean, share
from emojifier_bot.vision.landmark_geometry import (
    OUTER_LEFT_EYE_CORNER,
    OUTER_RIGHT_EYE_CORNER,
    REGIONS,
    measure,
)
from emojifier_bot.vision.place import face_height, place
from emojifier_bot.vision.ports import FaceLandmarker
from emojifier_bot.vision.types import (
    Detection,
    FloatArray,
    Landmarks,
    LandmarkScheme,
    Measure,
)
from emojifier_training.data import LabelledCrop

Progress = Callable[[int, int], None]
#: A face that is not found counts as this far off.
MISSED = 1.0
#: A detection is the labelled face if their boxes share this much.
SAME_FACE_IOU = 0.2
#: Errors at which the cumulative curve is told.
CUMULATIVE_AT = (0.03, 0.04, 0.05, 0.06, 0.08, 0.1)
#: Faces that a correlation needs.
FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """One labelled face and what was found of it."""

    crop: LabelledCrop
    #: None where the detector missed the face.
    detection: Detection | None
    #: ``(68, 2)`` pixels of the crop.
    points_xy: FloatArray | None

    @property
    def errors(self) -> FloatArray:
        """Return the ``(68,)`` errors over the distance of the outer eye corners."""
        if self.points_xy is None:
            return np.full(68, MISSED, np.float32)
        return point_errors(self.points_xy, self.crop.points_xy)


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
    return landmark_figures(locate_all(detect, landmarker, crops, progress))


def locate_all(
    detect: Callable[[Image.Image], list[Detection]],
    landmarker: FaceLandmarker,
    crops: Sequence[LabelledCrop],
    progress: Progress,
) -> list[Located]:
    """Find every labelled face and its points."""
    located = []
    for index, crop in enumerate(crops):
        image = Image.fromarray(crop.image())
        detection = _labelled_face(detect(image), crop)
        points_xy = (
            None
            if detection is None
            else landmarker.locate(from_image(image), [detection])[0].points_xy
        )
        located.append(Located(crop, detection, points_xy))
        progress(index + 1, len(crops))
    return located


def landmark_figures(located: Sequence[Located]) -> dict[str, object]:
    """Return every figure of faces that were looked for."""
    errors = np.array([one.errors for one in located], np.float32).reshape(-1, 68)
    sources = np.array([one.crop.source for one in located])
    found = np.array([one.points_xy is not None for one in located], bool)
    of_each = errors.mean(axis=1)
    return {
        "nme": _mean(errors),
        "count": len(located),
        "found": int(found.sum()),
        "nme_of_found": _mean(errors[found]),
        **{f"nme_{s}": _mean(errors[sources == s]) for s in np.unique(sources)},
        **{f"nme_{name}": _mean(errors[found][:, p]) for name, p in REGIONS.items()},
        **_disc(located),
        "intervals": {
            "nme": mean(of_each).as_dict(),
            "found": share(int(found.sum()), len(found)).as_dict(),
            **{
                f"nme_{source}": mean(of_each[sources == source]).as_dict()
                for source in np.unique(sources)
            },
            **{
                f"nme_{name}": mean(errors[found][:, points].mean(axis=1)).as_dict()
                for name, points in REGIONS.items()
            },
        },
        "cumulative": {
            f"{limit:g}": share(int((of_each <= limit).sum()), len(of_each)).as_dict()
            for limit in CUMULATIVE_AT
        },
        "followed": followed(located),
    }


def _disc(located: Sequence[Located]) -> dict[str, float]:
    covered = np.zeros(len(located), np.float32)
    sizes = []
    for index, one in enumerate(located):
        if one.points_xy is None:
            continue
        placement = place(Landmarks(one.points_xy, LandmarkScheme.IBUG_68))
        away = np.linalg.norm(one.crop.points_xy - placement.center_xy, axis=1)
        covered[index] = (away <= placement.size_px / 2).mean()
        sizes.append(placement.size_px / face_height(one.crop.points_xy))
    return {
        "disc_coverage": _mean(covered),
        "disc_over_face_height": float(np.median(sizes)) if sizes else float("nan"),
    }


def followed(located: Sequence[Located]) -> Mapping[str, Mapping[str, float]]:
    """Tell how well openings of eyes and mouth follow those of the labels.

    Returns:
        For each of `Measure`: the correlation over the faces found, with its interval,
        the mean absolute difference, and the labels' own spread beside it.
    """
    pairs = [
        (measure(one.points_xy), measure(one.crop.points_xy))
        for one in located
        if one.points_xy is not None
    ]
    return {
        str(name): _follows(np.array([(f[name], w[name]) for f, w in pairs]))
        for name in Measure
    }


def _follows(pairs: FloatArray) -> dict[str, float]:
    if len(pairs) < FEWEST:
        return {"faces": len(pairs)}
    found, wanted = pairs.T
    strength = bootstrap(
        lambda drawn: _correlation(found[drawn], wanted[drawn]), len(pairs)
    )
    return {
        "faces": len(pairs),
        "correlation": strength.value,
        "correlation_low": strength.low,
        "correlation_high": strength.high,
        "mean_difference": float(np.abs(found - wanted).mean()),
        "spread": float(wanted.std()),
    }


def _correlation(first: FloatArray, second: FloatArray) -> float:
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size else float("nan")


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else float("nan")


def point_errors(found_xy: FloatArray, wanted_xy: FloatArray) -> FloatArray:
    """Return ``(68,)`` distances over that of the labelled outer eye corners."""
    corners = wanted_xy[OUTER_RIGHT_EYE_CORNER] - wanted_xy[OUTER_LEFT_EYE_CORNER]
    away = np.linalg.norm(found_xy - wanted_xy, axis=1)
    return np.asarray(away / np.linalg.norm(corners), np.float32)


def _labelled_face(
    detections: Sequence[Detection], crop: LabelledCrop
) -> Detection | None:
    if not detections:
        return None
    low, high = crop.points_xy.min(axis=0), crop.points_xy.max(axis=0)
    wanted = np.array([[*low, *high]], np.float32)
    boxes = np.array([one.box.xyxy for one in detections], np.float32)
    overlaps = box_iou(wanted, boxes)[0]
    if overlaps.max() < SAME_FACE_IOU:
        return None
    return detections[int(overlaps.argmax())]
