"""Joins detector, landmarker and classifier into one `FaceAnalyzer`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from emojifier_bot.vision.analyzers.registry import LOCAL, BackendOptions
from emojifier_bot.vision.copies import Pass
from emojifier_bot.vision.crops import (
    cut_frame,
    grey,
    invert,
    landmark_frame,
    upright_frame,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import TINY, YuNetDetector, box_iou, box_overlap
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.fusion import (
    SHOWN_CONFIDENCE,
    UNSEEN_CONFIDENCE,
    merge,
    surer_than,
)
from emojifier_bot.vision.landmarks import apply_affine
from emojifier_bot.vision.models import (
    MOST_CALLS,
    ModelSpec,
    OnnxSession,
    in_batches,
    pick_model_spec,
    read_model_spec,
)
from emojifier_bot.vision.multi_scale import find_faces, find_upright_faces
from emojifier_bot.vision.ports import (
    EmotionClassifier,
    FaceDetector,
    FaceLandmarker,
    FaceRescorer,
    Map,
)
from emojifier_bot.vision.rescorer import OnnxRescorer
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    Face,
    Landmarks,
    LandmarkScheme,
    Reading,
)

#: Points that share less than this with the box that somebody drew are on something
#: else, unless they lie in it: so much of them, and so large.
SAME_PLACE_IOU, LEAST_INSIDE, LEAST_SIZE = 0.4, 0.8, 0.3
#: A face is followed in a square of this side, in pixels, so many times as wide as it
#: is: there it has the size that the detector knows best.
FOLLOWED_PX, FOLLOWED_MARGIN = 128, 3.0
#: What is followed needs less confidence than what is new.
FOLLOWED_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class LocalAnalyzer:
    """A `FaceAnalyzer` whose models run here."""

    detector: FaceDetector
    landmarker: FaceLandmarker
    #: None: no expression is read.
    classifier: EmotionClassifier | None
    #: None: the detector alone decides what is a face.
    rescorer: FaceRescorer | None = None
    #: False: the main pass alone finds upright faces, to measure what the others add.
    multi_scale: bool = True
    #: Detections that are less sure, or less to be believed, are dropped.
    min_confidence: float = SHOWN_CONFIDENCE
    #: Runs what does not depend on each other: passes of the detector, and faces.
    side_by_side: Map = map

    @property
    def classifiers(self) -> tuple[EmotionClassifier, ...]:
        """Return what reads expressions: `vision.why` asks it again."""
        return () if self.classifier is None else (self.classifier,)

    def analyze(self, picture: DecodedImage, *, expressions: bool = True) -> Reading:
        """Find every face and read it fully."""
        read = partial(self._read, picture, expressions=expressions)
        batches = self.side_by_side(read, in_batches(self.detect(picture)))
        return Reading(tuple(chain.from_iterable(batches)), LOCAL)

    def read_at(
        self,
        picture: DecodedImage,
        boxes: Sequence[BoundingBox],
        *,
        expressions: bool = True,
    ) -> list[Face | None]:
        """Return the face in each box; None where the points do not lie in it."""
        # Nobody detected them: there is no confidence.
        detections = [Detection(box, 0.0) for box in boxes]
        faces = self._read(picture, detections, expressions=expressions)
        return [face if _lies_in_its_box(face) else None for face in faces]

    def _read(
        self,
        picture: DecodedImage,
        detections: Sequence[Detection],
        *,
        expressions: bool,
    ) -> list[Face]:
        landmarks = self.landmarker.locate(picture, detections)
        if self.classifier is None or not expressions:
            return list(map(Face, detections, landmarks))
        scores = self.classifier.classify(picture, landmarks)
        sure = self.classifier.sure_threshold
        confident = [one.top_probability >= sure for one in scores]
        return list(map(Face, detections, landmarks, scores, confident))

    def detect(self, picture: DecodedImage) -> list[Detection]:
        """Find faces at any roll, in pixels of the upright picture, best first."""
        if not self.multi_scale:
            return find_upright_faces(self.detector, picture, self.min_confidence)
        return find_faces(
            self.detector,
            picture,
            self.min_confidence,
            side_by_side=self.side_by_side,
            rescore=None if self.rescorer is None else self.rescorer.rescore,
        )

    def follow(
        self, picture: DecodedImage, expected: Sequence[Detection]
    ) -> list[Detection]:
        """Find faces only around where some are expected: a hundredth of the work.

        Args:
            picture: The upright picture.
            expected: Faces as they were a moment ago, or as they should be now.

        Returns:
            In pixels of the picture, best first; other faces near by are among them.
        """
        passes = []
        for one in expected:
            five_xy = None if one.landmarks is None else one.landmarks.points_xy
            frame = upright_frame(one.box, five_xy, FOLLOWED_PX, FOLLOWED_MARGIN)
            cut = cut_frame(picture, frame, FOLLOWED_PX)
            passes.append(Pass(self.detector, cut, invert(frame)))
        # In this thread: handing over such small passes takes longer than they do.
        found = merge(list(map(Pass.run, passes)))
        return surer_than(FOLLOWED_CONFIDENCE, found)


def _lies_in_its_box(face: Face) -> bool:
    """Tell whether points are where somebody drew a box, a tight or a wide one."""
    points_xy, drawn = face.landmarks.points_xy, np.array([face.box.xyxy], np.float32)
    read = np.concatenate([points_xy.min(axis=0), points_xy.max(axis=0)])[None]
    if float(box_iou(read, drawn)[0, 0]) >= SAME_PLACE_IOU:
        return True
    size = np.ptp(points_xy, axis=0).max() / max(face.box.width, face.box.height, TINY)
    return bool(box_overlap(read, drawn)[0, 0] >= LEAST_INSIDE and size >= LEAST_SIZE)


class OnnxLandmarker:
    """A `FaceLandmarker` by our landmark net, the faces of a picture in batches.

    Raises:
        ModelFileError: The model's file is missing or differs.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._session = OnnxSession(spec)

    def locate(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        """Return the 68 points of each detection, pixels of the upright picture."""
        return [
            points
            for batch in in_batches(detections)
            for points in self._locate_batch(picture, batch)
        ]

    def _locate_batch(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        size = self._spec.input_px
        fives = [one.landmarks for one in detections]
        frames = [
            landmark_frame(one.box, None if five is None else five.points_xy, size)
            for one, five in zip(detections, fives, strict=True)
        ]
        cut = np.stack([grey(cut_frame(picture, frame, size)) for frame in frames])
        pixels = (cut[:, None].astype(np.float32) - self._spec.mean) / self._spec.std
        found = self._session.run(frame=pixels.astype(np.float32)) * size
        return [
            Landmarks(apply_affine(invert(frame), points_xy), LandmarkScheme.IBUG_68)
            for frame, points_xy in zip(frames, found, strict=True)
        ]


def build(options: BackendOptions) -> LocalAnalyzer:
    """Load the models that the options name.

    Raises:
        ModelFileError: A model is missing or differs.
    """

    def spec(task: str, folder: Path | None, variant: str = "") -> ModelSpec:
        if folder is not None:
            return read_model_spec(folder)
        return pick_model_spec(options.models, task, variant)

    # A detection that one pass doubts may still be confirmed by another.
    least = min(options.min_confidence, UNSEEN_CONFIDENCE)
    rescorer = options.rescorer
    classifier = None
    if options.expressions:
        emotion = spec("emotion", options.emotion, options.emotion_model)
        classifier = load_classifier(emotion)
    side_by_side = _side_by_side(options.threads or len(os.sched_getaffinity(0)))
    return LocalAnalyzer(
        YuNetDetector(spec("detector", options.detector), least),
        OnnxLandmarker(spec("landmarks", options.landmarks)),
        classifier,
        None
        if rescorer == "none"
        else OnnxRescorer(spec("rescorer", rescorer), side_by_side),
        min_confidence=options.min_confidence,
        side_by_side=side_by_side,
    )


def _side_by_side(threads: int) -> Map:
    if threads == 1:
        return map
    return ThreadPoolExecutor(min(threads, MOST_CALLS), "faces").map
