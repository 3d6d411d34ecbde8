"""The second stage of detection: how probable it is that a candidate is a face.

The detector proposes candidates, sure or not; a small net then sees each one closely,
and with what is around it. What it says is joined with the detector's confidence and
with the best other candidate of the picture: a doubtful face among sure ones is more
often one than a doubtful face alone. The result is a calibrated probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from emojifier_bot.vision.crops import (
    Affine,
    cut_frame,
    frame_scale,
    reduced_copy,
    upright_frame,
)
from emojifier_bot.vision.decode import DecodedImage, from_image
from emojifier_bot.vision.detector import box_iou, covered_shares
from emojifier_bot.vision.models import ModelSpec, OnnxSession, in_batches
from emojifier_bot.vision.types import Detection, FloatArray, ImageArray

#: Sides of the two squares that the net sees, over the longer side of the box: the head
#: alone, and with its surroundings.
MARGINS = (1.6, 3.2)
#: Squares that are large enough are cut from a copy whose longer side is this long.
COPY_PX = 640
#: Between these sides of a box, in pixels as the detector saw it, the weight of the net
#: rises by their logarithm: it sees little of tiny faces.
TINY_FACE_PX, SMALL_FACE_PX = 10.0, 20.0
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


class OnnxRescorer:
    """A `FaceRescorer` by our net, the candidates of a picture in batches.

    Raises:
        ModelFileError: The model's file is missing or differs.
    """

    def __init__(self, spec: ModelSpec, threads: int = 0) -> None:
        self._spec = spec
        self._session = OnnxSession(spec, threads)

    def rescore(
        self, picture: DecodedImage, candidates: Sequence[Detection]
    ) -> list[Detection]:
        """Return the candidates with the probability that each is a face, in order."""
        if not candidates:
            return []
        cut = Cutter(picture, self._spec.input_px)
        logits = []
        for batch in in_batches(candidates):
            crops = np.stack([cut.crops(one) for one in batch]).astype(np.float32)
            logits.append(
                self._session.run(crops=(crops - self._spec.mean) / self._spec.std)
            )
        found = probabilities(
            np.array([one.box.xyxy for one in candidates], np.float32),
            np.array([one.confidence for one in candidates], np.float32),
            np.concatenate(logits),
            picture.image.size,
            self._spec.fusion,
        )
        return [
            Detection(one.box, probability, one.landmarks)
            for one, probability in zip(candidates, found.tolist(), strict=True)
        ]


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
    """Return the sum of the detector's logit and the net's by its weight, ``(N,)``."""
    seen = SEEN_PX / min(max(size_wh), LONGEST_SHAPE * min(size_wh))
    sides = (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=0.0) * seen
    octaves = np.log([TINY_FACE_PX, SMALL_FACE_PX])
    weight = np.interp(np.log(sides.clip(1.0)), octaves, weights)
    clipped = confidences.clip(LEAST_CONFIDENCE, 1 - LEAST_CONFIDENCE)
    return np.asarray(np.log(clipped / (1 - clipped)) + weight * logits, np.float32)


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


class Cutter:
    """Cuts squares out of a picture, large ones out of a small copy of it."""

    def __init__(self, picture: DecodedImage, size_px: int) -> None:
        """Cut squares of this side."""
        self._picture, self._size_px = picture, size_px
        self._reduced_by = max(picture.image.size) / COPY_PX
        self._copy: DecodedImage | None = None

    def crops(self, one: Detection) -> ImageArray:
        """Return both squares of a candidate, ``(6, S, S)`` uint8 RGB."""
        five = None if one.landmarks is None else one.landmarks.points_xy
        frames = [upright_frame(one.box, five, self._size_px, m) for m in MARGINS]
        squares = [self._cut(frame).transpose(2, 0, 1) for frame in frames]
        return np.concatenate(squares)

    def _cut(self, frame: Affine) -> ImageArray:
        reduced_by = self._reduced_by
        if reduced_by <= 1 or frame_scale(frame) * reduced_by > 1:
            return cut_frame(self._picture, frame, self._size_px)
        if self._copy is None:
            copy = reduced_copy(self._picture, COPY_PX)
            self._copy = from_image(Image.fromarray(copy))
        of_copy = frame.copy()
        of_copy[:, :2] *= reduced_by
        return cut_frame(self._copy, of_copy, self._size_px)
