"""Joins what several passes of a detector found into one detection of each face."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from emojifier_bot.vision.detector import TINY, box_area, box_iou, intersection_area
from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray, Landmarks

#: What counts as a known face between passes, in the detector's confidence. A little
#: below where its precision and recall of held-out faces balance: there many small
#: faces would be lost. What is shown is decided afterwards, from a setting.
SHOWN_CONFIDENCE = 0.6
#: Few faces are turned against the rest of their picture, and many things look a little
#: like a turned face; there the detector must be this sure to be believed as far.
TURNED_CONFIDENCE = 0.8
#: Faces of at least this size, in pixels of the main copy, are seen by the coarse and
#: the main pass; the coarse pass adds no smaller face in the direction of the main one.
NEAR_FACE_PX = 64.0
#: The confidence of a pass in a face that it did not report, and the least confidence
#: that counts: detectors report every face that they are surer of.
UNSEEN_CONFIDENCE = 0.1
#: Between these sides of a face, pixels of the main copy, the weight moves from the
#: main pass to the fine pass, by the logarithm of the side;
SMALL_FACE_PX, LARGE_FACE_PX = 10.0, 40.0
#: even for the smallest the main pass keeps this much.
LEAST_SHARE = 0.1
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


def fuse_scales(
    main: Sequence[Detection], fine: Sequence[Detection]
) -> list[Detection]:
    """Fuse the detections of the main and the fine pass, best first.

    The confidence is the weighted geometric mean of both (the logarithmic pool, Genest
    and Zidek, 1986), the box the mean by weighted confidence (as in weighted boxes
    fusion, Solovyev et al., 2021). The smaller a face, the less the main pass counts;
    of large faces it alone does.
    """
    partners = _partners(main, fine)
    known = [
        _fused(one, fine[partners[index]])
        if index in partners
        else _seen_once(one, _main_share(one))
        for index, one in enumerate(main)
    ]
    taken = set(partners.values())
    new = [
        _seen_once(one, 1 - _main_share(one))
        for index, one in enumerate(fine)
        if index not in taken
    ]
    return merge([known, new])


def _partners(main: Sequence[Detection], fine: Sequence[Detection]) -> dict[int, int]:
    """Return which detection of the fine pass is each of the main one, if any."""
    if not main or not fine:
        return {}
    main_xyxy, fine_xyxy = _boxes(main), _boxes(fine)
    free = np.ones(len(fine), bool)
    partners = {}
    for index in np.argsort([-one.confidence for one in main], kind="stable"):
        overlap = box_iou(main_xyxy[index, None], fine_xyxy)[0] * free
        best = int(overlap.argmax())
        if overlap[best] > SAME_FACE_IOU:
            partners[int(index)] = best
            free[best] = False
    return partners


def _fused(main: Detection, fine: Detection) -> Detection:
    share = _main_share(main)
    weight = share * max(main.confidence, UNSEEN_CONFIDENCE)
    weight /= weight + (1 - share) * max(fine.confidence, UNSEEN_CONFIDENCE)
    edges = _mean(main.box.xyxy, fine.box.xyxy, weight)
    points = None
    if main.landmarks is not None and fine.landmarks is not None:
        both = (main.landmarks.points_xy, fine.landmarks.points_xy)
        points = Landmarks(_mean(*both, weight), main.landmarks.scheme)
    confidence = _geometric_mean(main.confidence, fine.confidence, share)
    return Detection(BoundingBox(*map(float, edges)), confidence, points)


def _mean(first: ArrayLike, second: ArrayLike, weight: float) -> FloatArray:
    """Return the mean where the first counts by a weight of 0 to 1."""
    mean = weight * np.asarray(first) + (1 - weight) * np.asarray(second)
    return np.asarray(mean, np.float32)


def _seen_once(one: Detection, share: float) -> Detection:
    """Return a detection that the other pass did not report."""
    confidence = _geometric_mean(one.confidence, UNSEEN_CONFIDENCE, share)
    return Detection(one.box, confidence, one.landmarks)


def _geometric_mean(first: float, second: float, share: float) -> float:
    """Return the geometric mean where the first counts by a share of 0 to 1."""
    if max(first, second) <= UNSEEN_CONFIDENCE:
        return first
    first, second = max(first, UNSEEN_CONFIDENCE), max(second, UNSEEN_CONFIDENCE)
    return float(first**share * second ** (1 - share))


def _main_share(one: Detection) -> float:
    sides = np.log([SMALL_FACE_PX, LARGE_FACE_PX])
    return float(np.interp(np.log(max(side(one), 1.0)), sides, [LEAST_SHARE, 1.0]))


def side(one: Detection) -> float:
    """Return the longer side of a box."""
    return max(one.box.width, one.box.height)


def is_near(one: Detection) -> bool:
    """Tell whether a face is large enough for the coarse pass."""
    return side(one) >= NEAR_FACE_PX


def require_agreement(
    main: Sequence[Detection], coarse: Sequence[Detection]
) -> list[Detection]:
    """Merge the detections of near faces by the main and the coarse pass.

    A face that only one of them saw must be as sure as a turned one.
    """
    coarse = [one for one in coarse if is_near(one)]
    return merge([_confirmed(main, coarse), _confirmed(coarse, main)])


def _confirmed(
    found: Sequence[Detection], other: Sequence[Detection]
) -> list[Detection]:
    other_xyxy = _boxes(other)
    return [
        one if _same_face(xyxy, other_xyxy).any() else penalize(one)
        for one, xyxy in zip(found, _boxes(found), strict=True)
    ]


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
