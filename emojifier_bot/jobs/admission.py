"""Admission control: who may still join a queue that is nearly full."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.jobs.system_db import QUEUE, workflow_table

#: How long a count of waiting jobs is relied on.
COUNT_SECONDS = 1.0
#: How long a listener waits while another one counts.
LOCK_SECONDS = 0.5
#: Of the limit, what one workspace may have waiting and still be admitted to a full
#: queue: a tenth. So a flood fills the queue for its workspace alone.
SMALL_PART = 10
#: Above the limit, what is reserved for such workspaces: a quarter of it.
RESERVED_PART = 4


class AdmissionControl:
    """Admits jobs below a limit for all, and above it those of quiet workspaces.

    Safe from any thread.
    """

    def __init__(self, engine: sa.Engine, limit: int, clock: Clock) -> None:
        """Control a queue.

        Args:
            engine: Its database.
            limit: Waiting jobs from which on a workspace that has many is refused.
            clock: Says how old a count is.
        """
        self._engine = engine
        self._limit = limit
        self._small = max(limit // SMALL_PART, 1)
        self._most = limit + limit // RESERVED_PART
        self._clock = clock
        self._table = workflow_table(engine)
        #: Held while one of them counts, and for a moment by who changes the count.
        self._counting, self._lock = threading.Lock(), threading.Lock()
        self._counted, self._counted_at = 0, float("-inf")

    def admit(self, partition: str) -> bool:
        """Take a place for a job of one workspace; False where there is none."""
        self._refresh_count()
        if self._take_below(self._limit):
            return True
        if self._counted >= self._most or not self._is_quiet(partition):
            return False
        return self._take_below(self._most)

    def _take_below(self, most: int) -> bool:
        with self._lock:
            free = self._counted < most
            self._counted += free
            return free

    def _refresh_count(self) -> None:
        """Count what waits, at most once a second, one at a time.

        Where somebody's count takes long the one before must do: Slack waits for
        everybody's answer.
        """
        if not self._is_old() or not self._counting.acquire(timeout=LOCK_SECONDS):
            return
        try:
            if self._is_old():
                now_seconds = self._clock.monotonic()
                waiting = self._count(self._most)
                with self._lock:
                    self._counted, self._counted_at = waiting, now_seconds
        finally:
            self._counting.release()

    def _is_old(self) -> bool:
        return self._clock.monotonic() - self._counted_at > COUNT_SECONDS

    def _is_quiet(self, partition: str) -> bool:
        own = self._table.c.queue_partition_key == partition
        return self._count(self._small, own) < self._small

    def _count(self, most: int, *conditions: sa.ColumnElement[bool]) -> int:
        """Count waiting jobs, no further than needed."""
        table = self._table
        some = sa.select(sa.literal(1)).select_from(table)
        some = some.where(
            table.c.queue_name == QUEUE, table.c.status == "ENQUEUED", *conditions
        )
        query = sa.select(sa.func.count()).select_from(some.limit(most).subquery())
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()
