"""Makes probabilities honest: temperature, and the threshold of "sure"."""

from __future__ import annotations

import numpy as np

from emojifier_bot.domain import FloatArray
from emojifier_bot.evaluation.metrics import Labels

#: Temperatures tried: 0.22 to 4.4, 2 % apart.
TEMPERATURES = np.exp(np.arange(-1.5, 1.5, 0.02))


def fit_temperature(logits: FloatArray, truth: Labels) -> float:
    """Return the temperature that makes the truth most likely (Guo et al., 2017).

    Args:
        logits: ``(N, 8)`` of held-out faces.
        truth: ``(N,)`` class indices.
    """
    rows = np.arange(len(truth))
    losses = []
    for temperature in TEMPERATURES:
        scaled = logits / temperature
        normaliser = np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1))
        losses.append(float((normaliser + scaled.max(1) - scaled[rows, truth]).mean()))
    return float(TEMPERATURES[int(np.argmin(losses))])


def pick_sure_threshold(logits: FloatArray, truth: Labels, accuracy: float) -> float:
    """Return the least top probability from which on ``accuracy`` is reached.

    Args:
        logits: ``(N, 8)``, divided by the temperature.
        truth: ``(N,)`` class indices.
        accuracy: What faces called sure must reach together.

    Returns:
        The threshold; 1 where no threshold is good enough.
    """
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = powers / powers.sum(1, keepdims=True)
    top = probabilities.max(1)
    order = np.argsort(-top, kind="stable")
    top, right = top[order], (probabilities.argmax(1) == truth)[order]
    # Faces with the same probability are sure together or not at all.
    is_last = np.append(top[1:] != top[:-1], True)[: len(top)]
    reached = is_last & (np.cumsum(right) / np.arange(1, len(top) + 1) >= accuracy)
    return float(top[np.flatnonzero(reached)[-1]]) if reached.any() else 1.0
