"""Whether something grows: a line fitted to the second half of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Fewer looks or a shorter time say nothing: caches still fill.
LEAST_SAMPLES, LEAST_SECONDS = 20, 60.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure over time."""

    first: float
    last: float
    most: float
    #: Of the line, over the second half.
    growth: float
    #: Whether the run was long enough to tell.
    is_known: bool


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """Fit a line to the second half of a run.

    Args:
        points: Seconds and values, at least one.
    """
    values = [value for _, value in points]
    half = points[len(points) // 2 :]
    length_seconds = half[-1][0] - half[0][0]
    known = len(half) >= LEAST_SAMPLES and length_seconds >= LEAST_SECONDS
    slope = float(np.polyfit(*zip(*half, strict=True), 1)[0]) if known else 0.0
    return Trend(values[0], values[-1], max(values), slope * length_seconds, known)


def share_of(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of some stay within; 0 of none."""
    return float(np.percentile(values, percent)) if values else 0.0
