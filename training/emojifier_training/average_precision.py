"""Average precision of boxes, with faces that neither count nor hurt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.detector import box_iou, box_overlap
from emojifier_bot.vision.types import FloatArray

#: A detection that lies this far inside an ignored face is not held against anybody.
IGNORED_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class MatchedPicture:
    """The detections of one picture, matched with its labels."""

    #: ``(N,)`` float32.
    confidences: FloatArray
    #: ``(N,)`` found a wanted face that nobody better found.
    hits: NDArray[np.bool_]
    #: ``(N,)`` counts for nothing.
    ignored: NDArray[np.bool_]
    #: ``(M,)`` which of the wanted faces were found, at any confidence.
    found: NDArray[np.bool_]


def match_boxes(
    xyxy: FloatArray,
    confidences: FloatArray,
    truth_xyxy: FloatArray,
    wanted: NDArray[np.bool_],
    *,
    iou: float = 0.5,
) -> MatchedPicture:
    """Judge detections against labelled faces, the most confident first.

    Each detection takes the free wanted face it overlaps most. One that finds no
    wanted face, but an unwanted one, is ignored.

    Args:
        xyxy: ``(N, 4)`` float32 detections.
        confidences: ``(N,)`` float32.
        truth_xyxy: ``(M, 4)`` float32 labelled faces.
        wanted: ``(M,)`` bool; the others are neither misses nor false alarms.
        iou: Least intersection over union that counts as found.
    """
    order = np.argsort(-confidences, kind="stable")
    overlaps = box_iou(xyxy, truth_xyxy)
    inside = box_overlap(xyxy, truth_xyxy)
    hits, ignored = np.zeros(len(xyxy), bool), np.zeros(len(xyxy), bool)
    taken = np.zeros(len(truth_xyxy), bool)
    for index in order:
        free = np.where(wanted & ~taken, overlaps[index], -1.0)
        if free.size and free.max() >= iou:
            taken[free.argmax()] = True
            hits[index] = True
            continue
        unwanted = ~wanted & (
            (overlaps[index] >= iou) | (inside[index] >= IGNORED_OVERLAP)
        )
        ignored[index] = bool(unwanted.any())
    return MatchedPicture(confidences, hits, ignored, taken[wanted])


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The detections of many pictures that count, the most confident first."""

    #: ``(K,)`` whether it is a hit.
    hits: NDArray[np.bool_]
    #: ``(K,)`` which picture it comes from.
    pictures: NDArray[np.int64]
    #: ``(P,)`` how many faces are wanted in each picture.
    wanted: NDArray[np.int64]


def rank(pictures: Sequence[MatchedPicture]) -> Ranked:
    """Put the detections of all pictures in one order."""
    wanted = np.array([len(p.found) for p in pictures], np.int64)
    if not pictures:
        return Ranked(np.empty(0, bool), np.empty(0, np.int64), wanted)
    keep = np.concatenate([~p.ignored for p in pictures])
    confidences = np.concatenate([p.confidences for p in pictures])[keep]
    hits = np.concatenate([p.hits for p in pictures])[keep]
    which = np.repeat(np.arange(len(pictures)), [len(p.hits) for p in pictures])[keep]
    order = np.argsort(-confidences, kind="stable")
    return Ranked(hits[order], which[order], wanted)


def ranked_precision(ranked: Ranked, times: NDArray[np.int64]) -> float:
    """Return average precision with each picture taken so many times.

    It is the area under the precision–recall curve, made monotone and exact (every
    point of the curve), as in PASCAL VOC 2010 and later. NaN where no face is wanted.

    Args:
        ranked: What was found in the pictures.
        times: ``(P,)``; ones take each picture as it is.
    """
    wanted = int((ranked.wanted * times).sum())
    if wanted == 0:
        return float("nan")
    weights = times[ranked.pictures]
    hits = np.cumsum(ranked.hits * weights)
    precision = hits / np.maximum(np.cumsum(weights), 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(hits / wanted, prepend=0.0) * precision).sum())
