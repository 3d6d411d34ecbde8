"""Brings what DBOS logs to our handlers, in our format."""

from __future__ import annotations

import logging
import time

from emojifier_bot.jobs.recorder import JobFailedError

_THEIRS, _OURS = "dbos", "emojifier_bot"
#: While the database is away, the same is said ten times a second; once in so many
#: seconds is enough.
QUIET_SECONDS = 10.0


def route_dbos_logs() -> None:
    """Let DBOS log through our handlers instead of its own."""
    theirs = logging.getLogger(_THEIRS)
    if not theirs.handlers:
        theirs.handlers = [_Relay()]
        theirs.propagate = False
        theirs.setLevel(logging.WARNING)


class _Relay(logging.Handler):
    """Hands records on, but for repetitions and the ends of failed jobs.

    Jobs log themselves how they end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        ours = logging.getLogger(_OURS)
        if isinstance(error, JobFailedError) or not ours.isEnabledFor(record.levelno):
            return
        if not self._repeats(record):
            ours.handle(record)

    def _repeats(self, record: logging.LogRecord) -> bool:
        line, now_seconds = (record.pathname, record.lineno), time.monotonic()
        last = self._said.get(line)
        if last is not None and now_seconds - last < QUIET_SECONDS:
            return True
        self._said[line] = now_seconds
        return False
