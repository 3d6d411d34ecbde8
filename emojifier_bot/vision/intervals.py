"""How far a figure may be from the truth: 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Standard deviations that hold 95 % of a normal distribution.
Z_95 = 1.959964
#: Percentiles that hold 95 % of what resampling gives.
PERCENTILES = (2.5, 97.5)
ROUNDS, SEED = 1000, 95

Statistic = Callable[[NDArray[np.int64]], float]
Statistics = Callable[[NDArray[np.int64]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its 95 % interval and what it was measured on; NaN for nothing."""

    value: float
    low: float
    high: float
    count: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def share(hits: int, count: int) -> Measured:
    """Return ``hits / count`` with Wilson's score interval (Wilson, 1927).

    >>> one = share(8, 10)
    >>> round(one.value, 2), round(one.low, 2), round(one.high, 2)
    (0.8, 0.49, 0.94)
    """
    if count == 0:
        return Measured(math.nan, math.nan, math.nan, 0)
    value, wide = hits / count, Z_95**2 / count
    middle = (value + wide / 2) / (1 + wide)
    spread = math.sqrt(value * (1 - value) * wide + wide**2 / 4) / (1 + wide)
    # At 0 and 1 the interval ends in the value but for rounding.
    return Measured(
        value, min(middle - spread, value), max(middle + spread, value), count
    )


def bootstrap(statistic: Statistic, count: int, *, rounds: int = ROUNDS) -> Measured:
    """Return a statistic of samples with the interval that resampling gives.

    Args:
        statistic: Takes ``(N,)`` indices of samples, some drawn several times.
        count: How many samples there are.
        rounds: How often they are drawn anew (Efron, 1979).
    """
    (one,) = bootstrap_all(lambda drawn: [statistic(drawn)], count, rounds=rounds)
    return one


def bootstrap_all(
    statistics: Statistics, count: int, *, rounds: int = ROUNDS
) -> list[Measured]:
    """Return several statistics of the same samples; see `bootstrap`."""
    values = [float(value) for value in statistics(np.arange(count))]
    random = np.random.default_rng(SEED)
    drawn = [
        statistics(random.integers(0, count, count))
        for _ in range(rounds if count else 0)
    ]
    found = []
    for value, column in zip(
        values, np.reshape(drawn, (-1, len(values))).T, strict=True
    ):
        known = column[~np.isnan(column)]
        low = high = math.nan
        if not math.isnan(value) and len(known):
            low, high = map(float, np.percentile(known, PERCENTILES))
        found.append(Measured(value, low, high, count))
    return found


def mean(values: NDArray[Any]) -> Measured:
    """Return the mean of ``(N,)`` values with its bootstrap interval."""
    if not len(values):
        return Measured(math.nan, math.nan, math.nan, 0)
    return bootstrap(lambda drawn: float(values[drawn].mean()), len(values))
