"""Detections: by a YuNet-format model, and how their boxes compare.

Arrays of boxes are ``(N, 4)`` float32 xyxy pixels. A detection in a turned or scaled
copy of a picture moves back to the picture with its points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.errors import InferenceError, ModelFileError
from emojifier_bot.vision.landmarks import apply_affine
from emojifier_bot.vision.models import ModelSpec, OnnxSession
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
#: OpenCV leaves that to us.
NO_SUPPRESSION = 1.0
#: Candidates kept before suppression: a few cells for each of 2,000 faces.
CANDIDATES = 20_000
#: With more pairs than these, of faces and of boxes, boxes are not blended: that would
#: take longer than the model does.
BLENDED_PAIRS = 1_000_000
#: Pixels from one cell to the next, on YuNet's three levels.
STRIDES = (8, 16, 32)
#: What a file gives for each level: class, objectness, box and five points of a cell.
OUTPUTS = ("cls", "obj", "bbox", "kps")
#: OpenCV starts with a size and takes another with every picture.
FIRST_SIZE_WH = (320, 320)
#: Columns of a row: x, y, width, height, five points, confidence.
POINT_COLUMNS, CONFIDENCE_COLUMN, COLUMNS = slice(4, 14), 14, 15
#: Keeps empty boxes from dividing by nothing, square pixels.
TINY = 1e-9


class YuNetDetector:
    """A `FaceDetector` of upright faces, up to 45 degrees either way.

    For any number of threads, each of which works on one core: several passes over one
    picture run side by side.

    Args:
        spec: A YuNet-format model, ours or the official one.
        min_confidence: Detections below it are dropped, 0.01 to 1.

    Raises:
        ModelFileError: The file is missing, differs, or is no YuNet.
    """

    def __init__(self, spec: ModelSpec, min_confidence: float) -> None:
        session = OnnxSession(spec)
        self._net: _Net = (
            _OnnxNet(session, spec, min_confidence)
            if session.takes_any_size
            else _OpenCvNet(spec, min_confidence)
        )

    def detect(self, image: ImageArray) -> list[Detection]:
        """Return the faces of an ``(H, W, 3)`` uint8 RGB image, best first.

        Raises:
            InferenceError: The model refuses the picture.
        """
        rows = self._net.rows(image)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]
        rows = suppress(rows)
        boxes = rows[:, :4].astype(np.float64)
        boxes[:, 2:] += boxes[:, :2]
        confidences = rows[:, CONFIDENCE_COLUMN].clip(0.0, 1.0).tolist()
        # The points come as right eye, left eye, nose, right and left mouth corner
        # in the person's own sense, which is ours too.
        points_xy = rows[:, POINT_COLUMNS].reshape(-1, 5, 2)
        found = [
            Detection(
                BoundingBox(*xyxy), sure, Landmarks(five_xy, LandmarkScheme.FIVE_POINT)
            )
            for xyxy, sure, five_xy in zip(
                boxes.tolist(), confidences, points_xy, strict=True
            )
        ]
        return sorted(found, key=lambda one: -one.confidence)


class _Net(Protocol):
    """Runs a YuNet-format file."""

    def rows(self, image: ImageArray) -> FloatArray:
        """Return ``(N, COLUMNS)`` faces of an RGB image, overlapping ones too."""
        ...


class _OnnxNet:
    """Runs a file that takes any size: half the time of OpenCV, and no lock."""

    def __init__(
        self, session: OnnxSession, spec: ModelSpec, min_confidence: float
    ) -> None:
        names = [f"{kind}_{stride}" for kind in OUTPUTS for stride in STRIDES]
        if set(session.output_names) != set(names):
            raise ModelFileError(
                f"The detector {spec.name} cannot be loaded: its outputs are not those "
                f"of a YuNet, {names[0]} to {names[-1]}."
            )
        self._session, self._order = session, list(session.output_names)
        (self._input,) = session.input_names
        self._is_bgr, self._min_confidence = spec.color != "RGB", min_confidence

    def rows(self, image: ImageArray) -> FloatArray:
        """Return ``(N, COLUMNS)`` faces of an RGB image, overlapping ones too."""
        pixels = padded_planes(image, is_bgr=self._is_bgr)
        outputs = self._session.run_all(**{self._input: pixels})
        level = dict(zip(self._order, (one[0] for one in outputs), strict=True))
        return np.concatenate(
            [
                decode_level(
                    [level[f"{kind}_{stride}"] for kind in OUTPUTS],
                    stride,
                    pixels.shape[3] // stride,
                    self._min_confidence,
                )
                for stride in STRIDES
            ]
        )


def padded_planes(image: ImageArray, *, is_bgr: bool) -> FloatArray:
    """Return an ``(H, W, 3)`` uint8 RGB image as the network reads it.

    Several times faster than OpenCV's `blobFromImage`.

    Returns:
        ``(1, 3, H', W')`` float32, 0 to 255; black at the right and below, up to
        multiples of the largest stride.
    """
    height, width = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in image.shape[:2])
    pixels = np.zeros((1, 3, height, width), np.float32)
    targets = pixels[0, ::-1] if is_bgr else pixels[0]
    for plane, target in zip(cv2.split(image), targets, strict=True):
        target[: image.shape[0], : image.shape[1]] = plane
    return pixels


class _OpenCvNet:
    """Runs a file of one fixed size, as the official ones are, on any size."""

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
                    NO_SUPPRESSION,
                    CANDIDATES,
                )
        except cv2.error as error:
            raise ModelFileError(
                f"The detector {spec.name} cannot be loaded: {error}"
            ) from error

    def rows(self, image: ImageArray) -> FloatArray:
        """Return ``(N, COLUMNS)`` faces of an RGB image, overlapping ones too."""
        height, width = image.shape[:2]
        image_bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        try:
            with self._lock:
                self._net.setInputSize((width, height))
                _, rows = self._net.detect(image_bgr)
        except cv2.error as error:
            raise InferenceError(f"The detector failed: {error}") from error
        # Its types do not tell that it returns None where there is no face.
        found: object = rows
        return np.asarray([] if found is None else found, np.float32).reshape(
            -1, COLUMNS
        )


def decode_level(
    outputs: Sequence[FloatArray], stride: int, columns: int, min_confidence: float
) -> FloatArray:
    """Read one level of a YuNet, as `cv2.FaceDetectorYN` does.

    Args:
        outputs: ``(cells, 1)`` class, ``(cells, 1)`` objectness, ``(cells, 4)`` box and
            ``(cells, 10)`` points, in the order of `OUTPUTS`; cells row by row.
        stride: Pixels from one cell to the next.
        columns: Cells in a row.
        min_confidence: Cells below it are dropped.

    Returns:
        ``(N, COLUMNS)`` float32, overlapping ones too.
    """
    classes, objects, boxes, points = outputs
    (cells,) = np.nonzero(classes[:, 0] * objects[:, 0] >= min_confidence**2)
    if not len(cells):
        return np.empty((0, COLUMNS), np.float32)
    both = np.clip(classes[cells, 0], 0, 1) * np.clip(objects[cells, 0], 0, 1)
    corner_xy = np.stack([cells % columns, cells // columns], axis=1)
    center_xy = (corner_xy + boxes[cells, :2]) * stride
    with np.errstate(over="ignore"):  # an infinite box is dropped later
        size_wh = np.exp(boxes[cells, 2:]) * stride
    points_xy = (np.tile(corner_xy, 5) + points[cells]) * stride
    confidences = np.sqrt(both)[:, None]
    rows = [center_xy - size_wh / 2, size_wh, points_xy, confidences]
    return np.hstack(rows).astype(np.float32)


def suppress(rows: FloatArray) -> FloatArray:
    """Return one row for each face, best first.

    Those are the surest that overlap no surer one, each with the mean of the boxes and
    points of those it suppresses, weighted by their confidence: they are nearer to the
    face, and steadier, than one of them (Bazarevsky et al., BlazeFace, 2019).

    Args:
        rows: ``(N, COLUMNS)``, finite.
    """
    order = np.argsort(-rows[:, CONFIDENCE_COLUMN], kind="stable")[:CANDIDATES]
    rows = rows[order]
    # In whole pixels, as OpenCV does it.
    boxes, confidences = np.trunc(rows[:, :4]).tolist(), rows[:, CONFIDENCE_COLUMN]
    kept = cv2.dnn.NMSBoxes(boxes, confidences.tolist(), 0.0, SUPPRESSION_IOU)
    surest = np.asarray(kept, int)
    if not len(surest) or len(surest) * len(rows) > BLENDED_PAIRS:
        return np.asarray(rows[surest], np.float32)
    xyxy = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    overlaps = box_iou(xyxy[surest], xyxy)
    # Each box counts for the face that it overlaps most.
    same = (overlaps == overlaps.max(axis=0)) & (overlaps >= SUPPRESSION_IOU)
    weights = np.where(same, confidences, 0.0)
    weights[np.arange(len(surest)), surest] = confidences[surest]
    weights /= weights.sum(axis=1, keepdims=True)
    means = weights.astype(np.float64) @ rows[:, :CONFIDENCE_COLUMN]
    blended = np.hstack([means, confidences[surest, None]])
    return np.asarray(blended, np.float32)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Keep OpenCV from warning, with each model, that it knows no other processor."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def covered_shares(
    xyxy: NDArray[np.floating], size_wh: tuple[int, int]
) -> NDArray[np.floating]:
    """Return ``(N,)`` which share of a picture of this size each box covers.

    Args:
        xyxy: ``(N, 4)`` pixels; what lies outside the picture does not count.
        size_wh: Width and height in pixels.
    """
    inside = np.clip(xyxy.reshape(-1, 2, 2), 0, size_wh)
    return np.asarray(np.ptp(inside, axis=1).prod(axis=1) / np.prod(size_wh))


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
    return moved([detection], np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]]))[0]


def moved(found: Sequence[Detection], matrix: NDArray[np.float64]) -> list[Detection]:
    """Return detections after a shift, a turn and a change of scale.

    Args:
        found: Detections of one copy of a picture.
        matrix: ``(2, 3)`` float64, a similarity transform without reflection.

    Returns:
        In the same order; boxes are those around turned ellipses.
    """
    if not found:
        return []
    boxes = np.array([one.box.xyxy for one in found], np.float64)
    center_xy = apply_affine(matrix, (boxes[:, :2] + boxes[:, 2:]) / 2)
    cos, sin = matrix[0, 0], matrix[1, 0]
    size_wh = (boxes[:, 2:] - boxes[:, :2]) * math.hypot(cos, sin)
    turn_degrees = math.degrees(math.atan2(sin, cos))
    edges = turned_boxes(center_xy, size_wh.astype(np.float32), turn_degrees)
    five_xy = [one.landmarks.points_xy for one in found if one.landmarks]
    moved_xy = iter(apply_affine(matrix, np.reshape(five_xy, (-1, 5, 2))))
    return [
        Detection(
            BoundingBox(*xyxy),
            one.confidence,
            one.landmarks and Landmarks(next(moved_xy), one.landmarks.scheme),
        )
        for one, xyxy in zip(found, edges.tolist(), strict=True)
    ]
