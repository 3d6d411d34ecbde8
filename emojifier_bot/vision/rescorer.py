"""The second stage of detection: how probable it is that a candidate is a face.

The detector proposes candidates, sure or not; a small net then sees each one closely,
and with what is around it. What it says is joined with the detector's confidence and
with the best other candidate of the picture: a doubtful face among sure ones is more
often one than a doubtful face alone. The result is a calibrated probability. The net
also says where the face's box is: it sees a face of any size at the same size, and what
hides a part of it (a cascade as in Cai and Vasconcelos, Cascade R-CNN, 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from emojifier_bot.vision.canvas import new_canvas
from emojifier_bot.vision.crops import (
    Affine,
    cut_frame,
    frame_scale,
    invert,
    upright_frame,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import box_iou, covered_shares
from emojifier_bot.vision.landmarks import apply_affine
from emojifier_bot.vision.models import ModelSpec, OnnxSession, in_batches
from emojifier_bot.vision.ports import Map
from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray, ImageArray

#: Sides of the two squares that the net sees, over the longer side of the box: the head
#: alone, and with its surroundings.
MARGINS = (1.6, 3.2)
#: Between these sides of a box, in pixels as the detector saw it, weights go from those
#: of tiny faces to those of others by its logarithm.
TINY_FACE_PX, SMALL_FACE_PX = 10.0, 20.0
#: How far boxes go from the detector's to the net's, of tiny faces and of others.
BOX_SHARES = (1.0, 0.4)
#: The detector saw a picture with its longer side at this length, one that is longer
#: than so many times its width in parts of that shape.
SEEN_PX, LONGEST_SHAPE = 640, 1.5
#: Keeps the detector's logit finite.
LEAST_CONFIDENCE = 0.01
#: So many of a picture's best candidates may be the best other one of a candidate;
CONTEXT = 8
#: it does not share more than this with it, as a part of the same face would.
APART_IOU = 0.1
#: Without another, it counts as low as the first; above the second it says no more.
LEAST_CONTEXT, MOST_CONTEXT = -4.0, 2.5
#: What covers this share of the picture leaves no room for others: it needs none.
FILLED_SHARE = 0.4
#: The middle of a frame of side 1.
FRAME_MIDDLE = np.float32(0.5)
#: A box of the net's is so many times as long as the candidate's at most, and as least.
LOG_SIZES = (-1.5, 1.5)


class OnnxRescorer:
    """A `FaceRescorer` by our net, the candidates of a picture in batches.

    Raises:
        ModelFileError: The model's file is missing or differs.
    """

    def __init__(self, spec: ModelSpec, side_by_side: Map = map) -> None:
        self._spec, self._side_by_side = spec, side_by_side
        self._session = OnnxSession(spec)

    def rescore(
        self, picture: DecodedImage, candidates: Sequence[Detection], copy: ImageArray
    ) -> list[Detection]:
        """Return the candidates, in order, each with the probability that it is a face.

        Their boxes are the net's, unless it was exported without them.
        """
        if not candidates:
            return []
        cut = Cutter(picture, copy, self._spec.input_px)

        def judged(batch: Sequence[Detection]) -> list[FloatArray]:
            crops = np.stack([cut.crops(one) for one in batch]).astype(np.float32)
            normalized = (crops - self._spec.mean) / self._spec.std
            return self._session.run_all(crops=normalized)

        outputs = self._side_by_side(judged, in_batches(candidates))
        logits, *boxes = map(np.concatenate, zip(*outputs, strict=True))
        xyxy = np.array([one.box.xyxy for one in candidates], np.float32)
        found = probabilities(
            xyxy,
            np.array([one.confidence for one in candidates], np.float32),
            logits,
            picture.image.size,
            self._spec.fusion,
        )
        rescored = [
            Detection(one.box, probability, one.landmarks)
            for one, probability in zip(candidates, found.tolist(), strict=True)
        ]
        if not boxes:
            return rescored
        shares = by_size(xyxy, picture.image.size, BOX_SHARES).tolist()
        moved = zip(rescored, boxes[0], shares, strict=True)
        return [refined(*one) for one in moved]


def refined(one: Detection, box: FloatArray, share: float = 1.0) -> Detection:
    """Return a candidate whose box lies nearer to the one that the net gives it.

    Args:
        one: As it was proposed, pixels of the picture.
        box: ``(4,)`` float32: how far the middle lies from the candidate's in the
            upright frame, in sides of it, and the logarithms of width and height over
            that side.
        share: How far the box moves to that one, 0 to 1.
    """
    frame = upright_frame(one.box, _five(one), 1, 1.0)
    middle = apply_affine(invert(frame), box[None, :2] + FRAME_MIDDLE)[0]
    size = np.exp(box[2:].clip(*LOG_SIZES)) / frame_scale(frame)
    if abs(frame[1, 0]) > abs(frame[0, 0]):
        # A box has its edges along the picture's; a lying face is wide.
        size = size[::-1]
    edges = np.concatenate([middle - size / 2, middle + size / 2])
    edges = share * edges + (1 - share) * np.array(one.box.xyxy)
    return replace(one, box=BoundingBox(*edges.tolist()))


def probabilities(
    xyxy: FloatArray,
    confidences: FloatArray,
    logits: FloatArray,
    size_wh: tuple[int, int],
    fusion: Sequence[float],
) -> FloatArray:
    """Return how probable it is that each candidate of a picture is a face.

    Args:
        xyxy: ``(N, 4)`` float32 boxes, pixels.
        confidences: ``(N,)`` float32, the detector's.
        logits: ``(N,)`` float32, the net's.
        size_wh: Of the picture, pixels.
        fusion: Weights of the net's logit beside the detector's for tiny and for other
            faces, then the intercept and the coefficients of both together and of the
            best other candidate.

    Returns:
        ``(N,)`` float32, 0 to 1.
    """
    *weights, intercept, own, other = fusion
    both = joined(xyxy, confidences, logits, size_wh, weights)
    logit = intercept + own * both + other * context(xyxy, both, size_wh)
    return np.asarray(1 / (1 + np.exp(-logit)), np.float32)


def joined(
    xyxy: FloatArray,
    confidences: FloatArray,
    logits: FloatArray,
    size_wh: tuple[int, int],
    weights: Sequence[float],
) -> FloatArray:
    """Return the sum of the detector's logit and the net's by its weight, ``(N,)``.

    The net sees little of tiny faces.
    """
    weight = by_size(xyxy, size_wh, weights)
    clipped = confidences.clip(LEAST_CONFIDENCE, 1 - LEAST_CONFIDENCE)
    return np.asarray(np.log(clipped / (1 - clipped)) + weight * logits, np.float32)


def by_size(
    xyxy: FloatArray, size_wh: tuple[int, int], weights: Sequence[float]
) -> FloatArray:
    """Return the weight of each box, from the first of tiny ones to the second.

    Args:
        xyxy: ``(N, 4)`` float32, pixels of the picture.
        size_wh: Of the picture, pixels.
        weights: Of tiny faces and of others.

    Returns:
        ``(N,)`` float32.
    """
    seen = SEEN_PX / min(max(size_wh), LONGEST_SHAPE * min(size_wh))
    sides = (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=0.0) * seen
    octaves = np.log([TINY_FACE_PX, SMALL_FACE_PX])
    found = np.interp(np.log(sides.clip(1.0)), octaves, weights)
    return np.asarray(found, np.float32)


def context(
    xyxy: FloatArray, logits: FloatArray, size_wh: tuple[int, int]
) -> FloatArray:
    """Return what the rest of the picture says of each candidate, ``(N,)``."""
    filling = covered_shares(xyxy, size_wh) >= FILLED_SHARE
    found = np.where(filling, MOST_CONTEXT, best_other(xyxy, logits))
    return np.asarray(found, np.float32)


def best_other(xyxy: FloatArray, logits: FloatArray) -> FloatArray:
    """Return the highest logit of another candidate elsewhere, ``(N,)``.

    >>> best_other(np.float32([[0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 29, 9]]),
    ...     np.float32([2, 3, 1]))
    array([1. , 1. , 2.5], dtype=float32)
    """
    top = np.argsort(-logits, kind="stable")[:CONTEXT]
    apart = box_iou(xyxy, xyxy[top]) <= APART_IOU
    others = np.where(apart, logits[top], LEAST_CONTEXT)
    best = others.max(axis=1, initial=LEAST_CONTEXT)
    return np.asarray(best.clip(max=MOST_CONTEXT), np.float32)


def _five(one: Detection) -> FloatArray | None:
    return None if one.landmarks is None else one.landmarks.points_xy


class Cutter:
    """Cuts squares out of a picture, large ones out of a small copy of it."""

    def __init__(self, picture: DecodedImage, copy: ImageArray, size_px: int) -> None:
        """Cut squares of this side.

        Args:
            picture: Any decoded picture.
            copy: ``(H, W, 3)`` uint8 RGB: the whole picture reduced.
            size_px: Side of the squares.
        """
        self._picture, self._size_px = picture, size_px
        self._reduced_by = max(picture.image.size) / max(copy.shape)
        canvas = new_canvas("RGB", copy.shape[1::-1])
        cv2.cvtColor(copy, cv2.COLOR_RGB2RGBA, canvas.pixels)
        self._copy = replace(picture, canvas=canvas, icc_profile=None)

    def crops(self, one: Detection) -> ImageArray:
        """Return both squares of a candidate, ``(6, S, S)`` uint8 RGB."""
        five_xy = _five(one)
        frames = [upright_frame(one.box, five_xy, self._size_px, m) for m in MARGINS]
        squares = [self._cut(frame).transpose(2, 0, 1) for frame in frames]
        return np.concatenate(squares)

    def _cut(self, frame: Affine) -> ImageArray:
        reduced_by = self._reduced_by
        if reduced_by <= 1 or frame_scale(frame) * reduced_by > 1:
            return cut_frame(self._picture, frame, self._size_px)
        of_copy = frame.copy()
        of_copy[:, :2] *= reduced_by
        return cut_frame(self._copy, of_copy, self._size_px)
