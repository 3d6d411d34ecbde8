"""Boxes as ``(N, 4)`` float32 xyxy pixels, and detections moved between pictures."""

from __future__ import annotations

import numpy as np

from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray, Landmarks

#: Keeps empty boxes from dividing by nothing, square pixels.
TINY = 1e-9


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
