"""Stops calls to a service that fails, so that callers are refused at once.

Guards the databases for callers in a hurry, and the hosted face APIs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: How long a circuit stays open unless its owner says otherwise: long enough that the
#: waits of many threads for a database do not add up, short enough that nobody notices.
OPEN_SECONDS = 1.0


class CircuitOpenError(Exception):
    """The service failed a moment ago and is not called; try again later."""

    def __init__(self, seconds_left: float) -> None:
        """Remember in how many seconds a call may get through."""
        super().__init__(f"the circuit stays open for {seconds_left:.1f} s")
        self.seconds_left = seconds_left


class CircuitBreaker:
    """Opens after several failures in a row; then one call at a time is a trial.

    All threads that call one service share one.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        failures: int = 1,
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        """Start closed: every call gets through.

        Args:
            monotonic: Returns seconds that never go back.
            failures: Failures in a row that open the circuit.
            open_seconds: How long no call gets through after the last failure.
        """
        self._monotonic = monotonic
        self._failures, self._open_seconds = failures, open_seconds
        self._lock = threading.Lock()
        self._failed = 0
        self._wrote_at = float("-inf")
        self._open_until = 0.0

    @contextmanager
    def guard(
        self, is_outage: Callable[[Exception], bool], *, is_write: bool = False
    ) -> Iterator[None]:
        """Make one call inside this context.

        Args:
            is_outage: Whether an error of the call means that the service is down;
                any other error shows that it answers.
            is_write: Whether its success shows that who waits at the same time in vain
                is only overtaken: in a locked database one still reads.

        Raises:
            CircuitOpenError: The circuit is open; the call is not made.
        """
        self._enter()
        began = self._monotonic()
        try:
            yield
        except Exception as error:
            self._record(failed=is_outage(error) and self._wrote_at < began)
            raise
        self._record(failed=False, wrote=is_write)

    def _enter(self) -> None:
        with self._lock:
            if self._failed < self._failures:
                return
            now = self._monotonic()
            if now < self._open_until:
                raise CircuitOpenError(self._open_until - now)
            # This call is the trial; the circuit stays open for all others.
            self._open_until = now + self._open_seconds

    def _record(self, *, failed: bool, wrote: bool = False) -> None:
        with self._lock:
            if wrote:
                self._wrote_at = self._monotonic()
            self._failed = self._failed + 1 if failed else 0
            if self._failed >= self._failures:
                self._open_until = self._monotonic() + self._open_seconds
