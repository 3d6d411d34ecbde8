"""Steady courses out of noisy ones, without lag: the whole clip is known.

Each is smoothed forwards and backwards by the One Euro filter (Casiez, Roussel and
Vogel, 2012) and the mean is taken: at constant speed one lags as much as the other
leads. What stands still is smoothed most, what moves fast hardly at all.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Course = NDArray[np.float64]

#: Hertz: the filter's cut-off at rest, and that of the speed.
REST_HERTZ, SPEED_HERTZ = 1.0, 8.0
#: By how much the cut-off grows with the speed, hertz for each unit in a second.
HERTZ_PER_SPEED = 60.0
#: Beyond so many standard deviations a window ends.
WINDOW_WIDTHS = 4.0
#: Windows that are computed at once.
MEANS_AT_ONCE = 64


def smooth(seconds: Course, values: Course) -> Course:
    """Smooth courses over time, without lag.

    Args:
        seconds: ``(N,)`` rising times, N at least 1.
        values: ``(N, K)``; speeds are compared in their unit, so 1 should be much.

    Returns:
        ``(N, K)``.
    """
    backwards = one_euro(-seconds[::-1], values[::-1])[::-1]
    return (one_euro(seconds, values) + backwards) / 2


def one_euro(seconds: Course, values: Course) -> Course:
    """Filter ``(N, K)`` courses as they come, by the speed of all of them together."""
    filtered = values.astype(np.float64).copy()
    speed = np.zeros(values.shape[1])
    for now in range(1, len(values)):
        passed = seconds[now] - seconds[now - 1]
        measured = (values[now] - values[now - 1]) / passed
        weight = _weight(SPEED_HERTZ, passed) if now > 1 else 1.0
        speed += weight * (measured - speed)
        cut_off = REST_HERTZ + HERTZ_PER_SPEED * float(np.linalg.norm(speed))
        weight = _weight(cut_off, passed)
        filtered[now] = filtered[now - 1] + weight * (values[now] - filtered[now - 1])
    return filtered


def window_means(seconds: Course, values: Course, at: Course, width: float) -> Course:
    """Return the mean of what was measured around each of some times.

    Args:
        seconds: ``(N,)`` rising times of the measurements, N at least 1.
        values: ``(N, K)`` measurements.
        at: ``(M,)`` times.
        width: Standard deviation of the weights, seconds.

    Returns:
        ``(M, K)``; in a gap what is nearest, beyond the ends what is there.
    """
    at = np.clip(at, seconds[0], seconds[-1])
    means = np.empty((len(at), values.shape[1]))
    for begin in range(0, len(at), MEANS_AT_ONCE):
        part = slice(begin, begin + MEANS_AT_ONCE)
        edges = at[part][[0, -1]] + np.array([-1, 1]) * WINDOW_WIDTHS * width
        low, high = np.searchsorted(seconds, edges)
        # One more at each side: the nearest counts however far it is.
        near = slice(max(int(low) - 1, 0), int(high) + 1)
        away = np.square((at[part, None] - seconds[None, near]) / width)
        weights = np.exp((away.min(axis=1, keepdims=True) - away) / 2)
        means[part] = weights @ values[near] / weights.sum(axis=1, keepdims=True)
    return means


def smoothstep(share: float) -> float:
    """Return a soft way from 0 to 1 of one that is straight, and clipped."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _weight(hertz: float, passed: float) -> float:
    """Return the weight of a new value after some seconds."""
    turned = 2 * math.pi * hertz * passed
    return turned / (turned + 1)
