"""The time, and the one place that asks the system for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, so that the layers below need not ask the system."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        ...


class SystemClock:
    """A `Clock` that asks the system."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.perf_counter()

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)
