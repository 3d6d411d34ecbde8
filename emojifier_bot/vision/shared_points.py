"""The 19 points that Google, Azure and our 68 have in common.

A hosted API that reports no emotion still reports where these points lie. The emotion
net of the variant ``shared_points`` reads them, and they stretch the mean face to 68
points where the others are missing. Left and right are the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.types import FloatArray, Landmarks, LandmarkScheme


class SharedPoint(Enum):
    """The points, in the order of every array of them.

    The value is which of the 68 points each is; the middle of a lid lies between two.
    """

    RIGHT_BROW_OUTER = (17,)
    RIGHT_BROW_INNER = (21,)
    LEFT_BROW_INNER = (22,)
    LEFT_BROW_OUTER = (26,)
    RIGHT_EYE_OUTER = (36,)
    RIGHT_EYE_TOP = (37, 38)
    RIGHT_EYE_INNER = (39,)
    RIGHT_EYE_BOTTOM = (40, 41)
    LEFT_EYE_INNER = (42,)
    LEFT_EYE_TOP = (43, 44)
    LEFT_EYE_OUTER = (45,)
    LEFT_EYE_BOTTOM = (46, 47)
    NOSE_TIP = (30,)
    NOSE_RIGHT = (31,)
    NOSE_LEFT = (35,)
    MOUTH_RIGHT = (48,)
    MOUTH_LEFT = (54,)
    UPPER_LIP_TOP = (51,)
    LOWER_LIP_BOTTOM = (57,)


SHARED_POINTS: tuple[SharedPoint, ...] = tuple(SharedPoint)
#: Those of them that expressions hardly move: eye corners, the nose's tip and wings.
SHARED_RIGID = (4, 6, 8, 10, 12, 13, 14)
#: Pairs whose distance an expression changes: lids, lips, brows and their distance
#: from the eyes, mouth corners from the eyes and from the nose, lips from the nose.
SHARED_PAIRS = (
    *((5, 7), (9, 11), (15, 16), (17, 18), (1, 2), (1, 6), (2, 8), (0, 4), (3, 10)),
    *((1, 5), (2, 9), (4, 15), (10, 16), (13, 15), (14, 16), (12, 17), (12, 18)),
    *((15, 17), (16, 17), (15, 18), (16, 18)),
)
SHARED_FEATURE_COUNT = 2 * len(SHARED_POINTS) + len(SHARED_PAIRS)
#: Points and distances move by about this share of the distance of the outer eye
#: corners; dividing by it gives unit spread.
SHARED_SPREAD = 0.09


def pick_shared(points_xy: FloatArray) -> FloatArray:
    """Return the ``(..., 19, 2)`` shared points of ``(..., 68, 2)`` points."""
    picked = [points_xy[..., one.value, :].mean(axis=-2) for one in SHARED_POINTS]
    return np.stack(picked, axis=-2).astype(np.float32)


def shared_features(points_xy: FloatArray) -> FloatArray:
    """Compute features of the shared points that place, size and roll do not change.

    Args:
        points_xy: ``(N, 68, 2)`` float32 in any frame; only the shared ones count.

    Returns:
        ``(N, SHARED_FEATURE_COUNT)`` float32: differences from the mean face and from
        its expressive distances, in units of `SHARED_SPREAD`.
    """
    aligned = _aligned(pick_shared(points_xy))
    mean = pick_shared(MEAN_FACE)
    moved = (aligned - mean).reshape(len(aligned), mean.size)
    stretched = _distances(aligned) - _distances(mean[None])
    return np.hstack([moved, stretched]).astype(np.float32) / np.float32(SHARED_SPREAD)


def complete(shared_xy: Mapping[SharedPoint, tuple[float, float]]) -> Landmarks:
    """Stretch the mean face over the shared points: 68 points, most of them guessed.

    A thin-plate spline (Bookstein, 1989): the shared points come out where they were
    seen, the others move as smoothly as can be.

    Args:
        shared_xy: All 19, pixels.
    """
    seen = np.array([shared_xy[one] for one in SHARED_POINTS], np.float64)
    points_xy = _stretching() @ seen
    for point, (x, y) in shared_xy.items():
        indices = list(point.value)
        # The middle of a lid is where it was seen, whatever the spline does to it.
        points_xy[indices] += np.array([x, y]) - points_xy[indices].mean(axis=0)
    return Landmarks(points_xy.astype(np.float32), LandmarkScheme.IBUG_68)


def _aligned(shared_xy: FloatArray) -> NDArray[np.float64]:
    """Bring ``(N, 19, 2)`` points onto the mean face by their rigid ones."""
    rigid = list(SHARED_RIGID)
    mean = pick_shared(MEAN_FACE).astype(np.float64)
    faces = shared_xy[..., 0].astype(np.float64) + 1j * shared_xy[..., 1]
    target = mean[rigid, 0] + 1j * mean[rigid, 1]
    source = faces[:, rigid]
    middle, goal = source.mean(axis=1, keepdims=True), target.mean()
    spread = np.square(np.abs(source - middle)).sum(axis=1, keepdims=True)
    turn = (np.conj(source - middle) * (target - goal)).sum(axis=1, keepdims=True)
    moved = (faces - middle) * (turn / np.maximum(spread, 1e-12)) + goal
    return np.stack([moved.real, moved.imag], axis=-1)


def _distances(points_xy: NDArray[np.floating]) -> NDArray[np.floating]:
    first, second = np.array(SHARED_PAIRS).T
    apart = points_xy[:, first] - points_xy[:, second]
    return np.hypot(apart[..., 0], apart[..., 1])


@cache
def _stretching() -> NDArray[np.float64]:
    """Return the ``(68, 19)`` matrix from shared points to the spline's 68."""
    mean = pick_shared(MEAN_FACE).astype(np.float64)
    count = len(mean)
    affine = np.hstack([np.ones((count, 1)), mean])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = bending(mean, mean)
    system[:count, count:], system[count:, :count] = affine, affine.T
    everywhere = MEAN_FACE.astype(np.float64)
    basis = np.hstack(
        [bending(everywhere, mean), np.ones((len(everywhere), 1)), everywhere]
    )
    matrix: NDArray[np.float64] = basis @ np.linalg.inv(system)[:, :count]
    return matrix


def bending(
    first_xy: NDArray[np.float64], second_xy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the kernel of a thin-plate spline, ``(N, M)`` for N and M points."""
    x, y = (np.subtract.outer(first_xy[:, at], second_xy[:, at]) for at in (0, 1))
    squared = x * x + y * y
    return np.asarray(squared * np.log(np.maximum(squared, 1e-12)), np.float64)
