"""Joins detector, landmarker and classifier into one `FaceAnalyzer`.

The detector knows faces up to 45 degrees from upright. So a small copy of the picture,
its longer side 320 pixels, is looked at as it is and turned by 90, 180 and 270 degrees.
In the direction where these looks see most, upright unless another clearly wins, a
copy of 640 pixels is looked at too. These five looks always run and cost twice the
large one: a picture may hold upright and turned faces at once. A direction in which a
small look sees a face that is not explained yet gets a large look as well; all of them
do where nothing was found.
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
from emojifier_bot.backends.registry import LOCAL, BackendOptions
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
    Reading,
)
from emojifier_bot.ports import EmotionClassifier, FaceDetector, FaceLandmarker

LARGE_LOOK_PX, SMALL_LOOK_PX = 640, 320
#: Directions of the small looks, quarter turns counter-clockwise.
QUARTER_TURNS = (0, 1, 2, 3)
UPRIGHT = 0
#: What counts as a face unless a setting says otherwise: where precision and recall of
#: held-out faces balance best.
SHOWN_CONFIDENCE = 0.55
#: Few faces are turned against the rest of their picture, and many things look a little
#: like a turned face; there the detector must be this sure to be believed as far.
TURNED_CONFIDENCE = 0.8
#: Faces of at least this size, in pixels of the large copy, both sizes of looks see;
#: the small one adds no smaller face in the direction of the large look.
NEAR_FACE_PX = 64.0
#: The direction of the large look is where the confidences of small looks, those of at
#: least the first number, sum up to most: more than upright by at least the second.
SEEN_CONFIDENCE, CLEARLY_MORE = 0.65, 0.7
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
    #: Detections that are less sure, or less to be believed, are dropped.
    min_confidence: float = SHOWN_CONFIDENCE

    def analyze(self, picture: DecodedImage) -> Reading:
        """Find every face and read it fully."""
        detections = self.detect(picture)
        landmarks = self.landmarker.locate(picture, detections)
        scores = self.classifier.classify(picture, landmarks)
        threshold = self.classifier.sure_threshold
        faces = [
            Face(detection, points, score, score.top_probability >= threshold)
            for detection, points, score in zip(
                detections, landmarks, scores, strict=True
            )
        ]
        return Reading(tuple(faces), LOCAL)

    def detect(self, picture: DecodedImage) -> list[Detection]:
        """Find faces at any roll, in pixels of the upright picture, best first."""
        large = reduced_copy(picture, LARGE_LOOK_PX)
        scale = picture.image.width / large.shape[1]
        if not self.second_look:
            return [scaled(one, scale) for one in self.detector.detect(large)]
        small = _shrunk(large, SMALL_LOOK_PX)
        enlarged = large.shape[1] / small.shape[1]
        looks = [self._look(small, turns, enlarged) for turns in QUARTER_TURNS]
        direction = main_direction(looks)
        main = self._look(large, direction, 1.0)
        far = [one for one in main if not is_near(one)]
        main = far + seen_twice([one for one in main if is_near(one)], looks[direction])
        known = surer_than(SHOWN_CONFIDENCE, main)
        turned = [
            [doubted(one) for one in self._look(large, turns, 1.0)]
            for turns in QUARTER_TURNS
            if turns != direction and (not known or adds(known, looks[turns]))
        ]
        found = surer_than(self.min_confidence, merge([main, *turned]))
        return [scaled(detection, scale) for detection in found]

    def _look(
        self, image: ImageArray, quarter_turns: int, scale: float
    ) -> list[Detection]:
        """Look at a turned copy; tell where its faces are in the unturned one."""
        turned = np.ascontiguousarray(np.rot90(image, quarter_turns))
        return [
            scaled(turned_back(one, quarter_turns, image.shape[:2]), scale)
            for one in self.detector.detect(turned)
        ]


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
        min_confidence=options.min_confidence,
    )


def main_direction(looks: Sequence[Sequence[Detection]]) -> int:
    """Return the quarter turns in which a picture shows most faces.

    Args:
        looks: What was found in each direction, `UPRIGHT` first.
    """
    seen = [
        sum(one.confidence for one in surer_than(SEEN_CONFIDENCE, look))
        for look in looks
    ]
    best = int(np.argmax(seen))
    return best if seen[best] >= seen[UPRIGHT] + CLEARLY_MORE else UPRIGHT


def surer_than(confidence: float, look: Sequence[Detection]) -> list[Detection]:
    """Return the detections of a look with at least this confidence."""
    return [one for one in look if one.confidence >= confidence]


def doubted(one: Detection) -> Detection:
    """Return a detection that counts only if it is as sure as a turned face must be."""
    if one.confidence >= TURNED_CONFIDENCE:
        return one
    believed = one.confidence * SHOWN_CONFIDENCE / TURNED_CONFIDENCE
    return Detection(one.box, believed, one.landmarks)


def adds(known: Sequence[Detection], look: Sequence[Detection]) -> bool:
    """Tell whether a small look sees a face well that is not known yet."""
    return len(merge([known, surer_than(SEEN_CONFIDENCE, look)])) > len(known)


def is_near(one: Detection) -> bool:
    """Tell whether a face fills enough of the picture for both sizes of looks."""
    return max(one.box.width, one.box.height) >= NEAR_FACE_PX


def seen_twice(
    large: Sequence[Detection], small: Sequence[Detection]
) -> list[Detection]:
    """Join what the large and the small look say of near faces.

    A face that only one of them saw must be as sure as a turned one.
    """
    looks = [list(large), [one for one in small if is_near(one)]]
    both = [one for look in looks for one in look]
    if not both:
        return []
    look_of = np.repeat([0, 1], [len(look) for look in looks])
    same = _same_face(np.array([one.box.xyxy for one in both], np.float32))
    agreed = (same & (look_of[:, None] != look_of[None])).any(axis=1)
    weighed = [
        one if seen else doubted(one) for one, seen in zip(both, agreed, strict=True)
    ]
    return merge([weighed[: len(large)], weighed[len(large) :]])


def _shrunk(image: ImageArray, longer_side_px: int) -> ImageArray:
    shrink = longer_side_px / max(image.shape[:2])
    height, width = image.shape[:2]
    size_wh = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


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
