"""Joins what several looks at one picture saw.

Every detection is in pixels of the same copy of the picture, that of the large look.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emojifier_bot.vision.boxes import (
    TINY,
    box_area,
    box_iou,
    intersection_area,
    turned_boxes,
)
from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray, Landmarks

UPRIGHT = 0
#: What counts as a face unless a setting says otherwise. A little below where precision
#: and recall of held-out faces balance: there many small faces would be lost.
SHOWN_CONFIDENCE = 0.6
#: Few faces are turned against the rest of their picture, and many things look a little
#: like a turned face; there the detector must be this sure to be believed as far.
TURNED_CONFIDENCE = 0.8
#: Faces of at least this size, in pixels of the large copy, both sizes of looks see;
#: the small one adds no smaller face in the direction of the large look.
NEAR_FACE_PX = 64.0
#: What a look is taken to have said of a face that it did not report, and the least
#: that counts of what it said: detectors report whatever they are surer of.
UNSEEN_CONFIDENCE = 0.1
#: Between these sides of a face, pixels of the large copy, the large look's word gives
#: way to that of the closer look, by the logarithm of the side;
SMALL_FACE_PX, LARGE_FACE_PX = 10.0, 40.0
#: even of the smallest it counts as much as that.
LEAST_SHARE = 0.1
#: A closer look costs as much as all others: what the large look is less sure of is no
#: reason for one.
LIKELY_CONFIDENCE = 0.5
#: The direction of the large look is where the confidences of small looks, those of at
#: least the first number, sum up to most: more than upright by at least the second.
SEEN_CONFIDENCE, CLEARLY_MORE = 0.65, 0.7
#: Two looks found the same face if the boxes share this much,
SAME_FACE_IOU = 0.35
#: or if one lies this far inside the other.
SAME_FACE_OVERLAP = 0.65


def main_direction(looks: Sequence[Sequence[Detection]]) -> int:
    """Return the quarter turns in which a picture shows most faces.

    Args:
        looks: What was found in each direction, `UPRIGHT` first.
    """
    seen = [
        sum(one.confidence for one in surer_than(SEEN_CONFIDENCE, look))
        for look in looks
    ]
    best = int(np.argmax(seen))
    return best if seen[best] >= seen[UPRIGHT] + CLEARLY_MORE else UPRIGHT


def surer_than(confidence: float, look: Sequence[Detection]) -> list[Detection]:
    """Return the detections of a look with at least this confidence."""
    return [one for one in look if one.confidence >= confidence]


def doubted(one: Detection) -> Detection:
    """Return a detection that counts only if it is as sure as a turned face must be."""
    if one.confidence >= TURNED_CONFIDENCE:
        return one
    believed = one.confidence * SHOWN_CONFIDENCE / TURNED_CONFIDENCE
    return Detection(one.box, believed, one.landmarks)


def adds(known: Sequence[Detection], look: Sequence[Detection]) -> bool:
    """Tell whether a small look sees a face well that is not known yet."""
    return len(merge([known, surer_than(SEEN_CONFIDENCE, look)])) > len(known)


def needs_closer_look(large: Sequence[Detection]) -> bool:
    """Tell whether a closer look may see more: small faces, or any at all."""
    likely = surer_than(LIKELY_CONFIDENCE, large)
    return not likely or min(map(_side, likely)) < LARGE_FACE_PX


def pool(large: Sequence[Detection], close: Sequence[Detection]) -> list[Detection]:
    """Join what the large and the closer look say of every face, best first.

    The confidence is the weighted geometric mean of both (the logarithmic pool, Genest
    and Zidek, 1986), the box the mean by weighted confidence (as in weighted boxes
    fusion, Solovyev et al., 2021). The smaller a face, the less the large look counts;
    of large faces it alone does.
    """
    partners = _partners(large, close)
    known = [
        _pooled(one, close[partners[index]])
        if index in partners
        else _believed(one, _large_share(one))
        for index, one in enumerate(large)
    ]
    taken = set(partners.values())
    new = [
        _believed(one, 1 - _large_share(one))
        for index, one in enumerate(close)
        if index not in taken
    ]
    return merge([known, new])


def _partners(large: Sequence[Detection], close: Sequence[Detection]) -> dict[int, int]:
    """Return which detection of the closer look is each of the large one, if any."""
    if not large or not close:
        return {}
    large_xyxy, close_xyxy = _boxes(large), _boxes(close)
    free = np.ones(len(close), bool)
    partners = {}
    for index in np.argsort([-one.confidence for one in large], kind="stable"):
        overlap = box_iou(large_xyxy[index, None], close_xyxy)[0] * free
        best = int(overlap.argmax())
        if overlap[best] > SAME_FACE_IOU:
            partners[int(index)] = best
            free[best] = False
    return partners


def _pooled(large: Detection, close: Detection) -> Detection:
    share = _large_share(large)
    weight = share * max(large.confidence, UNSEEN_CONFIDENCE)
    weight /= weight + (1 - share) * max(close.confidence, UNSEEN_CONFIDENCE)
    edges = _mean(large.box.xyxy, close.box.xyxy, weight)
    points = None
    if large.landmarks is not None and close.landmarks is not None:
        both = (large.landmarks.points_xy, close.landmarks.points_xy)
        points = Landmarks(_mean(*both, weight), large.landmarks.scheme)
    confidence = _agreed(large.confidence, close.confidence, share)
    return Detection(BoundingBox(*map(float, edges)), confidence, points)


def _mean(first: ArrayLike, second: ArrayLike, weight: float) -> FloatArray:
    """Return the mean where the first counts by a weight of 0 to 1."""
    mean = weight * np.asarray(first) + (1 - weight) * np.asarray(second)
    return np.asarray(mean, np.float32)


def _believed(one: Detection, share: float) -> Detection:
    """Return a detection of which the other look knows nothing."""
    confidence = _agreed(one.confidence, UNSEEN_CONFIDENCE, share)
    return Detection(one.box, confidence, one.landmarks)


def _agreed(first: float, second: float, share: float) -> float:
    """Return the geometric mean where the first counts by a share of 0 to 1."""
    if max(first, second) <= UNSEEN_CONFIDENCE:
        return first
    first, second = max(first, UNSEEN_CONFIDENCE), max(second, UNSEEN_CONFIDENCE)
    return float(first**share * second ** (1 - share))


def _large_share(one: Detection) -> float:
    sides = np.log([SMALL_FACE_PX, LARGE_FACE_PX])
    return float(np.interp(np.log(max(_side(one), 1.0)), sides, [LEAST_SHARE, 1.0]))


def _side(one: Detection) -> float:
    return max(one.box.width, one.box.height)


def is_near(one: Detection) -> bool:
    """Tell whether a face fills enough of the picture for both sizes of looks."""
    return _side(one) >= NEAR_FACE_PX


def seen_twice(
    large: Sequence[Detection], small: Sequence[Detection]
) -> list[Detection]:
    """Join what the large and the small look say of near faces.

    A face that only one of them saw must be as sure as a turned one.
    """
    small = [one for one in small if is_near(one)]
    return merge([_require_agreement(large, small), _require_agreement(small, large)])


def _require_agreement(
    look: Sequence[Detection], other: Sequence[Detection]
) -> list[Detection]:
    seen_xyxy = _boxes(other)
    return [
        one if _same_face(xyxy, seen_xyxy).any() else doubted(one)
        for one, xyxy in zip(look, _boxes(look), strict=True)
    ]


def merge(looks: Sequence[Sequence[Detection]]) -> list[Detection]:
    """Join several looks, best first, keeping one detection of each face.

    Only detections of different looks can be the same face; each look has settled
    its own overlaps. The more confident one stays, of equals that of the earlier look.
    """
    found = [one for look in looks for one in look]
    look_of = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    order = np.argsort([-one.confidence for one in found], kind="stable")
    boxes_xyxy, look_of = _boxes(found)[order], look_of[order]
    alive = np.ones(len(found), bool)
    kept = []
    for rank, index in enumerate(order):
        if alive[rank]:
            kept.append(found[index])
            same = _same_face(boxes_xyxy[rank], boxes_xyxy[rank + 1 :])
            alive[rank + 1 :] &= ~same | (look_of[rank + 1 :] == look_of[rank])
    return kept


def _boxes(look: Sequence[Detection]) -> FloatArray:
    return np.array([one.box.xyxy for one in look], np.float32).reshape(-1, 4)


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


def scaled(detection: Detection, scale: float) -> Detection:
    """Return a detection in a picture that is ``scale`` times as large."""
    points = detection.landmarks
    return Detection(
        BoundingBox(*(edge * scale for edge in detection.box.xyxy)),
        detection.confidence,
        points and Landmarks(points.points_xy * np.float32(scale), points.scheme),
    )


def turned_back(
    detection: Detection, quarter_turns: int, size_hw: tuple[int, int]
) -> Detection:
    """Return a detection as the unturned picture has it.

    Args:
        detection: Found in ``numpy.rot90(image, quarter_turns)``.
        quarter_turns: 0 to 3, counter-clockwise.
        size_hw: Height and width of the unturned image.
    """
    if quarter_turns == 0:
        return detection
    box = detection.box
    center = _turn_points(np.array([box.center_xy], np.float32), quarter_turns, size_hw)
    size = np.array([[box.width, box.height]], np.float32)
    edges = turned_boxes(center, size, 90.0 * quarter_turns)[0]
    points = detection.landmarks
    return Detection(
        BoundingBox(*(float(edge) for edge in edges)),
        detection.confidence,
        points
        and Landmarks(
            _turn_points(points.points_xy, quarter_turns, size_hw), points.scheme
        ),
    )


def _turn_points(
    points_xy: FloatArray, quarter_turns: int, size_hw: tuple[int, int]
) -> FloatArray:
    height, width = size_hw
    x, y = points_xy[:, 0], points_xy[:, 1]
    turned = {
        0: (x, y),
        1: (width - y, x),
        2: (width - x, height - y),
        3: (y, height - x),
    }[quarter_turns]
    return np.stack(turned, axis=1).astype(np.float32)
