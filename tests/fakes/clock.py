"""Clocks that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from emojifier_bot.clock import Clock, SystemClock

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


class FakeClock(Clock):
    """A `Clock` that moves on by one step each time it is asked.

    The time of day moves only when it is told to.
    """

    def __init__(self, step_seconds: float = 0.001, now: datetime = NOW) -> None:
        self._step_seconds = step_seconds
        self._ticks = 0
        self._now = now

    def monotonic(self) -> float:
        self._ticks += 1
        return self._ticks * self._step_seconds

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class ManualClock(Clock):
    """A `Clock` that stands still until a test moves it, or somebody sleeps."""

    def __init__(self, now: datetime = NOW) -> None:
        self._began = now
        self.seconds = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class AheadClock(SystemClock):
    """The system's clock, some seconds on."""

    ahead_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_seconds)
