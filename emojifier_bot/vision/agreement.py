"""How far two face back ends agree on the same pictures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.detector import box_iou
from emojifier_bot.vision.intervals import bootstrap, share
from emojifier_bot.vision.types import EMOTIONS, Face

#: Two boxes that share this much are the same face; back ends frame faces differently.
SAME_FACE_IOU = 0.3


#: One face as two back ends read it; None where one of them did not find it.
Pair = tuple[Face | None, Face | None]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One picture as two back ends read it."""

    pairs: Sequence[Pair]
    #: That each of them took.
    seconds: tuple[float, float]

    @property
    def differing(self) -> list[Pair]:
        """Return the faces that one alone found or that show each something else."""
        return [
            (first, second)
            for first, second in self.pairs
            if first is None or second is None or first.scores.top != second.scores.top
        ]


def pair_faces(first: Sequence[Face], second: Sequence[Face]) -> list[Pair]:
    """Put the faces of two back ends side by side.

    Returns:
        The same faces, the best overlap first, then those that one alone found.
    """
    pairs: list[Pair] = []
    left, right = dict(enumerate(first)), dict(enumerate(second))
    boxes = [
        np.array([face.box.xyxy for face in faces], np.float32).reshape(-1, 4)
        for faces in (first, second)
    ]
    overlaps = box_iou(*boxes).copy()
    while left and right and overlaps.max() >= SAME_FACE_IOU:
        one, other = np.unravel_index(overlaps.argmax(), overlaps.shape)
        pairs.append((left.pop(int(one)), right.pop(int(other))))
        overlaps[one, :] = overlaps[:, other] = -1.0
    pairs += [(face, None) for face in left.values()]
    return pairs + [(None, face) for face in right.values()]


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
    pairs = [pair for picture in pictures for pair in picture.pairs]
    tops = np.array(
        [
            [EMOTIONS.index(first.scores.top), EMOTIONS.index(second.scores.top)]
            for first, second in pairs
            if first is not None and second is not None
        ],
        np.int64,
    ).reshape(-1, 2)
    same = tops[:, 0] == tops[:, 1]
    kinds, counts = np.unique(tops[~same], axis=0, return_counts=True)
    kappa = bootstrap(lambda drawn: cohen_kappa(*tops[drawn].T), len(tops))
    return {
        "pictures": len(pictures),
        "faces_matched": len(tops),
        "only_in_first": sum(second is None for _, second in pairs),
        "only_in_second": sum(first is None for first, _ in pairs),
        "same_emotion": share(int(same.sum()), len(same)).as_dict(),
        "kappa": kappa.as_dict(),
        "first_seconds": statistics.median(one.seconds[0] for one in pictures),
        "second_seconds": statistics.median(one.seconds[1] for one in pictures),
        # How often which emotions stand against each other, most often first. Stable:
        # equally frequent pairs stay in the order of the emotions.
        "differ": [
            {
                "first": str(EMOTIONS[kinds[index, 0]]),
                "second": str(EMOTIONS[kinds[index, 1]]),
                "faces": int(counts[index]),
            }
            for index in np.argsort(-counts, kind="stable")
        ],
    }
