"""Evaluates 68 points on labelled crops, as they are and made harder.

Faces are found by the detector that use has. For a face made harder the detection is
that of the unchanged crop, so that each figure is the landmark net's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.detector import box_iou, scaled
from emojifier_bot.vision.intervals import bootstrap, mean, share
from emojifier_bot.vision.landmarks import (
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
    ImageArray,
    Landmarks,
    LandmarkScheme,
    Measure,
)
from emojifier_training import Progress
from emojifier_training.data import LabelledCrop

#: Takes a crop and its labelled points; returns the changed crop and its scale.
Harden = Callable[[ImageArray, FloatArray], tuple[ImageArray, float]]

#: Parts of the points' box that are hidden: left, top, right, bottom.
COVERS = MappingProxyType(
    {
        "lower half covered": (-0.1, 0.5, 1.1, 1.1),
        "upper half covered": (-0.1, -0.1, 1.1, 0.5),
        "right half covered": (0.5, -0.1, 1.1, 1.1),
        "a quarter covered": (0.45, 0.45, 1.0, 1.0),
    }
)
COVER_RGB = (70, 90, 110)
#: Spread of the blur over the height of the points' box: what a hand that moves or a
#: wrong focus leaves.
BLURS = (0.02, 0.04, 0.08)
#: Heights of the points' box, brows to chin, that crops are reduced to.
SMALL_PX = (24, 48)
#: A face that is not found counts as this far off.
MISSED = 1.0
#: A detection is the labelled face if their boxes share this much.
SAME_FACE_IOU = 0.2
#: Errors at which the cumulative curve is given.
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


def _box(points_xy: FloatArray) -> tuple[FloatArray, FloatArray]:
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    return low, high - low


def covered(
    part: tuple[float, ...], crop: ImageArray, points_xy: FloatArray
) -> tuple[ImageArray, float]:
    """Hide a part of the face behind a flat rectangle."""
    low, size = _box(points_xy)
    edges = np.array(part, np.float32).reshape(2, 2) * size + low
    (x_min, y_min), (x_max, y_max) = edges.round().astype(int).clip(0)
    hidden = crop.copy()
    hidden[y_min:y_max, x_min:x_max] = COVER_RGB
    return hidden, 1.0


def blurred(
    spread: float, crop: ImageArray, points_xy: FloatArray
) -> tuple[ImageArray, float]:
    """Blur a crop by a share of the face's height."""
    sigma = spread * float(_box(points_xy)[1][1])
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8), 1.0


def reduced(
    height_px: float, crop: ImageArray, points_xy: FloatArray
) -> tuple[ImageArray, float]:
    """Reduce a crop until the face is that high."""
    scale = height_px / float(_box(points_xy)[1][1])
    side = max(round(crop.shape[0] * scale), 1)
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), side / crop.shape[0]


HARD: MappingProxyType[str, Harden] = MappingProxyType(
    {
        **{name: partial(covered, part) for name, part in COVERS.items()},
        **{f"blurred by {s:.0%} of its height": partial(blurred, s) for s in BLURS},
        **{f"face of {height} px": partial(reduced, height) for height in SMALL_PX},
    }
)


def hard_figures(
    landmarker: FaceLandmarker, located: Sequence[Located], progress: Progress
) -> dict[str, dict[str, object]]:
    """Return error and followed openings of the faces found, made harder.

    Args:
        landmarker: Finds the points again.
        located: Faces as they are; those that were missed are left out.
        progress: Told how many of how many are done.
    """
    seen = [one for one in located if one.detection is not None]
    rows: dict[str, dict[str, object]] = {}
    for name, harden in HARD.items():
        harder = []
        for index, one in enumerate(seen):
            assert one.detection is not None
            image, scale = harden(one.crop.image(), one.crop.points_xy)
            picture = from_image(Image.fromarray(image))
            detection = scaled(one.detection, scale)
            (points,) = landmarker.locate(picture, [detection])
            points_xy = points.points_xy / np.float32(scale)
            harder.append(Located(one.crop, detection, points_xy))
            progress(len(rows) * len(seen) + index + 1, len(HARD) * len(seen))
        errors = mean(np.array([one.errors.mean() for one in harder]))
        rows[name] = {
            "faces": errors.count,
            "nme": errors.value,
            "nme_low": errors.low,
            "nme_high": errors.high,
            **{
                f"{measure}_correlation": row.get("correlation", float("nan"))
                for measure, row in followed(harder).items()
            },
        }
    return rows
