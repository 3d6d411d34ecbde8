"""Evaluates the detector, all its passes and merging included, on labelled pictures."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.config import Settings
from emojifier_bot.vision.detector import turned_boxes
from emojifier_bot.vision.intervals import Measured, bootstrap, share
from emojifier_bot.vision.types import Detection, FloatArray
from emojifier_training import Progress
from emojifier_training.average_precision import (
    match_boxes,
    rank,
    ranked_precision,
)
from emojifier_training.data import LabelledPicture

#: Heights are given for pictures whose longer side is this long.
REFERENCE_PX = 640
#: Faces lower than this at the reference size are neither hits nor misses.
SMALLEST_FACE_PX = 20.0
#: Limits of the height classes, pixels at the reference size.
HEIGHT_CLASSES = ((8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, float("inf")))
#: Stand-ins for WIDER FACE's three sets, which sort pictures by how hard they are:
#: their usual least heights of 50, 30 and 10 pixels in a picture of 1,024, at 640.
DIFFICULTIES = MappingProxyType({"easy": 31.0, "medium": 19.0, "hard": 6.0})
#: WIDER FACE's labels of occlusion.
OCCLUSIONS = ("none", "partial", "heavy")
#: What a face counts as found by, for recall.
RECALL_CONFIDENCE, RECALL_IOU, RECALL_FACE_PX = 0.5, 0.4, 24.0
#: The confidence from which a face gets an emoji.
SHIPPED_CONFIDENCE = Settings().min_confidence
#: Overlap that average precision asks for.
AP_IOU = 0.5
#: Confidences of the curve from which the operating point is chosen.
CURVE_CONFIDENCES = tuple(round(0.1 + 0.05 * step, 2) for step in range(18))
#: Counter-clockwise on screen.
ROTATIONS_DEGREES = (0, 45, 90, 180)
#: What shows beyond the corners of a turned picture.
GROUND_RGB = (127, 127, 127)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One picture's detections beside its labels."""

    picture: LabelledPicture
    xyxy: FloatArray
    confidences: FloatArray
    #: ``(M,)`` heights of the labelled faces at the reference size.
    heights: FloatArray


#: Tells which faces of a picture are wanted, ``(M,)``; the others do not matter.
Wanted = Callable[[Found], NDArray[np.bool_]]


def find_all(
    find: Callable[[Image.Image], list[Detection]],
    pictures: Sequence[LabelledPicture],
    progress: Progress,
    degrees: float = 0,
) -> list[Found]:
    """Let a detector find the faces of pictures, rotated or as they are."""
    found = []
    for index, upright in enumerate(pictures):
        picture = rotated(upright, degrees) if degrees else upright
        detections = find(picture_of(picture))
        found.append(beside_labels(picture, detections, upright))
        progress(index + 1, len(pictures))
    return found


def detector_figures(found: Sequence[Found]) -> dict[str, Any]:
    """Return every figure that one pass over the pictures gives."""
    counted = at_least(SMALLEST_FACE_PX)
    sources = sorted({one.picture.source for one in found})
    whole = measured_ap(found, counted)
    shown = seen(found, at_least(RECALL_FACE_PX))
    by_height = {
        f"{low:.0f}_{high:.0f}": kind(found, between(low, high))
        for low, high in HEIGHT_CLASSES
    }
    by_source = {name: kind(of_source(found, name), counted) for name in sources}
    return {
        "ap": whole.value,
        "pictures": len(found),
        "faces": whole.count,
        **{f"ap_{name}": row["ap"] for name, row in (by_height | by_source).items()},
        "recall": shown.recall.value if shown.recall.count else 0.0,
        "recall_faces": shown.recall.count,
        "precision": shown.precision.value,
        "false_alarms_per_picture": shown.false_alarms_per_picture,
        "intervals": {
            "ap": whole.as_dict(),
            "recall": shown.recall.as_dict(),
            "precision": shown.precision.as_dict(),
        },
        "by_difficulty": {
            name: kind(found, at_least(height)) for name, height in DIFFICULTIES.items()
        },
        "by_height": by_height,
        "by_source": by_source,
        "by_occlusion": {
            f"{source}, {name}": kind(
                of_source(found, source), occluded(level, SMALLEST_FACE_PX)
            )
            for source in sources
            for level, name in enumerate(OCCLUSIONS)
        },
        "curve": {
            f"{confidence:.2f}": operating_point(found, confidence)
            for confidence in CURVE_CONFIDENCES
        },
    }


def kind(
    found: Sequence[Found], wanted: Wanted, shown: Sequence[Found] | None = None
) -> dict[str, Any]:
    """Return one line of a table: the faces, and both figures with their intervals.

    Args:
        found: All candidates.
        wanted: Which faces count.
        shown: What a result would show, for recall, where that was asked for apart.
    """
    ap = measured_ap(found, wanted)
    recall = seen(found if shown is None else shown, wanted).recall
    return {
        "faces": ap.count,
        "ap": ap.value,
        "ap_low": ap.low,
        "ap_high": ap.high,
        "recall": recall.value,
        "recall_low": recall.low,
        "recall_high": recall.high,
    }


def operating_point(found: Sequence[Found], confidence: float) -> dict[str, float]:
    """Return recall, precision and false alarms a picture from a confidence on."""
    now = seen(found, at_least(RECALL_FACE_PX), confidence)
    return {
        "recall": now.recall.value,
        "precision": now.precision.value,
        "false_alarms_per_picture": now.false_alarms_per_picture,
    }


def picture_of(labelled: LabelledPicture) -> Image.Image:
    """Decode a labelled picture for the pipeline."""
    return Image.fromarray(labelled.image())


def beside_labels(
    picture: LabelledPicture,
    detections: list[Detection],
    upright: LabelledPicture | None = None,
) -> Found:
    """Put what was found beside what is labelled.

    Args:
        picture: In which it was found.
        detections: What was found.
        upright: The picture before it was rotated, whose faces' heights count.
    """
    xyxy = np.array([d.box.xyxy for d in detections], np.float32).reshape(-1, 4)
    with Image.open(io.BytesIO(picture.encoded)) as image:
        scale = REFERENCE_PX / max(image.size)
    labelled = (upright or picture).xyxy
    heights = (labelled[:, 3] - labelled[:, 1]) * np.float32(scale)
    confidences = np.array([d.confidence for d in detections], np.float32)
    return Found(picture, xyxy, confidences, heights)


def at_least(height_px: float) -> Wanted:
    """Want valid faces of this height and higher."""
    return between(height_px, float("inf"))


def between(low_px: float, high_px: float) -> Wanted:
    """Want valid faces of a class of heights."""
    return lambda one: (
        ~one.picture.invalid & (one.heights >= low_px) & (one.heights < high_px)
    )


def occluded(level: int, height_px: float) -> Wanted:
    """Want valid faces that are covered that much, and high enough."""
    high = at_least(height_px)
    return lambda one: high(one) & (one.picture.occlusion == level)


def of_source(found: Sequence[Found], source: str) -> list[Found]:
    """Return the pictures of one set."""
    return [one for one in found if one.picture.source == source]


def measured_ap(found: Sequence[Found], wanted: Wanted) -> Measured:
    """Return average precision; its interval comes from a bootstrap over pictures."""
    ranked = rank(
        [
            match_boxes(
                one.xyxy, one.confidences, one.picture.xyxy, wanted(one), iou=AP_IOU
            )
            for one in found
        ]
    )
    pictures = len(ranked.wanted)
    whole = bootstrap(
        lambda drawn: ranked_precision(ranked, np.bincount(drawn, minlength=pictures)),
        pictures,
    )
    count = int(sum(wanted(one).sum() for one in found))
    return Measured(whole.value, whole.low, whole.high, count)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a result would show at one confidence."""

    #: Of the wanted faces.
    recall: Measured
    #: Of the detections that lie on no face that does not matter.
    precision: Measured
    false_alarms_per_picture: float


def seen(
    found: Sequence[Found], wanted: Wanted, confidence: float = RECALL_CONFIDENCE
) -> Seen:
    """Judge the detections of at least this confidence."""
    hits = false_alarms = faces = 0
    for one in found:
        keep = one.confidences >= confidence
        matched = match_boxes(
            one.xyxy[keep],
            one.confidences[keep],
            one.picture.xyxy,
            wanted(one),
            iou=RECALL_IOU,
        )
        hits += int(matched.found.sum())
        faces += len(matched.found)
        false_alarms += int((~matched.hits & ~matched.ignored).sum())
    return Seen(
        share(hits, faces),
        share(hits, hits + false_alarms),
        false_alarms / max(len(found), 1),
    )


def rotated(picture: LabelledPicture, degrees: float) -> LabelledPicture:
    """Return a picture turned counter-clockwise, with room for all of it.

    Boxes become those of turned ellipses; the five points are dropped.
    """
    image = picture_of(picture)
    turned = image.rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=GROUND_RGB
    )
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", compress_level=1)
    count = len(picture.xyxy)
    return dataclasses.replace(
        picture,
        encoded=buffer.getvalue(),
        xyxy=rotated_boxes(picture.xyxy, degrees, image.size, turned.size),
        points_xy=np.full((count, 5, 2), np.nan, np.float32),
    )


def rotated_boxes(
    xyxy: FloatArray,
    degrees: float,
    size_wh: tuple[int, int],
    turned_wh: tuple[int, int],
) -> FloatArray:
    """Return where boxes lie after a turn about the middle of the picture.

    Args:
        xyxy: ``(N, 4)`` float32 pixels before the turn.
        degrees: The turn, counter-clockwise.
        size_wh: Size of the picture before the turn.
        turned_wh: Size of the picture after it.
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    center = (xyxy[:, :2] + xyxy[:, 2:]) / 2 - np.array(size_wh, np.float32) / 2
    turn = np.array([[cos, -sin], [sin, cos]], np.float32)
    center = center @ turn + np.array(turned_wh, np.float32) / 2
    return turned_boxes(center.astype(np.float32), xyxy[:, 2:] - xyxy[:, :2], degrees)
