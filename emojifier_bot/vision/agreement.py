"""How far two face back ends agree on the same pictures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.detector import box_iou
from emojifier_bot.vision.intervals import bootstrap, share
from emojifier_bot.vision.types import EMOTIONS, Face

#: Two boxes that share this much are the same face; back ends frame faces differently.
SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One picture as two back ends read it."""

    name: str
    first: tuple[Face, ...]
    second: tuple[Face, ...]
    #: Indices into `first` and `second` of what is the same face.
    pairs: tuple[tuple[int, int], ...]
    first_seconds: float
    second_seconds: float

    @property
    def differing(self) -> Iterator[tuple[Face | None, Face | None]]:
        """Return the faces that one alone found or that show each something else."""
        for one, other in self.pairs:
            if self.first[one].scores.top != self.second[other].scores.top:
                yield self.first[one], self.second[other]
        matched = [{pair[side] for pair in self.pairs} for side in (0, 1)]
        for index, face in enumerate(self.first):
            if index not in matched[0]:
                yield face, None
        for index, face in enumerate(self.second):
            if index not in matched[1]:
                yield None, face


def compared(
    name: str,
    first: Sequence[Face],
    second: Sequence[Face],
    seconds: tuple[float, float],
) -> Compared:
    """Put what two back ends read from a picture side by side."""
    pairs = match_faces(first, second)
    return Compared(name, tuple(first), tuple(second), pairs, *seconds)


def match_faces(
    first: Sequence[Face], second: Sequence[Face]
) -> tuple[tuple[int, int], ...]:
    """Return the indices of what is the same face, the best overlap first."""
    if not first or not second:
        return ()
    boxes = [
        np.array([face.box.xyxy for face in faces], np.float32)
        for faces in (first, second)
    ]
    overlaps = box_iou(boxes[0], boxes[1]).copy()
    pairs = []
    while overlaps.max() >= SAME_FACE_IOU:
        one, other = np.unravel_index(overlaps.argmax(), overlaps.shape)
        pairs.append((int(one), int(other)))
        overlaps[one, :] = overlaps[:, other] = -1.0
    return tuple(pairs)


def cohen_kappa(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the agreement of two raters beyond chance (Cohen, 1960).

    Args:
        first: ``(N,)`` class indices by one rater.
        second: Those of the other.

    Returns:
        1 for always, 0 for as often as chance; NaN where chance alone agrees always.

    >>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    0.5
    """
    if not len(first):
        return math.nan
    classes = len(EMOTIONS)
    shares = [np.bincount(one, minlength=classes) / len(one) for one in (first, second)]
    by_chance = float(shares[0] @ shares[1])
    agreed = float((first == second).mean())
    return math.nan if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def agreement(pictures: Sequence[Compared]) -> dict[str, object]:
    """Return how far two back ends agree, with 95 % intervals.

    Args:
        pictures: What they read; at least one.
    """
    matched = (
        (picture.first[one], picture.second[other])
        for picture in pictures
        for one, other in picture.pairs
    )
    tops = np.array(
        [[EMOTIONS.index(face.scores.top) for face in pair] for pair in matched],
        np.int64,
    ).reshape(-1, 2)
    same = tops[:, 0] == tops[:, 1]
    kappa = bootstrap(lambda drawn: cohen_kappa(*tops[drawn].T), len(tops))
    return {
        "pictures": len(pictures),
        "faces_matched": len(tops),
        "only_in_first": sum(len(one.first) for one in pictures) - len(tops),
        "only_in_second": sum(len(one.second) for one in pictures) - len(tops),
        "same_emotion": share(int(same.sum()), len(same)).as_dict(),
        "kappa": kappa.as_dict(),
        "first_seconds": statistics.median(one.first_seconds for one in pictures),
        "second_seconds": statistics.median(one.second_seconds for one in pictures),
        "differ": _differing_emotions(tops),
    }


def _differing_emotions(tops: NDArray[np.int64]) -> list[dict[str, object]]:
    """Return how often which emotions stand against each other, most often first."""
    differing = tops[tops[:, 0] != tops[:, 1]]
    kinds, counts = np.unique(differing, axis=0, return_counts=True)
    # Stable: equally frequent pairs stay in the order of the emotions.
    return [
        {
            "first": str(EMOTIONS[kinds[index, 0]]),
            "second": str(EMOTIONS[kinds[index, 1]]),
            "faces": int(counts[index]),
        }
        for index in np.argsort(-counts, kind="stable")
    ]
