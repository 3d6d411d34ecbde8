"""Makes probabilities honest: temperature, the threshold of "sure", what doubt buys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.emotion import softmax
from emojifier_bot.vision.types import EMOTIONS, FloatArray
from emojifier_training.metrics import Labels

Numbers = NDArray[np.floating]
#: Temperatures tried: 0.22 to 4.4, 2 % apart.
TEMPERATURES = np.exp(np.arange(-1.5, 1.5, 0.02))


def fit_temperature(logits: FloatArray, shares: FloatArray) -> float:
    """Return the temperature of least mean cross-entropy (Guo et al., 2017).

    Args:
        logits: ``(N, 8)`` of held-out faces.
        shares: ``(N, 8)`` what is true of them, rows of sum 1; see `one_hot`.
    """
    losses = [cross_entropies(logits / one, shares).mean() for one in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def cross_entropies(logits: FloatArray, shares: FloatArray) -> Numbers:
    """Return those of ``(N, 8)`` logits with rows of shares, ``(N,)`` in nats."""
    below = logits - logits.max(1, keepdims=True)
    found: Numbers = np.log(np.exp(below).sum(1)) - (shares * below).sum(1)
    return found


def one_hot(truth: Labels) -> FloatArray:
    """Return ``(N, 8)`` shares of ``(N,)`` class indices."""
    return np.eye(len(EMOTIONS), dtype=np.float32)[truth]


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
