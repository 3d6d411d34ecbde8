"""Statistics of the queue, for metrics, health checks and operators."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.jobs.leases import LEASE_SECONDS, Heartbeat, read_heartbeats
from emojifier_bot.jobs.system_db import QUEUE, WORKFLOW, workflow_table
from emojifier_bot.jobs.version_rollover import count_orphaned_jobs


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How many wait and who works, at one moment."""

    #: Jobs that wait for a worker, and those that workers have.
    waiting: int
    running: int
    #: Age of the job that has waited longest.
    oldest_seconds: float
    #: Workers that show signs of life.
    workers: int
    #: Jobs that were begun in a version of the workflow that no worker runs.
    orphaned: int


class QueueStatsReader:
    """Reads them; safe from any thread."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._table = workflow_table(engine)
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[Heartbeat, float] = {}

    def read(self) -> QueueStats:
        """Read them once."""
        table = self._table
        counts = sa.select(
            table.c.status, sa.func.count(), sa.func.min(table.c.created_at)
        ).where(
            table.c.queue_name == QUEUE, table.c.status.in_(("ENQUEUED", "PENDING"))
        )
        with self._engine.connect() as connection:
            rows = connection.execute(counts.group_by(table.c.status)).all()
            heartbeats = read_heartbeats(connection)
            orphaned = count_orphaned_jobs(connection, table)
        found = {status: (count, oldest_ms) for status, count, oldest_ms in rows}
        waiting, oldest_ms = found.get("ENQUEUED", (0, None))
        running, _ = found.get("PENDING", (0, None))
        return QueueStats(
            waiting=waiting,
            running=running,
            oldest_seconds=_age(oldest_ms, self._clock),
            workers=self._count_alive(heartbeats),
            orphaned=orphaned,
        )

    def _count_alive(self, heartbeats: list[Heartbeat]) -> int:
        """Count the workers whose heartbeat did not stand still for a whole lease.

        The row of a dead one stays until another worker removes it, and nobody does
        where it was the last.
        """
        now_seconds = self._clock.monotonic()
        with self._lock:
            self._since = {one: self._since.get(one, now_seconds) for one in heartbeats}
            ages = [now_seconds - since for since in self._since.values()]
        return sum(age < LEASE_SECONDS for age in ages)


def age_seconds(engine: sa.Engine, clock: Clock, job_id: str) -> float:
    """Return how long ago a job was asked for; 0 where it is not there any more."""
    table = workflow_table(engine)
    query = sa.select(table.c.created_at).where(
        table.c.workflow_uuid == job_id, table.c.name == WORKFLOW
    )
    with engine.connect() as connection:
        return _age(connection.execute(query).scalar_one_or_none(), clock)


def _age(created_ms: int | None, clock: Clock) -> float:
    if created_ms is None:
        return 0.0
    return max(clock.now().timestamp() - created_ms / 1000, 0.0)
