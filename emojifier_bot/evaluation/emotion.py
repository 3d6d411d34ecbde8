"""Judges the emotion classifier on labelled crops, by the code that use runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emojifier_bot.domain import EMOTIONS, FloatArray
from emojifier_bot.evaluation.datasets import LabelledExpressions
from emojifier_bot.evaluation.metrics import (
    Labels,
    accuracy,
    calibration_error,
    confusion_matrix,
    macro_f1,
    per_class,
)
from emojifier_bot.evaluation.read_faces import crop_detection, crop_picture
from emojifier_bot.ports import EmotionClassifier, FaceLandmarker

Progress = Callable[[int, int], None]


def classify_crops(
    landmarker: FaceLandmarker,
    classifier: EmotionClassifier,
    faces: LabelledExpressions,
    progress: Progress,
) -> FloatArray:
    """Return the ``(N, 8)`` probabilities of each labelled crop."""
    rows = np.empty((len(faces.images), len(EMOTIONS)), np.float32)
    for index, crop in enumerate(faces.images):
        picture = crop_picture(crop)
        landmarks = landmarker.locate(picture, [crop_detection()])
        rows[index] = classifier.classify(picture, landmarks)[0].probabilities
        progress(index + 1, len(rows))
    return rows


def emotion_figures(
    probabilities: FloatArray, faces: LabelledExpressions, sure_threshold: float
) -> dict[str, object]:
    """Return the figures of predictions against the majority vote.

    Args:
        probabilities: ``(N, 8)`` float32 in the order of `Emotion`.
        faces: The labels.
        sure_threshold: Top probability from which a reading counts as sure.
    """
    truth, predicted = faces.majority, probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) >= sure_threshold
    return {
        "accuracy": accuracy(truth, predicted),
        "macro_f1": macro_f1(truth, predicted),
        "count": len(truth),
        "per_class": per_class(truth, predicted),
        "confusion": confusion_by_name(confusion_matrix(truth, predicted)),
        "calibration_error": calibration_error(probabilities, truth),
        "sure": {
            "threshold": sure_threshold,
            "coverage": float(sure.mean()) if len(sure) else float("nan"),
            "accuracy": accuracy(truth[sure], predicted[sure]),
        },
    }


def confusion_by_name(counts: Labels) -> dict[str, dict[str, int]]:
    """Return ``{true: {predicted: count}}``, classes that never occur left out."""
    return {
        str(true): {str(e): int(n) for e, n in zip(EMOTIONS, row, strict=True) if n}
        for true, row in zip(EMOTIONS, counts, strict=True)
        if row.sum()
    }
