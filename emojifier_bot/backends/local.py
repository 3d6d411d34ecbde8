"""Joins detector, landmarker and classifier into one `FaceAnalyzer`.

The first look is at the upright picture, its longer side 640 pixels; it finds faces up
to 45 degrees either way. The second look is at the same picture, its longer side 320
pixels, as it is and turned by 90, 180 and 270 degrees: for faces that fill the picture,
lie or float. It always runs, since a picture may hold upright and turned faces at once;
together the four small looks cost as much as the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.backends.detect_yunet import YuNetDetector
from emojifier_bot.backends.emotion_onnx import OnnxEmotionClassifier
from emojifier_bot.backends.landmarks_onnx import OnnxLandmarker
from emojifier_bot.backends.model_spec import (
    ModelSpec,
    pick_model_spec,
    read_model_spec,
)
from emojifier_bot.backends.registry import BackendOptions
from emojifier_bot.core.boxes import box_iou, box_overlap, turned_boxes
from emojifier_bot.core.crops import reduced_copy
from emojifier_bot.core.decode import DecodedImage
from emojifier_bot.domain import (
    BoundingBox,
    Detection,
    Face,
    FloatArray,
    ImageArray,
    Landmarks,
)
from emojifier_bot.ports import EmotionClassifier, FaceDetector, FaceLandmarker

FIRST_LOOK_PX = 640
SECOND_LOOK_PX = 320
#: Quarter turns of the second look, counter-clockwise.
QUARTER_TURNS = (0, 1, 2, 3)
#: Two looks found the same face if the boxes share this much,
SAME_FACE_IOU = 0.35
#: or if one lies this far inside the other.
SAME_FACE_OVERLAP = 0.65


@dataclass(frozen=True, slots=True)
class LocalAnalyzer:
    """A `FaceAnalyzer` whose models run here."""

    detector: FaceDetector
    landmarker: FaceLandmarker
    classifier: EmotionClassifier
    second_look: bool = True

    def analyze(self, picture: DecodedImage) -> list[Face]:
        """Find every face and read it fully."""
        detections = self.detect(picture)
        landmarks = self.landmarker.locate(picture, detections)
        scores = self.classifier.classify(picture, landmarks)
        threshold = self.classifier.sure_threshold
        return [
            Face(detection, points, score, score.top_probability >= threshold)
            for detection, points, score in zip(
                detections, landmarks, scores, strict=True
            )
        ]

    def detect(self, picture: DecodedImage) -> list[Detection]:
        """Find faces at any roll, in pixels of the upright picture, best first."""
        first = reduced_copy(picture, FIRST_LOOK_PX)
        looks = [self.detector.detect(first)]
        if self.second_look:
            looks += self._small_looks(first)
        scale = picture.image.width / first.shape[1]
        return [scaled(detection, scale) for detection in merge(looks)]

    def _small_looks(self, first: ImageArray) -> list[list[Detection]]:
        shrink = SECOND_LOOK_PX / max(first.shape[:2])
        small = np.asarray(
            cv2.resize(first, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        scale = first.shape[1] / small.shape[1]
        looks = []
        for turns in QUARTER_TURNS:
            turned = np.ascontiguousarray(np.rot90(small, turns))
            looks.append(
                [
                    scaled(turned_back(detection, turns, small.shape[:2]), scale)
                    for detection in self.detector.detect(turned)
                ]
            )
        return looks


def build(options: BackendOptions) -> LocalAnalyzer:
    """Load the three models that the options name.

    Raises:
        ModelFileError: A model is missing or differs.
    """

    def spec(task: str, folder: Path | None, variant: str = "") -> ModelSpec:
        if folder is not None:
            return read_model_spec(folder)
        return pick_model_spec(options.models, task, variant)

    emotion = spec("emotion", options.emotion, options.emotion_model)
    return LocalAnalyzer(
        YuNetDetector(spec("detector", options.detector), options.min_confidence),
        OnnxLandmarker(spec("landmarks", options.landmarks), options.threads),
        OnnxEmotionClassifier(emotion, options.threads),
    )


def merge(looks: Sequence[Sequence[Detection]]) -> list[Detection]:
    """Join several looks, best first, keeping one detection of each face.

    Only detections of different looks can be the same face; each look has settled
    its own overlaps. The more confident one stays, of equals that of the earlier look.
    """
    found = [one for look in looks for one in look]
    if not found:
        return []
    look_of = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    confidences = np.array([one.confidence for one in found])
    same = _same_face(np.array([one.box.xyxy for one in found], np.float32))
    same &= look_of[:, None] != look_of[None]
    alive = np.ones(len(found), bool)
    kept = []
    for index in np.argsort(-confidences, kind="stable"):
        if alive[index]:
            kept.append(found[index])
            alive &= ~same[index]
    return kept


def _same_face(xyxy: FloatArray) -> NDArray[np.bool_]:
    inside = box_overlap(xyxy, xyxy)
    inside = np.maximum(inside, inside.T)
    return (box_iou(xyxy, xyxy) > SAME_FACE_IOU) | (inside > SAME_FACE_OVERLAP)


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
