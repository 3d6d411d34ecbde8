"""Judges the detector, both looks and merging included, on labelled pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.domain import Detection, FloatArray
from emojifier_bot.evaluation.average_precision import (
    MatchedPicture,
    average_precision,
    match_boxes,
)
from emojifier_bot.evaluation.datasets import LabelledPicture

Progress = Callable[[int, int], None]

#: Heights are told for pictures whose longer side is this long.
REFERENCE_PX = 640
#: Faces lower than this at the reference size are neither hits nor misses.
SMALLEST_FACE_PX = 20.0
#: Limits of the height classes, pixels at the reference size.
HEIGHT_CLASSES = ((8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, float("inf")))
#: What a face counts as found by, for recall.
RECALL_CONFIDENCE, RECALL_IOU, RECALL_FACE_PX = 0.5, 0.4, 24.0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One picture's detections beside its labels."""

    picture: LabelledPicture
    xyxy: FloatArray
    confidences: FloatArray
    #: ``(M,)`` heights of the labelled faces at the reference size.
    heights: FloatArray


def evaluate_detector(
    detect: Callable[[LabelledPicture], list[Detection]],
    pictures: Sequence[LabelledPicture],
    progress: Progress,
) -> dict[str, object]:
    """Return average precision at IoU 0.5, overall and by height, and recall.

    Args:
        detect: Finds faces in a labelled picture, down to confidence 0.01.
        pictures: What to judge on.
        progress: Told how many of how many are done.
    """
    found = []
    for index, picture in enumerate(pictures):
        found.append(_found(picture, detect(picture)))
        progress(index + 1, len(pictures))
    valid = [(one, ~one.picture.invalid) for one in found]
    classes = {
        f"ap_{low:.0f}_{high:.0f}": _ap(
            [(o, v & (o.heights >= low) & (o.heights < high)) for o, v in valid]
        )
        for low, high in HEIGHT_CLASSES
    }
    sources = sorted({one.picture.source for one in found})
    by_source = {
        f"ap_{source}": _ap(
            [
                (o, v & (o.heights >= SMALLEST_FACE_PX))
                for o, v in valid
                if o.picture.source == source
            ]
        )
        for source in sources
    }
    counted = [(o, v & (o.heights >= SMALLEST_FACE_PX)) for o, v in valid]
    return {
        "ap": _ap(counted),
        "pictures": len(found),
        "faces": int(sum(wanted.sum() for _, wanted in counted)),
        **classes,
        **by_source,
        **_recall(found),
    }


def picture_of(labelled: LabelledPicture) -> Image.Image:
    """Decode a labelled picture for the pipeline."""
    return Image.fromarray(labelled.image())


def _found(picture: LabelledPicture, detections: list[Detection]) -> Found:
    xyxy = np.array([d.box.xyxy for d in detections], np.float32).reshape(-1, 4)
    with Image.open(io.BytesIO(picture.encoded)) as image:
        scale = REFERENCE_PX / max(image.size)
    heights = (picture.xyxy[:, 3] - picture.xyxy[:, 1]) * np.float32(scale)
    confidences = np.array([d.confidence for d in detections], np.float32)
    return Found(picture, xyxy, confidences, heights)


def _ap(pictures: Sequence[tuple[Found, NDArray[np.bool_]]]) -> float:
    return average_precision([_match(one, wanted, 0.5) for one, wanted in pictures])


def _match(one: Found, wanted: NDArray[np.bool_], iou: float) -> MatchedPicture:
    return match_boxes(one.xyxy, one.confidences, one.picture.xyxy, wanted, iou=iou)


def _recall(found: Sequence[Found]) -> dict[str, float]:
    hits = false_alarms = faces = 0
    for one in found:
        keep = one.confidences >= RECALL_CONFIDENCE
        wanted = ~one.picture.invalid & (one.heights >= RECALL_FACE_PX)
        matched = match_boxes(
            one.xyxy[keep],
            one.confidences[keep],
            one.picture.xyxy,
            wanted,
            iou=RECALL_IOU,
        )
        hits += int(matched.found.sum())
        faces += len(matched.found)
        false_alarms += int((~matched.hits & ~matched.ignored).sum())
    return {
        "recall": hits / max(faces, 1),
        "recall_faces": faces,
        "false_alarms_per_picture": false_alarms / max(len(found), 1),
    }
