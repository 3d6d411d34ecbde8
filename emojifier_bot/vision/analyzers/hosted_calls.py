"""How a hosted API is called: retried within a budget, not at all while it is down.

Each service has one `Calls` in a process, which all jobs share.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from emojifier_bot.circuit_breaker import CircuitBreaker, CircuitOpenError
from emojifier_bot.clock import Clock
from emojifier_bot.errors import ErrorKind, HostedApiError
from emojifier_bot.vision.analyzers.hosted_api import HostedFace
from emojifier_bot.vision.analyzers.registry import HostedOptions

logger = logging.getLogger(__name__)

T = TypeVar("T")
#: First wait by kind; the following ones double. A service that is busy asks for more
#: patience than one that broke off.
FIRST_WAIT_SECONDS: Mapping[str, float] = {
    ErrorKind.FACE_API_DOWN: 0.5,
    ErrorKind.FACE_API_BUSY: 1.0,
}
#: A wait of our own choice is this part of its full length at least.
JITTER_FROM = 0.5
#: So many pictures in a row that the service failed on open the circuit,
FAILURES_TO_OPEN = 3
#: for this long; then one picture is a trial.
OPEN_SECONDS = 30.0
#: Kinds that are faults of the service, not of the picture or the key.
OUTAGES = frozenset(
    {ErrorKind.FACE_API_DOWN, ErrorKind.FACE_API_BUSY, ErrorKind.FACE_API_ANSWER}
)
#: Answers that are cached, and for how long: *Try another* comes soon.
CACHED_ANSWERS, CACHED_SECONDS = 64, 600.0


class AnswerCache:
    """The latest answers by the hash of the picture, in memory only."""

    def __init__(
        self,
        clock: Clock,
        size: int = CACHED_ANSWERS,
        seconds: float = CACHED_SECONDS,
    ) -> None:
        self._clock, self._size, self._seconds = clock, size, seconds
        self._lock = threading.Lock()
        #: The oldest first.
        self._answers: dict[str, tuple[float, list[HostedFace]]] = {}

    def find(self, key: str) -> list[HostedFace] | None:
        """Return what was answered, None where that is unknown or too old."""
        with self._lock:
            self._drop_old()
            return self._answers[key][1] if key in self._answers else None

    def keep(self, key: str, faces: list[HostedFace]) -> None:
        """Cache an answer in place of the oldest one."""
        with self._lock:
            self._drop_old()
            self._answers.pop(key, None)
            self._answers[key] = (self._clock.monotonic(), faces)
            if len(self._answers) > self._size:
                del self._answers[next(iter(self._answers))]

    def _drop_old(self) -> None:
        oldest = self._clock.monotonic() - self._seconds
        fresh = {key: one for key, one in self._answers.items() if one[0] >= oldest}
        self._answers = fresh


class Calls:
    """Calls one service, with retries at first and not at all while it is down.

    Args:
        backend: Its name, for the log.
        options: How many tries and seconds one picture is worth.
        rng: Draws the jitter of waits.
    """

    def __init__(
        self, backend: str, options: HostedOptions, rng: random.Random | None = None
    ) -> None:
        self._backend, self._options = backend, options
        self._monotonic = options.clock.monotonic
        self._random = rng or random.Random()  # noqa: S311 - only spreads the waits
        self._breaker = CircuitBreaker(
            self._monotonic, failures=FAILURES_TO_OPEN, open_seconds=OPEN_SECONDS
        )

    def run(self, attempt: Callable[[float], T]) -> T:
        """Return what an attempt returns.

        Args:
            attempt: Takes how many seconds it may last.

        Raises:
            HostedApiError: That of the last attempt; ``face_api_down`` at once while
                the circuit is open.
        """
        try:
            with self._breaker.guard(_is_outage):
                return self._retry(attempt)
        except CircuitOpenError as error:
            raise HostedApiError(
                "The face service failed several times, so it is left alone for a "
                "while. Try again in a minute.",
                kind=ErrorKind.FACE_API_DOWN,
                retryable=True,
                retry_after_seconds=error.seconds_left,
            ) from None

    def _retry(self, attempt: Callable[[float], T]) -> T:
        end = self._monotonic() + self._options.budget_seconds
        tried = 0
        while True:
            tried += 1
            left = end - self._monotonic()
            try:
                return attempt(min(self._options.timeout_seconds, left))
            except HostedApiError as error:
                wait = self._wait_seconds(error, tried)
                is_last = tried >= self._options.tries or not error.retryable
                if is_last or self._monotonic() + wait >= end:
                    raise
                facts = {
                    "action": "face_api_retry",
                    "backend": self._backend,
                    "error": error.kind,
                    "tried": tried,
                    "wait_seconds": round(wait, 2),
                }
                logger.info("Face service failed, trying again", extra=facts)
            self._options.sleep(wait)

    def _wait_seconds(self, error: HostedApiError, tried: int) -> float:
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds
        full: float = FIRST_WAIT_SECONDS.get(error.kind, 0.0) * 2 ** (tried - 1)
        return full * self._random.uniform(JITTER_FROM, 1.0)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, HostedApiError) and error.kind in OUTAGES
