"""The bot's command line in a process that dies at mines: ``… process serve``.

The product is the same to the last line. What surrounds its commits is put in from
outside: DBOS's recorder, SQLAlchemy's event before a COMMIT, the queue and the log of
posts are wrapped here, before the command line is imported.

``HURRY`` in the environment makes a worker of short lease and short waits, for tests.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos._sys_db import SystemDatabase

from emojifier_bot.app import make_isolated_decoder
from emojifier_bot.app.bot import make_worker_parts, open_stores
from emojifier_bot.cli.main import run
from emojifier_bot.clock import SystemClock
from emojifier_bot.config import load_settings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.jobs.slots import LeaseTimes
from emojifier_bot.jobs.worker import run_worker
from emojifier_bot.logs import configure_logging
from tests.crash.points import (
    AFTER,
    BEFORE,
    ENQUEUE,
    JOB_END,
    POST_ROW,
    TAKE,
    Mines,
    commit_point,
)
from tests.jobs_rig import FAST

#: Variables: the folder of mines; whether a worker is in a hurry; the file that says
#: how far the clock is ahead, seconds.
MINES, HURRY, CLOCK_FILE = "CRASH_MINES", "CRASH_HURRY", "CRASH_CLOCK"
#: Of a worker in a hurry: how long it drains, and how soon it is taken for dead. A busy
#: machine must not starve it for that long.
DRAIN_SECONDS = 4
LEASE = LeaseTimes(lease_seconds=4.0, beat_seconds=0.8)


class _Here(threading.local):
    """What this thread is about to commit."""

    name = ""


class Tripwires:
    """Kills this process where a commit has a mine."""

    def __init__(self, mines: Mines) -> None:
        self._mines = mines
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
        if self._mines.take(commit_point(name, when)):
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
    SystemClock.now = now


def hurried_worker() -> int:
    """Work as `worker` does, with the times of tests."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    stores = open_stores(settings)
    with make_isolated_decoder(settings) as decoder:
        parts = make_worker_parts(settings, stores, decoder)
        return run_worker(
            settings.database_url,
            replace(parts, timing=FAST),
            settings.worker_concurrency,
            LEASE,
            DRAIN_SECONDS,
        )


if __name__ == "__main__":
    Tripwires(Mines(Path(os.environ[MINES]))).install()
    if CLOCK_FILE in os.environ:
        set_clock_by(Path(os.environ[CLOCK_FILE]))
    if os.environ.get(HURRY) and sys.argv[1] == "worker":
        sys.exit(hurried_worker())
    run()
