"""What covering, blur and few pixels do to the 68 points.

The detection is that of the unchanged crop, so that each figure is the landmark net's
own; how small and covered faces are detected is the detector's to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.vision.boxes import scaled
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.intervals import mean
from emojifier_bot.vision.ports import FaceLandmarker
from emojifier_bot.vision.types import FloatArray, ImageArray
from emojifier_training.evaluate_landmarks import Located, followed

Progress = Callable[[int, int], None]
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


def _box(points_xy: FloatArray) -> tuple[FloatArray, FloatArray]:
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    return low, high - low


def covered(part: tuple[float, float, float, float]) -> Harden:
    """Return what hides a part of the face behind a flat rectangle."""

    def harden(crop: ImageArray, points_xy: FloatArray) -> tuple[ImageArray, float]:
        low, size = _box(points_xy)
        edges = np.array(part, np.float32).reshape(2, 2) * size + low
        (x_min, y_min), (x_max, y_max) = edges.round().astype(int).clip(0)
        hidden = crop.copy()
        hidden[y_min:y_max, x_min:x_max] = COVER_RGB
        return hidden, 1.0

    return harden


def blurred(spread: float) -> Harden:
    """Return what blurs a crop by a share of the face's height."""

    def harden(crop: ImageArray, points_xy: FloatArray) -> tuple[ImageArray, float]:
        sigma = spread * float(_box(points_xy)[1][1])
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8), 1.0

    return harden


def reduced(height_px: float) -> Harden:
    """Return what reduces a crop until the face is that high."""

    def harden(crop: ImageArray, points_xy: FloatArray) -> tuple[ImageArray, float]:
        scale = height_px / float(_box(points_xy)[1][1])
        side = max(round(crop.shape[0] * scale), 1)
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8), side / crop.shape[0]

    return harden


HARD: MappingProxyType[str, Harden] = MappingProxyType(
    {
        **{name: covered(part) for name, part in COVERS.items()},
        **{f"blurred by {one:.0%} of its height": blurred(one) for one in BLURS},
        **{f"face of {height} px": reduced(height) for height in SMALL_PX},
    }
)


def hard_figures(
    landmarker: FaceLandmarker, located: Sequence[Located], progress: Progress
) -> dict[str, dict[str, object]]:
    """Return error and followed openings of the faces found, made harder.

    Args:
        landmarker: Finds the points anew.
        located: Faces as they are; those that were missed are left out.
        progress: Told how many of how many are done.
    """
    seen = [one for one in located if one.detection is not None]
    rows: dict[str, dict[str, object]] = {}
    for name, harden in HARD.items():
        harder = []
        for index, one in enumerate(seen):
            harder.append(_again(landmarker, one, harden))
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


def _again(landmarker: FaceLandmarker, one: Located, harden: Harden) -> Located:
    image, scale = harden(one.crop.image(), one.crop.points_xy)
    picture = from_image(Image.fromarray(image))
    assert one.detection is not None  # noqa: S101 - for the type checker
    detection = scaled(one.detection, scale)
    (points,) = landmarker.locate(picture, [detection])
    return Located(one.crop, detection, points.points_xy / np.float32(scale))
