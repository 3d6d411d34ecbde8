"""Figures for classifiers: accuracy, F1, confusion, calibration, intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.domain import EMOTIONS, FloatArray

Labels = NDArray[np.int64]
#: Bins of the expected calibration error (Guo et al., 2017).
CALIBRATION_BINS = 15


def confusion_matrix(truth: Labels, predicted: Labels) -> NDArray[np.int64]:
    """Return ``(8, 8)`` counts, rows the truth, columns the prediction."""
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def accuracy(truth: Labels, predicted: Labels) -> float:
    """Return the share of right predictions; NaN for none."""
    return float((truth == predicted).mean()) if len(truth) else float("nan")


def per_class(truth: Labels, predicted: Labels) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and count of every emotion; 0 where undefined."""
    counts = confusion_matrix(truth, predicted)
    rows = {}
    for index, emotion in enumerate(EMOTIONS):
        hits = float(counts[index, index])
        predicted_count = float(counts[:, index].sum())
        true_count = float(counts[index].sum())
        rows[str(emotion)] = {
            "precision": hits / predicted_count if predicted_count else 0.0,
            "recall": hits / true_count if true_count else 0.0,
            "f1": 2 * hits / max(predicted_count + true_count, 1.0),
            "count": int(true_count),
        }
    return rows


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """Return the mean F1 over the classes that occur in the truth."""
    present = [
        row["f1"] for row in per_class(truth, predicted).values() if row["count"]
    ]
    return float(np.mean(present)) if present else float("nan")


def calibration_error(probabilities: FloatArray, truth: Labels) -> float:
    """Return the expected calibration error of the top probability."""
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(float(top[bins == b].sum() - right[bins == b].sum()))
        for b in range(CALIBRATION_BINS)
    ]
    return sum(gaps) / max(len(truth), 1)
