"""A clock that a test can read ahead."""

from __future__ import annotations


class FakeClock:
    """A `Clock` that moves on by one step each time it is asked."""

    def __init__(self, step_seconds: float = 0.001) -> None:
        self._step_seconds = step_seconds
        self._ticks = 0

    def monotonic(self) -> float:
        self._ticks += 1
        return self._ticks * self._step_seconds
