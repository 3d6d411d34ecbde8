"""Figures for classifiers: accuracy, F1, confusion, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.emotion import softmax
from emojifier_bot.vision.types import EMOTIONS, FloatArray

Labels = NDArray[np.int64]
Numbers = NDArray[np.floating]
#: Temperatures tried: 0.22 to 4.4, 2 % apart.
TEMPERATURES = np.exp(np.arange(-1.5, 1.5, 0.02))
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


def fit_temperature(logits: FloatArray, truth: Labels) -> float:
    """Return the temperature of least mean cross-entropy (Guo et al., 2017).

    Args:
        logits: ``(N, 8)`` of held-out faces.
        truth: ``(N,)`` class indices.
    """

    def loss(temperature: float) -> float:
        below = logits / temperature
        below = below - below.max(1, keepdims=True)
        right = below[np.arange(len(truth)), truth]
        return float((np.log(np.exp(below).sum(1)) - right).mean())

    return float(min(TEMPERATURES, key=loss))


def pick_sure_threshold(logits: FloatArray, truth: Labels, accuracy: float) -> float:
    """Return the least top probability from which on ``accuracy`` is reached.

    Args:
        logits: ``(N, 8)``, divided by the temperature.
        truth: ``(N,)`` class indices.
        accuracy: What faces called sure must reach together.

    Returns:
        The threshold; 1 where no threshold is good enough.
    """
    curve = risk_coverage(softmax(logits), truth)
    good = np.flatnonzero(curve.accuracies >= accuracy)
    return float(curve.thresholds[good[-1]]) if len(good) else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """How right the surest faces are, the surest first."""

    #: ``(K,)`` top probabilities, falling; faces from there on are called sure.
    thresholds: Numbers
    #: ``(K,)`` share of all faces that are then sure.
    coverages: Numbers
    #: ``(K,)`` share of those that are right.
    accuracies: Numbers


def risk_coverage(probabilities: FloatArray, truth: Labels) -> RiskCoverage:
    """Return coverage and accuracy of every threshold (El-Yaniv and Wiener, 2010).

    Args:
        probabilities: ``(N, 8)``.
        truth: ``(N,)`` class indices.
    """
    top = probabilities.max(1)
    order = np.argsort(-top, kind="stable")
    top, right = top[order], (probabilities.argmax(1) == truth)[order]
    # Faces with the same probability are sure together or not at all.
    is_last = np.append(top[1:] != top[:-1], True)[: len(top)]
    taken = np.arange(1, len(top) + 1)
    return RiskCoverage(
        top[is_last],
        (taken / max(len(top), 1))[is_last],
        (np.cumsum(right) / taken)[is_last],
    )
