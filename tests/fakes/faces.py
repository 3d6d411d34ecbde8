"""Stand-ins for the models: quick, predictable, and true to their ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.ports import (
    EmotionClassifier,
    FaceAnalyzer,
    FaceDetector,
    FaceLandmarker,
    FaceRescorer,
)
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    Emotion,
    EmotionScores,
    Face,
    ImageArray,
    Landmarks,
    LandmarkScheme,
    Reading,
)
from tests.builders import make_landmarks, make_scores

#: `FakeDetector` takes every patch of this colour for a face.
FACE_RGB = (255, 0, 255)
#: How much the colour may be off, as in a reduced or compressed picture.
TOLERANCE = 60
#: Smaller patches are no faces.
LEAST_AREA_PX = 16
#: Where the five points lie in a face's box: right and left eye, nose, mouth corners.
FIVE_SHARES = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
#: Distance of the outer eye corners over the width of a face's box.
EYE_SHARE = 0.4


def picture_with_faces(
    size_wh: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]]
) -> Image.Image:
    """Return a grey picture with a face, as `FakeDetector` sees it, in each box."""
    image = Image.new("RGB", size_wh, (90, 120, 100))
    for box in boxes:
        image.paste(FACE_RGB, box)
    return image


def lit_frame(at: int) -> Image.Image:
    """Return a frame of a clip: one without light and shade counts as blank."""
    image = picture_with_faces((200, 150), [(20, 20, 80, 80)])
    image.paste((255, 255, 255), (0, 100, 200, 150))
    image.paste((0, 0, 0), (20 * at, 110, 20 * at + 20, 130))
    return image


class FakeDetector(FaceDetector):
    """A `FaceDetector` that finds patches of one colour."""

    def __init__(self, confidence: float = 0.9) -> None:
        self.confidence = confidence

    def detect(self, image: ImageArray) -> list[Detection]:
        away = np.abs(image.astype(np.int16) - np.array(FACE_RGB)).max(axis=-1)
        mask = (away <= TOLERANCE).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        patches = [row for row in stats[1:] if row[cv2.CC_STAT_AREA] >= LEAST_AREA_PX]
        # The larger, the more confident, so that the order is known.
        patches.sort(key=lambda row: -row[cv2.CC_STAT_AREA])
        return [
            self._detection(x, y, width, height, rank)
            for rank, (x, y, width, height) in enumerate(
                map(int, row[:4]) for row in patches
            )
        ]

    def _detection(
        self, x: int, y: int, width: int, height: int, rank: int
    ) -> Detection:
        five = np.array(FIVE_SHARES, np.float32) * (width, height) + (x, y)
        return Detection(
            BoundingBox(x, y, x + width, y + height),
            self.confidence / (1 + rank / 100),
            Landmarks(five.astype(np.float32), LandmarkScheme.FIVE_POINT),
        )


@dataclass
class FakeRescorer(FaceRescorer):
    """A `FaceRescorer` that believes only boxes of at least one width."""

    least_width_px: float = 0.0

    def rescore(
        self, picture: DecodedImage, candidates: Sequence[Detection], copy: ImageArray
    ) -> list[Detection]:
        assert max(copy.shape) <= max(picture.image.size)
        return [
            Detection(
                one.box,
                0.95 if one.box.width >= self.least_width_px else 0.05,
                one.landmarks,
            )
            for one in candidates
        ]


class FakeLandmarker(FaceLandmarker):
    """A `FaceLandmarker` that puts the mean face into each box."""

    def locate(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        del picture
        return [
            make_landmarks(
                center_xy=one.box.center_xy,
                eye_distance_px=max(one.box.width * EYE_SHARE, 1.0),
            )
            for one in detections
        ]


@dataclass
class FakeClassifier(EmotionClassifier):
    """An `EmotionClassifier` that says the same of every face."""

    top: Emotion = Emotion.HAPPINESS
    probability: float = 0.9
    sure_threshold: float = 0.5

    def classify(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        del picture
        return [make_scores(self.top, self.probability) for _ in landmarks]


@dataclass
class FakeAnalyzer(FaceAnalyzer):
    """A `FaceAnalyzer` that finds the same faces in every picture, or fails."""

    faces: Sequence[Face] = ()
    error: Exception | None = None
    #: Sizes of the pictures it was shown.
    seen_wh: list[tuple[int, int]] = field(default_factory=list)

    def analyze(self, picture: DecodedImage, *, expressions: bool = True) -> Reading:
        self.seen_wh.append(picture.image.size)
        if self.error is not None:
            raise self.error
        unread = [Face(one.detection, one.landmarks) for one in self.faces]
        return Reading(tuple(self.faces if expressions else unread), "fake")
