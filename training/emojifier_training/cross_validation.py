"""Figures of several runs' held-out faces together, as cross-validation has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emojifier_bot.vision.emotion import softmax
from emojifier_bot.vision.types import FloatArray
from emojifier_training.calibration import (
    fit_temperature,
    one_hot,
    pick_sure_threshold,
)
from emojifier_training.datasets import LabelledExpressions
from emojifier_training.evaluate_emotion import SURE_ACCURACY, emotion_figures

#: Logits ``(N, 8)`` and shares of the votes ``(N, 8)`` of one run's held-out faces.
HeldOut = tuple[FloatArray, FloatArray]


def pooled_figures(folds: Sequence[HeldOut]) -> dict[str, Any]:
    """Return the figures of all folds' faces, with 95 % intervals for each F1.

    Each fold is calibrated by the others, so that its calibration error is one that
    use would have. One fold alone calibrates itself.

    Args:
        folds: At least one.
    """
    probabilities = []
    for index, (logits, _) in enumerate(folds):
        others = [*folds[:index], *folds[index + 1 :]] or folds
        probabilities.append(softmax(logits / np.float32(_temperature(others))))
    read = np.concatenate(probabilities).astype(np.float32)
    targets = np.concatenate([fold[1] for fold in folds])
    threshold = pick_sure_threshold(
        np.log(np.maximum(read, np.finfo(np.float32).tiny)),
        targets.argmax(axis=1),
        SURE_ACCURACY,
    )
    return {"folds": len(folds), **emotion_figures(read, _labels(targets), threshold)}


def _temperature(folds: Sequence[HeldOut]) -> float:
    logits = np.concatenate([fold[0] for fold in folds])
    truth = np.concatenate([fold[1] for fold in folds]).argmax(axis=1)
    return fit_temperature(logits, one_hot(truth))


def _labels(targets: FloatArray) -> LabelledExpressions:
    """Return labels without pictures; the nets have seen those already."""
    return LabelledExpressions(
        images=np.empty((len(targets), 0, 0), np.uint8),
        targets=targets,
        majority=targets.argmax(axis=1),
        is_validation=np.zeros(len(targets), bool),
    )
