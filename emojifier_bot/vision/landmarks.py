"""Geometry of a face's points: its frame, its roll, how open mouth and eyes are."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.types import FloatArray, Measure

#: Index ranges of the iBUG 68-point scheme (Sagonas et al., 300-W, 2013).
REGIONS: Mapping[str, slice] = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
RIGHT_EYE = slice(36, 42)
LEFT_EYE = slice(42, 48)
OUTER_RIGHT_EYE_CORNER, OUTER_LEFT_EYE_CORNER = 36, 45
NOSE_TIP = 30
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 48, 54
INNER_RIGHT_BROW, INNER_LEFT_BROW = 21, 22
#: The middle of the upper lip's lower edge.
UPPER_LIP_EDGE = 62
#: The inner lips: three pairs of upper and lower points, then the two corners.
INNER_LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
INNER_MOUTH_CORNERS = (60, 64)
#: For each point the one that takes its place when the picture is mirrored.
MIRRORED = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *range(67, 64, -1),
)
#: Points that expressions hardly move: eye corners, nose bridge and base.
RIGID = (27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45)


def five_points(points_xy: FloatArray) -> FloatArray:
    """Reduce 68 points to right eye, left eye, nose tip, right and left mouth corner.

    Args:
        points_xy: ``(68, 2)`` float32.

    Returns:
        ``(5, 2)`` float32.
    """
    return np.stack(
        [
            points_xy[RIGHT_EYE].mean(axis=0),
            points_xy[LEFT_EYE].mean(axis=0),
            points_xy[NOSE_TIP],
            points_xy[RIGHT_MOUTH_CORNER],
            points_xy[LEFT_MOUTH_CORNER],
        ]
    ).astype(np.float32)


def roll_degrees(points_xy: FloatArray) -> float:
    """Return how far a face is turned in the picture plane.

    Args:
        points_xy: ``(68, 2)`` or ``(5, 2)`` float32 pixels.

    Returns:
        Degrees in (-180, 180], counter-clockwise on screen positive; the line from
        the right to the left eye of an upright face runs to the right, roll 0.
    """
    five = points_xy if len(points_xy) == 5 else five_points(points_xy)  # noqa: PLR2004 - the scheme's own size
    x, y = five[1] - five[0]
    return math.degrees(math.atan2(-y, x))


def fit_similarity(source_xy: FloatArray, target_xy: FloatArray) -> NDArray[np.float64]:
    """Find the rotation, scale and shift that bring one point set onto another.

    Least squares without reflection (Umeyama, 1991), as one complex division.

    Args:
        source_xy: ``(K, 2)`` points, K at least 2, not all the same.
        target_xy: ``(K, 2)`` points.

    Returns:
        ``(2, 3)`` float64 matrix that maps source points to target points.
    """
    source = source_xy[:, 0].astype(np.float64) + 1j * source_xy[:, 1]
    target = target_xy[:, 0].astype(np.float64) + 1j * target_xy[:, 1]
    source_mean, target_mean = source.mean(), target.mean()
    spread = np.square(np.abs(source - source_mean)).sum()
    turn = (np.conj(source - source_mean) * (target - target_mean)).sum()
    turn = turn / max(float(spread), 1e-12)
    shift = target_mean - turn * source_mean
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    )


def apply_affine(
    matrix: NDArray[np.float64], points_xy: NDArray[np.floating]
) -> FloatArray:
    """Move points by a ``(2, 3)`` matrix.

    Args:
        matrix: ``(2, 3)`` float64.
        points_xy: ``(..., 2)`` float32.

    Returns:
        ``(..., 2)`` float32.
    """
    return (points_xy @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def mirror(points_xy: FloatArray, width: float) -> FloatArray:
    """Return the ``(..., 68, 2)`` points of the same faces in the mirrored picture."""
    mirrored = points_xy[..., list(MIRRORED), :].copy()
    mirrored[..., 0] = width - mirrored[..., 0]
    return mirrored


def measure(points_xy: FloatArray) -> dict[Measure, float]:
    """Tell from 68 points how mouth, eyes and brows stand, at any place, size and roll.

    Args:
        points_xy: ``(68, 2)`` float32.

    Returns:
        Ratios; an eye's is its aspect ratio (Soukupova and Cech, 2016).
    """
    eye_distance = max(
        _distance(points_xy, OUTER_RIGHT_EYE_CORNER, OUTER_LEFT_EYE_CORNER), 1e-6
    )
    x, y = points_xy[OUTER_LEFT_EYE_CORNER] - points_xy[OUTER_RIGHT_EYE_CORNER]
    # Of each point, along the face's own vertical, downward.
    height = points_xy @ np.array([-y, x], np.float32) / np.float32(eye_distance**2)
    corners = height[[RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER]].mean()
    brow_gap = _distance(points_xy, INNER_RIGHT_BROW, INNER_LEFT_BROW)
    right_eye = _eye_opening(points_xy[RIGHT_EYE])
    left_eye = _eye_opening(points_xy[LEFT_EYE])
    gap = sum(_distance(points_xy, *pair) for pair in INNER_LIP_PAIRS)
    mouth_width = _distance(points_xy, *INNER_MOUTH_CORNERS)
    smile = _distance(points_xy, RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER)
    return {
        Measure.MOUTH_OPENING: gap / len(INNER_LIP_PAIRS) / max(mouth_width, 1e-6),
        Measure.SMILE_WIDTH: smile / eye_distance,
        Measure.RIGHT_EYE_OPENING: right_eye,
        Measure.LEFT_EYE_OPENING: left_eye,
        Measure.EYE_OPENING: (right_eye + left_eye) / 2,
        Measure.MOUTH_CORNERS: float(height[UPPER_LIP_EDGE] - corners),
        Measure.BROW_HEIGHT: float(
            height[REGIONS["eyes"]].mean() - height[REGIONS["brows"]].mean()
        ),
        Measure.BROW_GAP: brow_gap / eye_distance,
    }


def _eye_opening(eye_xy: FloatArray) -> float:
    height = (_distance(eye_xy, 1, 5) + _distance(eye_xy, 2, 4)) / 2
    return height / max(_distance(eye_xy, 0, 3), 1e-6)


def _distance(points_xy: FloatArray, first: int, second: int) -> float:
    return float(np.hypot(*(points_xy[first] - points_xy[second])))
