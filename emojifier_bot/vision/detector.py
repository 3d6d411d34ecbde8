"""Detections: by a YuNet-format model through OpenCV, and how their boxes compare.

Arrays of boxes are ``(N, 4)`` float32 xyxy pixels. A detection in a turned or scaled
copy of a picture moves back to the picture with its points.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import cv2
import numpy as np

from emojifier_bot.errors import InferenceError, ModelFileError
from emojifier_bot.vision.models import ModelSpec
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    FloatArray,
    ImageArray,
    Landmarks,
    LandmarkScheme,
)

#: Boxes that share more than this are one face; YuNet's own value.
SUPPRESSION_IOU = 0.45
#: Candidates kept before suppression: a few cells for each of 2,000 faces.
CANDIDATES = 20_000
#: OpenCV starts with a size and takes another with every picture.
FIRST_SIZE_WH = (320, 320)
#: Columns of OpenCV's result: x, y, width, height, five points, confidence.
POINT_COLUMNS, CONFIDENCE_COLUMN = slice(4, 14), 14
#: Keeps empty boxes from dividing by nothing, square pixels.
TINY = 1e-9


class YuNetDetector:
    """A `FaceDetector` of upright faces, up to 45 degrees either way.

    Args:
        spec: A YuNet-format model, ours or the official one.
        min_confidence: Detections below it are dropped, 0.01 to 1.

    Raises:
        ModelFileError: The file is missing, differs, or is no YuNet.
    """

    def __init__(self, spec: ModelSpec, min_confidence: float) -> None:
        # The size is set on the net, so that threads that share it take turns.
        self._lock = Lock()
        content = np.frombuffer(spec.verified_bytes(), np.uint8)
        try:
            with _errors_only():
                self._net = cv2.FaceDetectorYN.create(
                    "onnx",
                    content,
                    np.empty(0, np.uint8),
                    FIRST_SIZE_WH,
                    min_confidence,
                    SUPPRESSION_IOU,
                    CANDIDATES,
                )
        except cv2.error as error:
            raise ModelFileError(
                f"The detector {spec.name} cannot be loaded: {error}"
            ) from error

    def detect(self, image: ImageArray) -> list[Detection]:
        """Return the faces of an ``(H, W, 3)`` uint8 RGB image, best first.

        Raises:
            InferenceError: OpenCV refuses the picture.
        """
        height, width = image.shape[:2]
        image_bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        try:
            with self._lock:
                self._net.setInputSize((width, height))
                _, rows = self._net.detect(image_bgr)
        except cv2.error as error:
            raise InferenceError(f"The detector failed: {error}") from error
        if rows is None:
            return []
        usable = np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)
        found = []
        for row in rows[usable]:
            x, y, width, height = (float(value) for value in row[:4])
            # The points come as right eye, left eye, nose, right and left mouth corner
            # in the person's own sense, which is ours too.
            points_xy = row[POINT_COLUMNS].reshape(5, 2)
            found.append(
                Detection(
                    box=BoundingBox(x, y, x + width, y + height),
                    confidence=float(np.clip(row[CONFIDENCE_COLUMN], 0.0, 1.0)),
                    landmarks=Landmarks(points_xy, LandmarkScheme.FIVE_POINT),
                )
            )
        return sorted(found, key=lambda one: -one.confidence)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Keep OpenCV from warning, with each model, that it knows no other processor."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


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
        1: (width - y, x),
        2: (width - x, height - y),
        3: (y, height - x),
    }[quarter_turns]
    return np.stack(turned, axis=1).astype(np.float32)
