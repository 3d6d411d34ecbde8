"""Array functions on boxes. All take and give ``(N, 4)`` float32 xyxy pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.types import FloatArray

#: Keeps empty boxes from dividing by nothing, square pixels.
TINY = 1e-9


def clip_boxes(xyxy: FloatArray, size_wh: tuple[int, int]) -> FloatArray:
    """Move every corner that lies outside the picture onto its edge.

    Args:
        xyxy: ``(N, 4)`` float32, pixels. N may be 0.
        size_wh: Picture width and height in pixels.

    Returns:
        New ``(N, 4)`` float32 array; the input is unchanged.
    """
    limit = np.array([*size_wh, *size_wh], np.float32)
    return np.clip(xyxy, np.float32(0), limit)


def box_area(xyxy: FloatArray) -> FloatArray:
    """Return the ``(N,)`` areas in square pixels."""
    return (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])


def intersection_area(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the ``(N, M)`` areas that each pair shares."""
    low = [np.maximum(first[:, None, i], second[None, :, i]) for i in (0, 1)]
    high = [np.minimum(first[:, None, i], second[None, :, i]) for i in (2, 3)]
    width, height = np.maximum(high[0] - low[0], 0), np.maximum(high[1] - low[1], 0)
    return np.asarray(width * height, np.float32)


def box_iou(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the ``(N, M)`` intersections over union.

    >>> box_iou(np.float32([[0, 0, 2, 1]]), np.float32([[1, 0, 3, 1]])).round(3)
    array([[0.333]], dtype=float32)
    """
    shared = intersection_area(first, second)
    union = box_area(first)[:, None] + box_area(second)[None] - shared
    return np.asarray(shared / np.maximum(union, TINY), np.float32)


def box_overlap(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the ``(N, M)`` shares of each first box that lie inside each second."""
    shared = intersection_area(first, second)
    return np.asarray(shared / np.maximum(box_area(first)[:, None], TINY), np.float32)


def suppress_overlaps(
    xyxy: FloatArray, confidences: FloatArray, *, iou: float
) -> NDArray[np.int64]:
    """Keep the most confident of boxes that overlap (non-maximum suppression).

    Args:
        xyxy: ``(N, 4)`` float32.
        confidences: ``(N,)`` float32.
        iou: Two boxes that share more than this are one face.

    Returns:
        Indices of the kept boxes, best first; ties keep the earlier box.
    """
    order = list(np.argsort(-confidences, kind="stable"))
    overlaps = box_iou(xyxy, xyxy)
    kept: list[int] = []
    for index in order:
        if all(overlaps[index, other] <= iou for other in kept):
            kept.append(int(index))
    return np.array(kept, np.int64)


def turned_boxes(
    center_xy: FloatArray, size_wh: FloatArray, turn_degrees: float
) -> FloatArray:
    """Return the upright boxes around ellipses that were turned with their faces.

    A face fills its box about as an ellipse does, so this is tighter than the box of
    the turned corners and exact for quarter turns.

    Args:
        center_xy: ``(N, 2)`` float32 centres after the turn.
        size_wh: ``(N, 2)`` float32 sizes before the turn.
        turn_degrees: The turn; its sign does not matter.
    """
    cos, sin = np.cos(np.deg2rad(turn_degrees)), np.sin(np.deg2rad(turn_degrees))
    width = np.hypot(size_wh[:, 0] * cos, size_wh[:, 1] * sin)
    height = np.hypot(size_wh[:, 0] * sin, size_wh[:, 1] * cos)
    half = np.stack([width, height], axis=1) / 2
    return np.hstack([center_xy - half, center_xy + half]).astype(np.float32)
