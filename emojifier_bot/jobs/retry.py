"""Which failures of a step are tried again, and when. Pure: no clock, no database."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.domain import known_fields
from emojifier_bot.errors import (
    EmojifierError,
    ErrorKind,
    ImageError,
    RemoteError,
    StoreError,
)

#: Tries of one step, the first one included.
MAX_ATTEMPTS = 8
#: Waits double from the first to the longest: 1, 2, 4, … 60 seconds.
FIRST_WAIT_SECONDS, GROWTH, LONGEST_WAIT_SECONDS = 1.0, 2.0, 60.0
#: A wait of our own choice is this part of its full length, at random.
JITTER_FROM, JITTER_TO = 0.5, 1.0
#: A wait that the other side asked for is never cut, but up to this much longer, so
#: that not all jobs come back in the same second.
ASKED_JITTER_TO = 1.1
#: One step waits this long in all; then the asker can still be told: Slack takes
#: answers for 30 minutes.
BUDGET_SECONDS = 900.0

#: Slack says that it did nothing; every other failure that is worth another try may
#: hide that it did.
_NOT_DONE = frozenset({ErrorKind.RATELIMITED})
#: Slack says that it may have done a part of it.
_HALF_DONE = frozenset({ErrorKind.FATAL_ERROR, ErrorKind.INTERNAL_ERROR})


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as it is recorded with a step."""

    #: Row of the table of sentences.
    kind: str
    #: The same again may go well.
    retryable: bool = False
    #: How long the other side asked to wait.
    retry_after_seconds: float | None = None
    #: Nothing that the asker or the workspace could change: the job ends in error, and
    #: an operator may run it again.
    ours: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Failure:
        """Read what `to_dict` returned, perhaps that of a newer version of the bot."""
        return cls(**known_fields(cls, values))


class JobFailedError(Exception):
    """A step failed for good; the job ends with what went wrong."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure; its kind is what the job's row shows."""
        super().__init__(failure.kind)
        self.failure = failure


class Backoff:
    """Decides how long to wait between the tries of one step, and when to give up."""

    def __init__(self, seed: str = "", stretch: float = 1.0) -> None:
        """Begin before the first try.

        Args:
            seed: Draws the jitter.
            stretch: Multiplies the waits that the other side did not ask for.
        """
        self._seed = seed
        self._stretch = stretch
        self._attempts = 0
        self._waited_seconds = 0.0

    def next_wait_seconds(self, failure: Failure) -> float:
        """Return how long to wait after the latest try before the next one.

        Raises:
            JobFailedError: There is no next one.
        """
        self._attempts += 1
        if not failure.retryable or self._attempts >= MAX_ATTEMPTS:
            raise JobFailedError(failure)
        draw = random.Random(f"{self._seed}/{self._attempts}")  # noqa: S311 - jitter
        asked_seconds = failure.retry_after_seconds
        if asked_seconds is not None:
            seconds = max(asked_seconds, FIRST_WAIT_SECONDS)
            seconds *= draw.uniform(1.0, ASKED_JITTER_TO)
        else:
            full = FIRST_WAIT_SECONDS * GROWTH ** (self._attempts - 1)
            seconds = min(full, LONGEST_WAIT_SECONDS)
            seconds *= draw.uniform(JITTER_FROM, JITTER_TO)
        if self._waited_seconds + seconds > BUDGET_SECONDS:
            raise JobFailedError(failure)
        self._waited_seconds += seconds
        return seconds if asked_seconds is not None else seconds * self._stretch


def failure_of(error: Exception) -> Failure:
    """Sort an error by its type."""
    if isinstance(error, ImageError):
        return Failure(error.kind, ours=False)
    if isinstance(error, RemoteError):
        # What is worth another try and fails to the end is an outage, not a refusal.
        return Failure(
            error.kind, error.retryable, error.retry_after_seconds, error.retryable
        )
    if isinstance(error, EmojifierError):
        return Failure(error.kind, retryable=isinstance(error, StoreError))
    if isinstance(error, SQLAlchemyError):
        return Failure(ErrorKind.DATABASE, retryable=True)
    return Failure(ErrorKind.UNEXPECTED)


def may_have_happened(failure: Failure) -> bool:
    """Tell whether what failed may have been done all the same: its answer got lost."""
    if failure.kind in _HALF_DONE:
        return True
    return failure.retryable and failure.kind not in _NOT_DONE
