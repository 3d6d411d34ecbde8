"""Measures one of the models on a data set, by the code that replay runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from PIL import Image

from emojifier_bot.app import make_analyzer
from emojifier_bot.config import load_picture_settings
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.multi_scale import PROPOSED_CONFIDENCE
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.types import Detection
from emojifier_training import Progress
from emojifier_training.data import (
    SET_FOLDERS,
    DatasetError,
    LabelledCrop,
    LabelledExpressions,
    LabelledPicture,
    is_held_out,
    read_detection,
    read_expressions,
    read_landmarks,
    read_negatives,
)
from emojifier_training.evaluate_detector import (
    RECALL_CONFIDENCE,
    RECALL_FACE_PX,
    ROTATIONS_DEGREES,
    SHIPPED_CONFIDENCE,
    Found,
    at_least,
    detector_figures,
    find_all,
    kind,
    operating_point,
)
from emojifier_training.evaluate_emotion import classify_crops, emotion_figures
from emojifier_training.evaluate_landmarks import (
    hard_figures,
    landmark_figures,
    locate_all,
)
from emojifier_training.evaluate_rescorer import find_both, rescorer_figures
from emojifier_training.near_duplicates import held_out
from emojifier_training.negatives import false_alarms, without_people

Sample = TypeVar("Sample")
#: Average precision wants every candidate.
EVERY_CANDIDATE = 0.01
#: Everything else is measured on the faces that a result would show.
SHOWN = 0.5
#: Whose art a picture without faces may show.
THEME = "classic"


@dataclass(frozen=True, slots=True)
class Models:
    """Which models are evaluated, and how they run."""

    #: ``fused`` or ``landmarks``; None takes the setting.
    emotion_variant: str | None = None
    #: Folders in place of the shipped models.
    detector: Path | None = None
    rescorer: Path | None = None
    landmarks: Path | None = None
    emotion: Path | None = None
    #: Detect in passes over turned and scaled copies too.
    multi_scale: bool = True
    #: 0 takes the setting.
    threads: int = 0

    def analyzer(self, min_confidence: float) -> LocalAnalyzer:
        """Load the models.

        Raises:
            ModelFileError: One is missing or differs.
        """
        wanted: dict[str, Any] = {
            "emotion_model": self.emotion_variant,
            "detector_model": self.detector,
            "rescorer_model": self.rescorer,
            "landmarks_model": self.landmarks,
            "emotion_model_dir": self.emotion,
            "threads": self.threads or None,
        }
        settings = load_picture_settings(
            min_confidence=min_confidence,
            face_backend="local",
            reading=ReadingMode.EXPRESSIONS,
            **wanted,
        )
        analyzer = cast("LocalAnalyzer", make_analyzer(settings))
        return dataclasses.replace(analyzer, multi_scale=self.multi_scale)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Measures models on labelled data."""

    models: Models
    progress: Progress
    #: Only what training never saw.
    held_out: bool = False
    #: Only every n-th sample: a subset while developing.
    every: int = 1

    def figures(self, task: str, data: Path, *, full: bool) -> dict[str, Any]:
        """Return a task's figures on a set; ``full`` adds what makes faces harder."""
        if task == "detector":
            return self.detector(data, full=full)
        if task == "rescorer":
            return self.rescorer(data)
        if task == "landmarks":
            return self.landmarks(data, full=full)
        return self.emotion(data)

    def detector(self, data: Path, *, full: bool = False) -> dict[str, Any]:
        """Return the detector's figures; ``full`` adds rolls and empty pictures."""
        pictures = self.pictures(data)
        figures = detector_figures(self.find(pictures, EVERY_CANDIDATE))
        if not full:
            return figures
        shown = self.models.analyzer(SHOWN)
        return figures | {
            "by_roll": {
                f"{degrees}°": self._roll(pictures, degrees)
                for degrees in ROTATIONS_DEGREES
            },
            "without_faces": false_alarms(
                finder(shown), pictures, emojis_dir() / THEME, self.progress
            ),
            "without_people": without_people(
                self.find(self.negatives(data), SHIPPED_CONFIDENCE), SHIPPED_CONFIDENCE
            ),
        }

    def rescorer(self, data: Path) -> dict[str, Any]:
        """Return what the second stage changes, and how reliable it is."""
        pictures = self.pictures(data) + self.negatives(data)
        analyzer = self.models.analyzer(PROPOSED_CONFIDENCE)
        return rescorer_figures(find_both(analyzer, pictures, self.progress))

    def negatives(self, data: Path) -> list[LabelledPicture]:
        """Return the photographs without people that lie beside a detection set."""
        folder = data.with_name(SET_FOLDERS["negatives"])
        every = read_negatives(folder) if folder.is_dir() else []
        held = [p for p in every if not self.held_out or is_held_out(p.source, p.name)]
        return held[:: self.every]

    def pictures(self, data: Path) -> list[LabelledPicture]:
        """Return what the detector is evaluated on."""
        every = read_detection(data)
        return self._chosen(
            [p for p in every if not self.held_out or is_held_out(p.source, p.name)],
            data,
        )

    def find(
        self,
        pictures: Sequence[LabelledPicture],
        min_confidence: float,
        degrees: float = 0,
    ) -> list[Found]:
        """Let the whole pipeline find faces in pictures, rotated or as they are."""
        find = finder(self.models.analyzer(min_confidence))
        return find_all(find, pictures, self.progress, degrees)

    def _roll(
        self, pictures: Sequence[LabelledPicture], degrees: float
    ) -> dict[str, Any]:
        # What a result shows differs: candidates below its confidence explain nothing.
        shown = self.find(pictures, SHOWN, degrees)
        every = self.find(pictures, EVERY_CANDIDATE, degrees)
        point = operating_point(shown, RECALL_CONFIDENCE)
        return kind(every, at_least(RECALL_FACE_PX), shown) | {
            name: point[name] for name in ("precision", "false_alarms_per_picture")
        }

    def landmarks(self, data: Path, *, full: bool = False) -> dict[str, Any]:
        """Return the landmark figures; ``full`` adds what makes faces harder."""
        analyzer = self.models.analyzer(SHOWN)
        located = locate_all(
            finder(analyzer), analyzer.landmarker, self.crops(data), self.progress
        )
        figures = landmark_figures(located)
        if not full:
            return figures
        # Video frames are too soft and too loosely labelled to tell what blur does.
        sharp = [one for one in located if one.crop.source != "youtube"]
        return figures | {
            "harder": hard_figures(analyzer.landmarker, sharp, self.progress)
        }

    def crops(self, data: Path) -> list[LabelledCrop]:
        """Return what the landmarks are evaluated on."""
        every = read_landmarks(data)
        return self._chosen(
            [
                c
                for c in every
                if not self.held_out or is_held_out(c.source, c.name, c.subject)
            ],
            data,
        )

    def emotion(self, data: Path) -> dict[str, Any]:
        """Return the emotion figures of an ``.npz`` file, or of the folder of one."""
        faces = self.faces(data)
        analyzer = self.models.analyzer(SHOWN)
        classifier = cast("EmotionClassifier", analyzer.classifier)
        probabilities = classify_crops(
            analyzer.landmarker, classifier, faces, self.progress
        )
        threshold = classifier.sure_threshold
        return emotion_figures(probabilities, faces, threshold)

    def faces(self, data: Path) -> LabelledExpressions:
        """Return what the emotions are evaluated on."""
        faces = read_expressions(data)
        if self.held_out:
            faces = faces.subset(held_out(faces))
        faces = faces.subset(np.arange(0, len(faces.images), self.every))
        _check_any(faces.images, data, held_out=self.held_out)
        return faces

    def _chosen(self, samples: list[Sample], data: Path) -> list[Sample]:
        _check_any(samples, data, held_out=self.held_out)
        return samples[:: self.every]


def finder(analyzer: LocalAnalyzer) -> Callable[[Image.Image], list[Detection]]:
    """Return what finds the faces of a picture with all passes."""
    return lambda image: analyzer.detect(from_image(image))


def _check_any(samples: Sized, data: Path, *, held_out: bool) -> None:
    if not len(samples):
        kind = "held-out sample" if held_out else "sample"
        raise DatasetError(f"There is no {kind} in {data}.")
