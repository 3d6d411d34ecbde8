"""Which failures are tried again, and when. Pure: no clock, no database."""

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


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Try again after this long."""

    wait_seconds: float


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


def decide(
    failure: Failure, attempt: int, waited_seconds: float = 0.0, seed: str = ""
) -> RetryDecision | None:
    """Decide whether a step is tried again.

    Args:
        failure: How the latest try went.
        attempt: Number of that try, from 1.
        waited_seconds: How long the step has waited between its tries so far.
        seed: Draws the jitter; the same again when a job is run again.

    Returns:
        None where it is given up.
    """
    if not failure.retryable or attempt >= MAX_ATTEMPTS:
        return None
    wait_seconds = _wait(failure, attempt, random.Random(seed))  # noqa: S311 - jitter
    if waited_seconds + wait_seconds > BUDGET_SECONDS:
        return None
    return RetryDecision(wait_seconds)


def _wait(failure: Failure, attempt: int, draw: random.Random) -> float:
    if failure.retry_after_seconds is not None:
        asked = max(failure.retry_after_seconds, FIRST_WAIT_SECONDS)
        return asked * draw.uniform(1.0, ASKED_JITTER_TO)
    full = min(FIRST_WAIT_SECONDS * GROWTH ** (attempt - 1), LONGEST_WAIT_SECONDS)
    return full * draw.uniform(JITTER_FROM, JITTER_TO)
