"""How long a transfer may take, in parts and as a whole."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from emojifier_bot.errors import ErrorKind, FetchError


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When to stop waiting."""

    #: For one of the host's addresses to answer at all.
    connect_seconds: float
    #: Between two pieces of an answer.
    read_seconds: float
    #: For everything: names, redirects, the last byte.
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment at which a transfer ends, whatever came until then."""

    timeouts: Timeouts
    _moment: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        moment = time.monotonic() + self.timeouts.total_seconds
        object.__setattr__(self, "_moment", moment)

    @property
    def passed(self) -> bool:
        """Tell whether time is up."""
        return time.monotonic() >= self._moment

    def remaining_seconds(self) -> float:
        """Return what is left.

        Raises:
            FetchError: ``timeout``: nothing is.
        """
        self.check()
        return max(self._moment - time.monotonic(), 0.0)

    def check(self) -> None:
        """Go on only if there is time left.

        Raises:
            FetchError: ``timeout``: there is none.
        """
        if self.passed:
            raise timed_out()


def timed_out() -> FetchError:
    """Return the error for a server that is too slow."""
    return FetchError(
        "The server took too long to answer. Try again in a few minutes.",
        kind=ErrorKind.TIMEOUT,
        retryable=True,
    )
