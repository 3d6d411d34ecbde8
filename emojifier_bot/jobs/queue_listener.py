"""Wakes the thread that polls the queue as soon as there may be something in it.

DBOS polls at a fixed interval: often, and idle workers keep the database busy; seldom,
and people wait. So DBOS's own thread polls here too, but its wait ends early: when a
job was queued, by ``NOTIFY`` of PostgreSQL or a change of the SQLite file, and when a
job of this worker ended and made room. The interval is for what nobody announced.
"""

from __future__ import annotations

import logging
import threading
import time

import psycopg
import sqlalchemy as sa
from dbos import DBOS
from dbos._queue import queue_worker_thread  # guarded by a contract test

from emojifier_bot.jobs.system_db import CHANNEL, QUEUE

#: How often the queue is polled where nothing announces a job, seconds.
IDLE_POLL_SECONDS = 5.0
#: The least time from one poll to the next, seconds. A poll costs about a millisecond.
BUSY_POLL_SECONDS = 0.1
#: How long a job that says that it ends still counts as running for DBOS at most, and
#: how long the end of the worker waits for its poll, seconds.
ENDING_SECONDS, STOP_SECONDS = 0.3, 10.0
#: How long a listener waits at most before it looks whether it should stop, and before
#: it connects again, seconds.
LISTEN_SECONDS, RECONNECT_SECONDS = 0.25, 1.0
#: How often the SQLite file is looked at, seconds. It costs some microseconds.
FILE_SECONDS = 0.05
#: DBOS polls an internal queue of its own that nothing here uses; so often is enough,
#: seconds.
INTERNAL_POLL_SECONDS = 60.0

logger = logging.getLogger(__name__)


class _StopOrWake(threading.Event):
    """The event that stops DBOS's polling; each wait for it also ends when woken."""

    def __init__(self) -> None:
        super().__init__()
        self._woken = threading.Event()
        self._polled_at = self._busy_until = float("-inf")

    def wake(self, busy_seconds: float = 0.0) -> None:
        self._busy_until = max(self._busy_until, time.monotonic() + busy_seconds)
        self._woken.set()

    def set(self) -> None:
        super().set()
        self._woken.set()

    def wait(self, timeout: float | None = None) -> bool:
        if time.monotonic() < self._busy_until:
            timeout = BUSY_POLL_SECONDS
        self._woken.wait(timeout)
        soonest = self._polled_at + BUSY_POLL_SECONDS
        super().wait(max(soonest - time.monotonic(), 0.0))
        # Whoever wakes it from here on is heard in the next wait.
        self._woken.clear()
        self._polled_at = time.monotonic()
        return self.is_set()


class QueueListener:
    """Polls the queue for this worker until it is stopped."""

    def __init__(self, engine: sa.Engine, dbos: DBOS) -> None:
        """Prepare to poll for DBOS, which must not listen to the queue itself.

        Args:
            engine: The database.
            dbos: Not launched yet.
        """
        self._engine = engine
        self._dbos = dbos
        self._event = _StopOrWake()
        internal = dbos._registry.get_internal_queue()  # noqa: SLF001 - see above
        internal._polling_interval_sec = INTERNAL_POLL_SECONDS  # noqa: SLF001
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._poll, "queue poll"), (self._listen, "listen"))
        ]

    def start(self) -> None:
        """Begin to poll; DBOS is launched and its queue is registered."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more jobs."""
        self._event.set()
        for thread in self._threads:
            if thread.ident is not None:  # started
                thread.join(STOP_SECONDS)

    def use_room(self) -> None:
        """Poll until the job that is about to end has made room for another one."""
        self._event.wake(ENDING_SECONDS)

    def _poll(self) -> None:
        """Run DBOS's thread, again and again: it ends where the queue's row is gone."""
        while not self._event.is_set():
            try:
                queue = DBOS.retrieve_queue(QUEUE)
                if queue is not None:
                    queue_worker_thread(self._event, self._dbos, queue)
            except Exception:
                # The thread's outermost loop; without it no job would be taken again.
                logger.exception("queue not polled", extra={"action": "poll"})
            threading.Event.wait(self._event, RECONNECT_SECONDS)

    def _listen(self) -> None:
        is_postgres = self._engine.dialect.name == "postgresql"
        while not self._event.is_set():
            try:
                if is_postgres:
                    self._await_notifications()
                else:
                    self._watch_file()
            except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
                facts = {"action": "listen", "kind": type(error).__name__}
                logger.info("jobs are not announced just now", extra=facts)
            except Exception:
                # The thread's outermost loop.
                logger.exception("jobs not announced", extra={"action": "listen"})
            threading.Event.wait(self._event, RECONNECT_SECONDS)
            # What was announced before the connection stood is found now.
            self._event.wake()

    def _await_notifications(self) -> None:
        """Wake the poll at each notification, until the end or an error."""
        pooled = self._engine.raw_connection()
        pooled.detach()
        connection = pooled.dbapi_connection
        assert isinstance(connection, psycopg.Connection)  # noqa: S101 - by its dialect
        with connection:
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
            self._event.wake()
            while not self._event.is_set():
                for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                    self._event.wake()

    def _watch_file(self) -> None:
        """Wake the poll at each change of another connection, until the end."""
        with self._engine.connect() as connection:
            known = None
            while not threading.Event.wait(self._event, FILE_SECONDS):
                asked = connection.exec_driver_sql("PRAGMA data_version")
                version = asked.scalar_one()
                if version != known:
                    self._event.wake()
                known = version
