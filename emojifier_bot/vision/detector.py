"""Faces and five points by a YuNet-format model through OpenCV."""

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
        found = [_detection(row) for row in rows[usable]]
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


def _detection(row: FloatArray) -> Detection:
    x, y, width, height = (float(value) for value in row[:4])
    # The points come as right eye, left eye, nose, right and left mouth corner in the
    # person's own sense, which is ours too.
    points_xy = row[POINT_COLUMNS].reshape(5, 2)
    return Detection(
        box=BoundingBox(x, y, x + width, y + height),
        confidence=float(np.clip(row[CONFIDENCE_COLUMN], 0.0, 1.0)),
        landmarks=Landmarks(points_xy, LandmarkScheme.FIVE_POINT),
    )
