"""What the detector takes for a face, each candidate judged by the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from emojifier_bot.vision.detector import box_iou, box_overlap
from emojifier_bot.vision.types import Detection, FloatArray
from emojifier_training import Progress
from emojifier_training.average_precision import IGNORED_OVERLAP
from emojifier_training.data import LabelledPicture

#: Below the first IoU with every labelled face a candidate is none, from the second on
#: it is one; between, its target rises evenly.
NO_FACE_IOU, FACE_IOU = 0.3, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Detections of many pictures."""

    #: ``(N,)`` index of the picture.
    pictures: np.ndarray
    #: ``(N, 2)`` width and height of the picture, pixels.
    sizes_wh: np.ndarray
    #: ``(N, 4)`` float32 pixels of the picture.
    xyxy: FloatArray
    #: ``(N, 5, 2)`` float32, NaN where the detector gave none.
    points_xy: FloatArray
    #: ``(N,)`` the detector's; NaN for a labelled face that it did not propose.
    confidences: FloatArray
    #: ``(N,)`` 0 no face to 1 a face; NaN where the labels do not tell.
    targets: FloatArray
    #: ``(N, 4)`` float32 the labelled face that it overlaps most; NaN without one.
    faces_xyxy: FloatArray

    @property
    def sides(self) -> FloatArray:
        """Return the longer side of each box, ``(N,)`` pixels."""
        return np.asarray((self.xyxy[:, 2:] - self.xyxy[:, :2]).max(axis=1), np.float32)

    def subset(self, keep: np.ndarray) -> Candidates:
        """Return the rows that a mask or an index array names."""
        return Candidates(*(getattr(self, f.name)[keep] for f in fields(self)))

    def save(self, path: Path, **others: np.ndarray) -> None:
        """Write all, and other arrays beside, to an ``.npz`` file."""
        arrays: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        # Whole or not at all: an interrupted run must not leave half a file.
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **(arrays | others))
        partial.replace(path)


def load(path: Path) -> Candidates:
    """Read what `Candidates.save` wrote."""
    with np.load(path) as arrays:
        return Candidates(*(arrays[f.name] for f in fields(Candidates)))


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Put several sets, of the same pictures, behind each other."""
    return Candidates(
        *(
            np.concatenate([getattr(p, f.name) for p in parts])
            for f in fields(Candidates)
        )
    )


def mine(
    find: Callable[[LabelledPicture], list[Detection]],
    pictures: Sequence[LabelledPicture],
    progress: Progress,
) -> Candidates:
    """Let a detector propose faces in labelled pictures, and add those it missed."""
    parts = []
    for index, picture in enumerate(pictures):
        parts.append(_judged(index, picture, find(picture)))
        progress(index + 1, len(pictures))
    return joined(parts)


def at_most(count: int, candidates: Candidates) -> Candidates:
    """Keep of each picture what has some of a face, and the surest of the rest."""
    confidences = np.nan_to_num(candidates.confidences, nan=1.0)
    order = np.lexsort((-confidences, candidates.pictures))
    ordered = candidates.pictures[order]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return candidates.subset((rank < count) | (candidates.targets != 0))


def _judged(
    index: int, picture: LabelledPicture, found: Sequence[Detection]
) -> Candidates:
    xyxy = np.array([one.box.xyxy for one in found], np.float32).reshape(-1, 4)
    points = [
        np.full((5, 2), np.nan) if one.landmarks is None else one.landmarks.points_xy
        for one in found
    ]
    confidences = [one.confidence for one in found]
    overlaps = box_iou(xyxy, picture.xyxy)
    missed = ~picture.invalid & (overlaps.max(axis=0, initial=0.0) < NO_FACE_IOU)
    count = int(missed.sum())
    height, width = picture.image().shape[:2]
    return Candidates(
        np.full(len(found) + count, index),
        np.tile([width, height], (len(found) + count, 1)),
        np.concatenate([xyxy, picture.xyxy[missed]]),
        np.concatenate(
            [np.array(points, np.float32).reshape(-1, 5, 2), picture.points_xy[missed]]
        ),
        np.array(confidences + [np.nan] * count, np.float32),
        np.concatenate([judged_targets(xyxy, picture), np.ones(count, np.float32)]),
        np.concatenate([overlapped_faces(xyxy, picture), picture.xyxy[missed]]),
    )


def judged_targets(xyxy: FloatArray, picture: LabelledPicture) -> FloatArray:
    """Return how much of a face each box is, ``(N,)``; NaN where nobody knows."""
    overlaps = box_iou(xyxy, picture.xyxy)
    valid = np.where(picture.invalid, 0.0, overlaps).max(axis=1, initial=0.0)
    target = np.clip((valid - NO_FACE_IOU) / (FACE_IOU - NO_FACE_IOU), 0.0, 1.0)
    inside = box_overlap(xyxy, picture.xyxy) >= IGNORED_OVERLAP
    unclear = (picture.invalid & (inside | (overlaps >= NO_FACE_IOU))).any(axis=1)
    return np.where(unclear & (target < 1.0), np.nan, target).astype(np.float32)


def overlapped_faces(xyxy: FloatArray, picture: LabelledPicture) -> FloatArray:
    """Return the valid face that each box overlaps most, ``(N, 4)``, NaN for none."""
    overlaps = np.where(picture.invalid, 0.0, box_iou(xyxy, picture.xyxy))
    found = np.full((len(xyxy), 4), np.nan, np.float32)
    some = overlaps.max(axis=1, initial=0.0) >= NO_FACE_IOU
    if some.any():
        found[some] = picture.xyxy[overlaps[some].argmax(axis=1)]
    return found
