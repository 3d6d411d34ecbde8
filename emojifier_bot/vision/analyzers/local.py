"""Joins detector, landmarker and classifier into one `FaceAnalyzer`.

The detector knows faces up to 45 degrees from upright. So a small copy of the picture,
its longer side 320 pixels, is looked at as it is and turned by 90, 180 and 270 degrees.
In the direction where these looks see most, upright unless another clearly wins, a
copy of 640 pixels is looked at too. These five looks always run and cost twice the
large one: a picture may hold upright and turned faces at once. Where the large look saw
small faces, or none, a copy of 960 pixels is looked at too, in the same direction.
Another direction, in which a small look sees a face that is not explained yet, gets a
large look as well; all of them do where nothing was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emojifier_bot.vision.analyzers.registry import LOCAL, BackendOptions
from emojifier_bot.vision.crops import reduced_copy
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.landmarks import OnnxLandmarker
from emojifier_bot.vision.models import (
    ModelSpec,
    pick_model_spec,
    read_model_spec,
)
from emojifier_bot.vision.multi_scale import (
    SHOWN_CONFIDENCE,
    UNSEEN_CONFIDENCE,
    adds,
    doubted,
    is_near,
    main_direction,
    merge,
    needs_closer_look,
    pool,
    scaled,
    seen_twice,
    surer_than,
    turned_back,
)
from emojifier_bot.vision.ports import EmotionClassifier, FaceDetector, FaceLandmarker
from emojifier_bot.vision.types import Detection, Face, ImageArray, Reading

CLOSE_LOOK_PX, LARGE_LOOK_PX, SMALL_LOOK_PX = 960, 640, 320
#: Directions of the small looks, quarter turns counter-clockwise.
QUARTER_TURNS = (0, 1, 2, 3)
#: Of one look and of a picture, the most confident. No annotated photograph known to us
#: shows more than 2,000 faces (WIDER FACE); a made-up one of thousands of tiny faces
#: would keep a worker busy for minutes.
MAX_FACES = 3000


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
            main = surer_than(self.min_confidence, self._look(large, 0, 1.0))
            return [scaled(one, scale) for one in main]
        small = _shrunk(large, SMALL_LOOK_PX)
        enlarged = large.shape[1] / small.shape[1]
        looks = [self._look(small, turns, enlarged) for turns in QUARTER_TURNS]
        direction = main_direction(looks)
        main = self._look(large, direction, 1.0)
        # A smaller picture has no more to show.
        if max(picture.image.size) >= LARGE_LOOK_PX and needs_closer_look(main):
            close = reduced_copy(picture, CLOSE_LOOK_PX)
            nearer = self._look(close, direction, large.shape[1] / close.shape[1])
            main = pool(main, nearer)
        far = [one for one in main if not is_near(one)]
        main = far + seen_twice([one for one in main if is_near(one)], looks[direction])
        known = surer_than(SHOWN_CONFIDENCE, main)
        turned = [
            [doubted(one) for one in self._look(large, turns, 1.0)]
            for turns in QUARTER_TURNS
            if turns != direction and (not known or adds(known, looks[turns]))
        ]
        found = surer_than(self.min_confidence, merge([main, *turned]))
        return [scaled(detection, scale) for detection in found[:MAX_FACES]]

    def _look(
        self, image: ImageArray, quarter_turns: int, scale: float
    ) -> list[Detection]:
        """Look at a turned copy; tell where its faces are in the unturned one."""
        turned = np.ascontiguousarray(np.rot90(image, quarter_turns))
        return [
            scaled(turned_back(one, quarter_turns, image.shape[:2]), scale)
            for one in self.detector.detect(turned)[:MAX_FACES]
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

    # A look that doubts may still be one of two that agree.
    least = min(options.min_confidence, UNSEEN_CONFIDENCE)
    emotion = spec("emotion", options.emotion, options.emotion_model)
    return LocalAnalyzer(
        YuNetDetector(spec("detector", options.detector), least),
        OnnxLandmarker(spec("landmarks", options.landmarks), options.threads),
        load_classifier(emotion, options.threads),
        min_confidence=options.min_confidence,
    )


def _shrunk(image: ImageArray, longer_side_px: int) -> ImageArray:
    shrink = longer_side_px / max(image.shape[:2])
    height, width = image.shape[:2]
    size_wh = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
