"""Room in the queue: one limit for all, and above it some for those who ask little."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from emojifier_bot.jobs.database import workflow_table
from emojifier_bot.jobs.names import QUEUE
from emojifier_bot.ports import Clock

#: How long a count of waiting jobs is relied on.
COUNT_SECONDS = 1.0
#: How long a listener waits while another one counts.
LOCK_SECONDS = 0.5
#: Of the limit, what one workspace may have waiting and still find a place in a full
#: queue: a tenth. So a flood fills the queue for its workspace alone.
SMALL_PART = 10
#: Above the limit, what is kept for such workspaces: a quarter of it.
RESERVED_PART = 4


class Room:
    """Decides who may still join the queue; safe from any thread."""

    def __init__(self, engine: sa.Engine, limit: int, clock: Clock) -> None:
        """Watch over a queue.

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
        self._lock = threading.Lock()
        self._counted, self._counted_at = 0, float("-inf")

    def take(self, partition: str) -> bool:
        """Take a place for a job of one workspace; False where there is none."""
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            # Somebody's count takes long, and Slack waits for everybody's answer.
            raise sa.exc.TimeoutError("The count of waiting jobs takes too long.")
        try:
            waiting = self._all()
            free = waiting < self._limit or (
                waiting < self._most and self._has_few(partition)
            )
            self._counted += free
            return free
        finally:
            self._lock.release()

    def _all(self) -> int:
        """Return how many wait, counting at most once a second."""
        now_seconds = self._clock.monotonic()
        if now_seconds - self._counted_at > COUNT_SECONDS:
            self._counted = self._count(self._most)
            self._counted_at = now_seconds
        return self._counted

    def _has_few(self, partition: str) -> bool:
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
