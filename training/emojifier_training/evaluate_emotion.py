"""Judges the emotion classifier on labelled crops, by the code that use runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.intervals import Measured, bootstrap_all, share
from emojifier_bot.vision.ports import EmotionClassifier, FaceLandmarker
from emojifier_bot.vision.types import EMOTIONS, FloatArray
from emojifier_training import Progress
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions
from emojifier_training.metrics import (
    Labels,
    accuracy,
    calibration_error,
    confusion_matrix,
    f1_scores,
    macro_f1,
    per_class,
    reliability,
    risk_coverage,
)

#: What is called sure should be right this often,
SURE_ACCURACY = 0.92
#: and the curve that shows what that costs is given at these shares of the faces.
COVERAGES = tuple(step / 20 for step in range(1, 21))


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
        "confusion": {
            str(true): {str(e): int(n) for e, n in zip(EMOTIONS, row, strict=True) if n}
            for true, row in zip(
                EMOTIONS, confusion_matrix(truth, predicted), strict=True
            )
            if row.any()
        },
        "calibration_error": calibration_error(probabilities, truth),
        "sure": {
            "threshold": sure_threshold,
            "coverage": float(sure.mean()) if len(sure) else float("nan"),
            "accuracy": accuracy(truth[sure], predicted[sure]),
        },
        "intervals": emotion_intervals(probabilities, truth, sure),
        "reliability": reliability(probabilities, truth),
        **sure_figures(probabilities, truth),
    }


def emotion_intervals(
    probabilities: FloatArray, truth: Labels, sure: NDArray[np.bool_]
) -> dict[str, dict[str, object]]:
    """Return the main figures and each F1 with 95 % intervals."""
    predicted = probabilities.argmax(axis=1)
    right = truth == predicted
    macro, error, *scores = bootstrap_all(
        lambda drawn: [
            macro_f1(truth[drawn], predicted[drawn]),
            calibration_error(probabilities[drawn], truth[drawn]),
            *f1_scores(truth[drawn], predicted[drawn]),
        ],
        len(truth),
    )
    whole = {
        "accuracy": share(int(right.sum()), len(right)),
        "macro_f1": macro,
        "calibration_error": error,
        "sure_coverage": share(int(sure.sum()), len(sure)),
        "sure_accuracy": share(int(right[sure].sum()), int(sure.sum())),
    }
    each = {
        f"f1_{emotion}": Measured(one.value, one.low, one.high, int(count))
        for emotion, one, count in zip(
            EMOTIONS, scores, np.bincount(truth, minlength=len(EMOTIONS)), strict=True
        )
    }
    return {name: one.as_dict() for name, one in (whole | each).items()}


def sure_figures(probabilities: FloatArray, truth: Labels) -> dict[str, object]:
    """Return the risk–coverage curve and its furthest point that is right enough."""
    curve = risk_coverage(probabilities, truth)
    good = np.flatnonzero(curve.accuracies >= SURE_ACCURACY)
    at = [int(np.searchsorted(curve.coverages, one - 1e-6)) for one in COVERAGES]
    rows = [
        {
            "coverage": float(curve.coverages[index]),
            "accuracy": float(curve.accuracies[index]),
            "threshold": float(curve.thresholds[index]),
        }
        for index in at
        if index < len(curve.coverages)
    ]
    furthest = {
        "coverage": float(curve.coverages[good[-1]]) if len(good) else 0.0,
        "threshold": float(curve.thresholds[good[-1]]) if len(good) else 1.0,
    }
    return {"risk_coverage": rows, f"furthest_at_{SURE_ACCURACY:g}": furthest}
