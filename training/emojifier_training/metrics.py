"""Figures for classifiers: accuracy, F1, confusion, calibration, intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.types import EMOTIONS, FloatArray

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


def f1_scores(truth: Labels, predicted: Labels) -> FloatArray:
    """Return the ``(8,)`` F1 of every emotion; NaN where none has it."""
    counts = confusion_matrix(truth, predicted)
    true = counts.sum(axis=1)
    either = true + counts.sum(axis=0)
    scores = 2 * np.diag(counts) / np.maximum(either, 1)
    return np.where(true > 0, scores, np.nan).astype(np.float32)


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """Return the mean F1 over the classes that occur in the truth."""
    scores = f1_scores(truth, predicted)
    present = scores[~np.isnan(scores)]
    return float(present.mean()) if len(present) else float("nan")


def calibration_error(probabilities: FloatArray, truth: Labels) -> float:
    """Return the expected calibration error of the top probability."""
    top, right, bins = _binned(probabilities, truth)
    gaps = np.bincount(bins, top - right, CALIBRATION_BINS)
    return float(np.abs(gaps).sum()) / max(len(truth), 1)


def reliability(probabilities: FloatArray, truth: Labels) -> list[dict[str, float]]:
    """Return the bins of the expected calibration error that any face falls into.

    Each has its least top probability (`low`), `count`, mean top probability
    (`confidence`) and share of right predictions (`accuracy`).
    """
    top, right, bins = _binned(probabilities, truth)
    return [
        {
            "low": int(bin_) / CALIBRATION_BINS,
            "count": int((bins == bin_).sum()),
            "confidence": float(top[bins == bin_].mean()),
            "accuracy": float(right[bins == bin_].mean()),
        }
        for bin_ in np.unique(bins)
    ]


def _binned(
    probabilities: FloatArray, truth: Labels
) -> tuple[FloatArray, NDArray[np.bool_], Labels]:
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return top, right, bins
