"""What photos do to a labelled face crop, and what each of it costs.

Crops are square, their face in the middle (`read_faces`); a condition makes a picture
of one and tells where the detector would see the face.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.tools.intervals import bootstrap_all
from emojifier_bot.tools.read_faces import BOX_SHARE, READ_PX
from emojifier_bot.vision.crops import warp
from emojifier_bot.vision.decode import DecodedImage, from_image
from emojifier_bot.vision.frames import centered_frame
from emojifier_bot.vision.ports import EmotionClassifier, FaceLandmarker
from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray, ImageArray
from emojifier_training.datasets import LabelledExpressions
from emojifier_training.metrics import Labels, accuracy, macro_f1

Progress = Callable[[int, int], None]
#: Takes a crop at `READ_PX`, ``(S, S, 3)`` uint8, and returns one like it.
Change = Callable[[ImageArray], ImageArray]

#: Shares of red, green and blue under a bulb and in the shade.
WARM, COLD = (1.0, 0.8, 0.5), (0.6, 0.8, 1.0)
#: Brightness at the dark end of a half-lit face.
SHADE = 0.15
SIZES_PX = (24, 32, 48, 96, 400)
TILTS_DEGREES = (-30, -15, 15, 30)
JPEG_QUALITIES = (50, 20, 10)
POINTS = 100


def tinted(rgb: tuple[float, float, float]) -> Change:
    """Return what colours a grey crop."""
    shares = np.array(rgb, np.float32)
    return lambda crop: (crop * shares).astype(np.uint8)


def contrasted(gain: float, lift: float) -> Change:
    """Return what multiplies the distance from middle grey, then lifts all."""
    return lambda crop: (
        ((crop.astype(np.float32) - 128) * gain + 128 + lift)
        .clip(0, 255)
        .astype(np.uint8)
    )


def half_lit(degrees: float) -> Change:
    """Return what leaves one side in the shade; the light comes from ``degrees``."""
    cos, sin = math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))

    def change(crop: ImageArray) -> ImageArray:
        across = np.linspace(-1, 1, crop.shape[0], dtype=np.float32)
        along = across[None, :] * cos + across[:, None] * sin
        light = SHADE + (1 - SHADE) / (1 + np.exp(-5 * along))
        return np.asarray(crop * light[..., None], np.uint8)

    return change


def compressed(quality: int) -> Change:
    """Return what a JPEG of that quality keeps."""

    def change(crop: ImageArray) -> ImageArray:
        buffer = io.BytesIO()
        Image.fromarray(crop).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as image:
            return np.asarray(image.convert("RGB"))

    return change


def tilted(degrees: float) -> Change:
    """Return what turns a crop about its middle, counter-clockwise."""

    def change(crop: ImageArray) -> ImageArray:
        side = crop.shape[0]
        middle = (side / 2, side / 2)
        frame = centered_frame(middle, 1.0, -math.radians(degrees), side)
        return warp(crop, frame, (side, side))

    return change


def sized(face_px: int) -> Change:
    """Return what brings the face's box to a size; the picture's size changes."""

    def change(crop: ImageArray) -> ImageArray:
        side = round(face_px / BOX_SHARE)
        shrinks = side < crop.shape[0]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(crop, (side, side), interpolation=how), np.uint8)

    return change


CONDITIONS: MappingProxyType[str, Change] = MappingProxyType(
    {
        "warm light": tinted(WARM),
        "cold light": tinted(COLD),
        "a third of the contrast": contrasted(0.33, 0),
        "dark": contrasted(0.5, -60),
        "burnt out": contrasted(1.4, 60),
        "lit from the left": half_lit(180),
        "lit from the right": half_lit(0),
        "lit from above": half_lit(90),
        **{f"face of {size} px": sized(size) for size in SIZES_PX},
        **{f"tilted by {turn}°": tilted(turn) for turn in TILTS_DEGREES},
        **{f"JPEG of quality {one}": compressed(one) for one in JPEG_QUALITIES},
    }
)


def changed_picture(crop: ImageArray, change: Change) -> tuple[DecodedImage, Detection]:
    """Return a crop's picture under a condition, and the detection of its face.

    Args:
        crop: ``(H, W)`` grey or ``(H, W, 3)`` RGB.
        change: One of `CONDITIONS`.
    """
    large = cv2.resize(crop, (READ_PX, READ_PX), interpolation=cv2.INTER_CUBIC)
    rgb = large if large.ndim == 3 else np.repeat(large[..., None], 3, axis=2)  # noqa: PLR2004 - axes
    picture = change(np.asarray(rgb, np.uint8))
    side = picture.shape[0]
    margin = side * (1 - BOX_SHARE) / 2
    box = BoundingBox(margin, margin, side - margin, side - margin)
    return from_image(Image.fromarray(picture)), Detection(box, 1.0)


def robustness(
    landmarker: FaceLandmarker,
    classifier: EmotionClassifier,
    faces: LabelledExpressions,
    unchanged: FloatArray,
    progress: Progress,
) -> dict[str, dict[str, float]]:
    """Return what each condition costs, in points of accuracy and macro-F1.

    Args:
        landmarker: Finds the points anew under each condition.
        classifier: Reads the changed face.
        faces: Labelled crops.
        unchanged: ``(N, 8)`` probabilities of the crops as they are.
        progress: Told how many of how many are done.
    """
    rows: dict[str, dict[str, float]] = {}
    total = len(CONDITIONS) * len(faces.images)
    before = unchanged.argmax(axis=1)
    for name, change in CONDITIONS.items():
        after = np.empty_like(before)
        for index, crop in enumerate(faces.images):
            picture, detection = changed_picture(crop, change)
            points = landmarker.locate(picture, [detection])
            read = classifier.classify(picture, points)[0]
            after[index] = read.probabilities.argmax()
            progress(len(rows) * len(after) + index + 1, total)
        rows[name] = drop(faces.majority, before, after)
    return rows


def drop(truth: Labels, before: Labels, after: Labels) -> dict[str, float]:
    """Return what predictions lose, in points, with 95 % intervals."""

    def lost(drawn: Labels) -> list[float]:
        same, was, now = truth[drawn], before[drawn], after[drawn]
        return [
            accuracy(same, was) - accuracy(same, now),
            macro_f1(same, was) - macro_f1(same, now),
        ]

    lost_accuracy, lost_f1 = bootstrap_all(lost, len(truth))
    return {
        "accuracy": accuracy(truth, after),
        "macro_f1": macro_f1(truth, after),
        "accuracy_drop": lost_accuracy.value * POINTS,
        "accuracy_drop_low": lost_accuracy.low * POINTS,
        "accuracy_drop_high": lost_accuracy.high * POINTS,
        "macro_f1_drop": lost_f1.value * POINTS,
        "macro_f1_drop_low": lost_f1.low * POINTS,
        "macro_f1_drop_high": lost_f1.high * POINTS,
    }
