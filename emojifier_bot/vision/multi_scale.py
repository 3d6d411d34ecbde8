"""Finds faces of any size and roll by several passes of one detector.

The detector knows faces up to 45 degrees from upright. So four coarse passes look at a
small copy of the picture, as it is and turned by 90, 180 and 270 degrees. In the
direction where these see most, upright unless another clearly wins, the main pass looks
at a larger copy. These five always run and cost twice the main pass: a picture may hold
upright and turned faces at once. Where the main pass saw small faces, or none, a fine
pass looks at a still larger copy, in the same direction. Another direction, in which a
coarse pass sees a face that is not explained yet, gets a pass at the main size as well;
all of them do where nothing was found.

Inside, every detection is in pixels of the main copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from emojifier_bot.vision.crops import reduced_copy
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import (
    TINY,
    box_area,
    box_iou,
    intersection_area,
    scaled,
    turned_back,
)
from emojifier_bot.vision.ports import FaceDetector
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    FloatArray,
    ImageArray,
    Landmarks,
)

#: Longer sides of the copies.
COARSE_PX, MAIN_PX, FINE_PX = 320, 640, 960
#: Directions of the coarse passes, quarter turns counter-clockwise.
QUARTER_TURNS = (0, 1, 2, 3)
UPRIGHT = 0
#: Of one pass and of a picture, the most confident. No annotated photograph known to us
#: shows more than 2,000 faces (WIDER FACE); a made-up one of thousands of tiny faces
#: would keep a worker busy for minutes.
MAX_FACES = 3000
#: What counts as a face unless a setting says otherwise. A little below where precision
#: and recall of held-out faces balance: there many small faces would be lost.
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
#: The fine pass costs as much as all others: what the main pass is less sure of is no
#: reason for one.
LIKELY_CONFIDENCE = 0.5
#: The direction of the main pass is where the confidences of coarse passes, those of at
#: least the first number, sum up to most: more than upright by at least the second.
SEEN_CONFIDENCE, CLEARLY_MORE = 0.65, 0.7
#: Two passes found the same face if the boxes share this much,
SAME_FACE_IOU = 0.35
#: or if one lies this far inside the other.
SAME_FACE_OVERLAP = 0.65


def find_faces(
    detector: FaceDetector, picture: DecodedImage, min_confidence: float
) -> list[Detection]:
    """Find faces of any size at any roll.

    Args:
        detector: Finds upright faces.
        picture: Any decoded picture.
        min_confidence: Detections that are less sure after all passes are dropped.

    Returns:
        At most `MAX_FACES` detections in pixels of the picture, best first.
    """
    main_copy = reduced_copy(picture, MAIN_PX)
    coarse_copy = _shrunk(main_copy, COARSE_PX)
    enlarged = main_copy.shape[1] / coarse_copy.shape[1]
    coarse = [
        run_pass(detector, coarse_copy, turns, enlarged) for turns in QUARTER_TURNS
    ]
    direction = main_direction(coarse)
    found = run_pass(detector, main_copy, direction)
    # A smaller picture has no more to show.
    if max(picture.image.size) >= MAIN_PX and needs_fine_pass(found):
        fine_copy = reduced_copy(picture, FINE_PX)
        scale = main_copy.shape[1] / fine_copy.shape[1]
        found = fuse_scales(found, run_pass(detector, fine_copy, direction, scale))
    far = [one for one in found if not _is_near(one)]
    near = [one for one in found if _is_near(one)]
    found = far + require_agreement(near, coarse[direction])
    known = surer_than(SHOWN_CONFIDENCE, found)
    turned = [
        [penalize(one) for one in run_pass(detector, main_copy, turns)]
        for turns in QUARTER_TURNS
        if turns != direction and (not known or finds_new_face(known, coarse[turns]))
    ]
    found = surer_than(min_confidence, merge([found, *turned]))
    scale = picture.image.width / main_copy.shape[1]
    return [scaled(one, scale) for one in found[:MAX_FACES]]


def find_upright_faces(
    detector: FaceDetector, picture: DecodedImage, min_confidence: float
) -> list[Detection]:
    """Find faces by the main pass alone; see `find_faces`."""
    main_copy = reduced_copy(picture, MAIN_PX)
    scale = picture.image.width / main_copy.shape[1]
    return surer_than(min_confidence, run_pass(detector, main_copy, UPRIGHT, scale))


def run_pass(
    detector: FaceDetector, image: ImageArray, quarter_turns: int, scale: float = 1.0
) -> list[Detection]:
    """Find faces in a turned copy, in pixels of the unturned one times ``scale``."""
    turned = np.ascontiguousarray(np.rot90(image, quarter_turns))
    return [
        scaled(turned_back(one, quarter_turns, image.shape[:2]), scale)
        for one in detector.detect(turned)[:MAX_FACES]
    ]


def main_direction(coarse: Sequence[Sequence[Detection]]) -> int:
    """Return the quarter turns in which a picture shows most faces.

    Args:
        coarse: What was found in each direction, `UPRIGHT` first.
    """
    seen = [
        sum(one.confidence for one in surer_than(SEEN_CONFIDENCE, found))
        for found in coarse
    ]
    best = int(np.argmax(seen))
    return best if seen[best] >= seen[UPRIGHT] + CLEARLY_MORE else UPRIGHT


def surer_than(confidence: float, found: Sequence[Detection]) -> list[Detection]:
    """Return the detections with at least this confidence."""
    return [one for one in found if one.confidence >= confidence]


def penalize(one: Detection) -> Detection:
    """Return a detection that counts only if it is as sure as a turned face must be."""
    if one.confidence >= TURNED_CONFIDENCE:
        return one
    believed = one.confidence * SHOWN_CONFIDENCE / TURNED_CONFIDENCE
    return Detection(one.box, believed, one.landmarks)


def finds_new_face(known: Sequence[Detection], coarse: Sequence[Detection]) -> bool:
    """Tell whether a coarse pass sees a face well that is not known yet."""
    return len(merge([known, surer_than(SEEN_CONFIDENCE, coarse)])) > len(known)


def needs_fine_pass(main: Sequence[Detection]) -> bool:
    """Tell whether a fine pass may see more: small faces, or any at all."""
    likely = surer_than(LIKELY_CONFIDENCE, main)
    return not likely or min(map(_side, likely)) < LARGE_FACE_PX


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
    return float(np.interp(np.log(max(_side(one), 1.0)), sides, [LEAST_SHARE, 1.0]))


def _side(one: Detection) -> float:
    return max(one.box.width, one.box.height)


def _is_near(one: Detection) -> bool:
    return _side(one) >= NEAR_FACE_PX


def require_agreement(
    main: Sequence[Detection], coarse: Sequence[Detection]
) -> list[Detection]:
    """Merge the detections of near faces by the main and the coarse pass.

    A face that only one of them saw must be as sure as a turned one.
    """
    coarse = [one for one in coarse if _is_near(one)]
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
    found = [one for detections in passes for one in detections]
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


def _shrunk(image: ImageArray, longer_side_px: int) -> ImageArray:
    shrink = longer_side_px / max(image.shape[:2])
    height, width = image.shape[:2]
    size_wh = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
