"""Joins what several passes of a detector found into one detection of each face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.detector import TINY, box_area, box_iou, intersection_area
from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray, Landmarks

#: What counts as a known face between passes, in the detector's confidence. A little
#: below where its precision and recall of held-out faces balance: there many small
#: faces would be lost. What is shown is decided afterwards, from a setting.
SHOWN_CONFIDENCE = 0.6
#: Few faces are turned against the rest of their picture, and many things look a little
#: like a turned face; there the detector must be this sure to be believed as far.
TURNED_CONFIDENCE = 0.85
#: The coarse pass adds no smaller face, in pixels of the main copy.
NEAR_FACE_PX = 64.0
#: The confidence of a pass in a face that it did not report, and the least that counts:
#: detectors report every face that they are surer of. The most keeps logits finite.
UNSEEN_CONFIDENCE, MOST_CONFIDENCE = 0.1, 0.99
#: Sides of a face, in pixels of the main copy, and how much the main, the fine and the
#: coarse pass then count; between them by the logarithm of the side. Rounded from
#: logistic regressions on the candidates of held-out pictures.
SIDES_PX = (8.0, 16.0, 32.0, 64.0, 128.0)
_LOG_SIDES = np.log(SIDES_PX)
SHARES = (
    (0.15, 0.45, 0.4, 0.25, 0.15),
    (0.85, 0.5, 0.4, 0.25, 0.15),
    (0.0, 0.05, 0.2, 0.5, 0.7),
)
MAIN, FINE, COARSE = range(3)
#: Faces of this side, in pixels of the main copy, need no fine pass.
LARGE_FACE_PX = 40.0
#: Two passes found the same face if the boxes share this much,
SAME_FACE_IOU = 0.35
#: or if one lies this far inside the other.
SAME_FACE_OVERLAP = 0.65
#: Two boxes of the second stage that share this much are of one face.
DISTINCT_IOU = 0.6


def surer_than(confidence: float, found: Sequence[Detection]) -> list[Detection]:
    """Return the detections with at least this confidence."""
    return [one for one in found if one.confidence >= confidence]


def penalize(one: Detection) -> Detection:
    """Return a detection that counts only if it is as sure as a turned face must be."""
    if one.confidence >= TURNED_CONFIDENCE:
        return one
    believed = one.confidence * SHOWN_CONFIDENCE / TURNED_CONFIDENCE
    return Detection(one.box, believed, one.landmarks)


def pool_scales(
    main: Sequence[Detection],
    fine: Sequence[Detection] | None,
    coarse: Sequence[Detection],
) -> list[Detection]:
    """Fuse what the passes of one direction found, best first.

    The logit of the confidence is the mean of theirs, weighted by what each of them
    knows of faces of that size (a logarithmic pool, Genest and Zidek, 1986); boxes and
    points are means by weighted confidence (as in weighted boxes fusion, Solovyev et
    al., 2021).

    Args:
        main: What the main pass found, in pixels of the main copy.
        fine: The fine pass; None if it did not run.
        coarse: The coarse pass; what it alone found counts where it is near.
    """
    ran = np.array([True, fine is not None, True])
    faces = [{MAIN: one} for one in main]
    begins = [len(faces)]
    for number, found in ((FINE, fine or ()), (COARSE, coarse)):
        partners = _partners([next(iter(face.values())) for face in faces], found)
        for index, partner in partners.items():
            faces[index][number] = found[partner]
        taken = set(partners.values())
        faces += [
            {number: one}
            for index, one in enumerate(found)
            if index not in taken and (number != COARSE or is_near(one))
        ]
        begins.append(len(faces))
    pooled = [_pooled(face, ran) for face in faces]
    return merge([pooled[a:b] for a, b in pairwise([0, *begins])])


def _partners(known: Sequence[Detection], found: Sequence[Detection]) -> dict[int, int]:
    """Return which detection of a further pass is each known face, if any."""
    if not known or not found:
        return {}
    known_xyxy, found_xyxy = _boxes(known), _boxes(found)
    free = np.ones(len(found), bool)
    partners = {}
    for index in np.argsort([-one.confidence for one in known], kind="stable"):
        overlap = box_iou(known_xyxy[index, None], found_xyxy)[0] * free
        best = int(overlap.argmax())
        if overlap[best] > SAME_FACE_IOU:
            partners[int(index)] = best
            free[best] = False
    return partners


def _pooled(face: Mapping[int, Detection], ran: NDArray[np.bool_]) -> Detection:
    """Return one detection of a face that some of the passes that ran have seen."""
    first = next(iter(face.values()))
    log_side = np.log(max(side(first), 1.0))
    shares = np.array([np.interp(log_side, _LOG_SIDES, one) for one in SHARES])
    shares = shares * ran / (shares @ ran)
    seen = np.full(len(SHARES), UNSEEN_CONFIDENCE)
    for number, one in face.items():
        seen[number] = one.confidence
    seen = seen.clip(UNSEEN_CONFIDENCE, MOST_CONFIDENCE)
    confidence = float(1 / (1 + np.exp(-(shares @ np.log(seen / (1 - seen))))))
    if len(face) == 1:
        return Detection(first.box, confidence, first.landmarks)
    weights = (shares * seen)[list(face)]
    weights = weights / weights.sum()
    edges = weights @ _boxes(list(face.values()))
    marks = [one.landmarks for one in face.values() if one.landmarks is not None]
    points = None
    if len(marks) == len(face):
        mean = np.tensordot(weights, [one.points_xy for one in marks], axes=1)
        points = Landmarks(mean.astype(np.float32), marks[0].scheme)
    return Detection(BoundingBox(*map(float, edges)), confidence, points)


def side(one: Detection) -> float:
    """Return the longer side of a box."""
    return max(one.box.width, one.box.height)


def is_near(one: Detection) -> bool:
    """Tell whether a face is large enough for the coarse pass."""
    return side(one) >= NEAR_FACE_PX


def merge(passes: Sequence[Sequence[Detection]]) -> list[Detection]:
    """Join several passes, best first, keeping one detection of each face.

    Only detections of different passes can be the same face; each pass has settled its
    own overlaps. The more confident one stays, of equals that of the earlier pass.
    """
    passes = [detections for detections in passes if detections]
    found = [one for detections in passes for one in detections]
    if len(passes) <= 1:
        return sorted(found, key=lambda one: -one.confidence)
    pass_of = np.repeat(np.arange(len(passes)), [len(one) for one in passes])
    order = np.argsort([-one.confidence for one in found], kind="stable")
    boxes_xyxy, pass_of = _boxes(found)[order], pass_of[order]
    alive = np.ones(len(found), bool)
    kept = []
    for rank, index in enumerate(order):
        if alive[rank]:
            kept.append(found[index])
            same = _same_face(boxes_xyxy[rank], boxes_xyxy[rank + 1 :])
            alive[rank + 1 :] &= ~same | (pass_of[rank + 1 :] == pass_of[rank])
    return kept


def distinct(found: Sequence[Detection]) -> list[Detection]:
    """Return the detections that no surer one covers nearly, best first."""
    boxes = [(*one.box.xyxy[:2], one.box.width, one.box.height) for one in found]
    confidences = [one.confidence for one in found]
    kept = cv2.dnn.NMSBoxes(boxes, confidences, 0.0, DISTINCT_IOU)
    return [found[index] for index in np.asarray(kept, int)]


def _boxes(found: Sequence[Detection]) -> FloatArray:
    return np.array([one.box.xyxy for one in found], np.float32).reshape(-1, 4)


def _same_face(xyxy: FloatArray, others_xyxy: FloatArray) -> NDArray[np.bool_]:
    """Tell which of ``(N, 4)`` boxes show the face of one ``(4,)`` box.

    One box at a time: several passes over a picture of small faces give ten thousand
    boxes, and a matrix of all pairs would not fit in memory.
    """
    shared = intersection_area(xyxy[None], others_xyxy)[0]
    area, areas = box_area(xyxy[None]), box_area(others_xyxy)
    iou = shared / np.maximum(area + areas - shared, TINY)
    inside = shared / np.maximum(np.minimum(area, areas), TINY)
    return np.asarray((iou > SAME_FACE_IOU) | (inside > SAME_FACE_OVERLAP))
