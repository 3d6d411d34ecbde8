"""How the queue stands: what waits and who works, for figures and health checks."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.jobs.database import workflow_table
from emojifier_bot.jobs.names import QUEUE, WORKFLOW
from emojifier_bot.jobs.slots import LEASE_SECONDS, SlotRow, slot_rows
from emojifier_bot.jobs.versions import stranded


@dataclass(frozen=True, slots=True)
class Standing:
    """How the queue stands at one moment."""

    #: Jobs that wait for a worker, and those that workers have.
    waiting: int
    running: int
    #: Age of the job that has waited longest.
    oldest_seconds: float
    #: Workers that show signs of life.
    workers: int
    #: Jobs that were begun in a version of the workflow that no worker runs.
    stranded: int


class Lookout:
    """Looks how the queue stands; safe from any thread."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        """Look at a database, beginning with nothing seen."""
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[SlotRow, float] = {}

    def look(self) -> Standing:
        """Look once."""
        waiting, oldest_ms = self._count("ENQUEUED")
        running, _ = self._count("PENDING")
        return Standing(
            waiting=waiting,
            running=running,
            oldest_seconds=_age(oldest_ms, self._clock),
            workers=self._workers(),
            stranded=stranded(self._engine),
        )

    def _count(self, status: str) -> tuple[int, int | None]:
        table = workflow_table(self._engine)
        query = sa.select(sa.func.count(), sa.func.min(table.c.created_at)).where(
            table.c.queue_name == QUEUE, table.c.status == status
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one()
        return row[0], row[1]

    def _workers(self) -> int:
        """Count the workers whose heartbeat did not stand still for a whole lease.

        The row of a dead one stays until another worker removes it, and nobody does
        where it was the last.
        """
        rows = slot_rows(self._engine)
        now_seconds = self._clock.monotonic()
        with self._lock:
            self._since = {row: self._since.get(row, now_seconds) for row in rows}
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
