"""The bot's command line in a process that dies at kill points: ``… process serve``.

The product is the same to the last line. What surrounds its commits is put in from
outside: DBOS's recorder, SQLAlchemy's event before a COMMIT, the queue and the log of
posts are wrapped here, before the command line is imported.

``HURRY`` in the environment makes a worker of short lease and short waits.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos._sys_db import SystemDatabase

from emojifier_bot.cli.main import run
from emojifier_bot.clock import SystemClock
from emojifier_bot.db.posts import PostLog
from emojifier_bot.jobs.queue import DbosJobQueue
from tests.crash.points import (
    AFTER,
    BEFORE,
    ENQUEUE,
    JOB_END,
    POST_ROW,
    TAKE,
    KillPoints,
    commit_point,
)
from tests.fast_worker import run_fast_worker

#: Variables: the folder of kill points; whether a worker is in a hurry; the file that
#: says how far the clock is ahead, seconds.
KILL_POINTS, HURRY, CLOCK_FILE = "CRASH_KILL_POINTS", "CRASH_HURRY", "CRASH_CLOCK"


class _Here(threading.local):
    """What this thread is about to commit."""

    name = ""


class KillHooks:
    """Kills this process at an armed commit."""

    def __init__(self, kill_points: KillPoints) -> None:
        self._kill_points = kill_points
        self._here = _Here()

    def install(self) -> None:
        sa.event.listen(sa.Engine, "commit", self._before_commit)
        self._around(
            SystemDatabase,
            "record_operation_result",
            lambda result, **_: str(result["function_name"]),
        )
        for method in ("start_queued_workflows", "start_queued_partitioned_workflows"):
            self._around(SystemDatabase, method, lambda *_, **__: TAKE)
        self._around(
            SystemDatabase, "update_workflow_outcome", lambda *_, **__: JOB_END
        )
        self._around(DbosJobQueue, "enqueue", lambda *_, **__: ENQUEUE)
        self._around(PostLog, "record", lambda *_, **__: POST_ROW)

    def _around(self, kind: type, method: str, name_of: Callable[..., str]) -> None:
        original = getattr(kind, method)

        @functools.wraps(original)
        def wrapped(this: Any, *args: Any, **kwargs: Any) -> Any:
            name = self._here.name = name_of(*args, **kwargs)
            if name == JOB_END:
                # PostgreSQL gets it in one statement, which is its own commit.
                self._reach(name, BEFORE)
            try:
                answer = original(this, *args, **kwargs)
            finally:
                self._here.name = ""
            if answer or name != TAKE:
                self._reach(name, AFTER)
            return answer

        setattr(kind, method, wrapped)

    def _before_commit(self, _: sa.Connection) -> None:
        if self._here.name:
            self._reach(self._here.name, BEFORE)

    def _reach(self, name: str, when: str) -> None:
        if self._kill_points.trigger(commit_point(name, when)):
            os.kill(os.getpid(), signal.SIGKILL)


def set_clock_by(file: Path) -> None:
    """Let the time of day be as far off as a file says; the monotonic one is right.

    That is what DBOS, the stores and the check of signatures ask.
    """
    tell = time.time

    def ahead_seconds() -> float:
        return float(file.read_text())

    def now(_: SystemClock) -> datetime:
        return datetime.fromtimestamp(tell() + ahead_seconds(), UTC)

    time.time = lambda: tell() + ahead_seconds()
    SystemClock.now = now  # type: ignore[assignment, method-assign] # in this process


if __name__ == "__main__":
    KillHooks(KillPoints(Path(os.environ[KILL_POINTS]))).install()
    if CLOCK_FILE in os.environ:
        set_clock_by(Path(os.environ[CLOCK_FILE]))
    if os.environ.get(HURRY) and sys.argv[1] == "worker":
        sys.exit(run_fast_worker())
    run()
