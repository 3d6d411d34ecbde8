"""Measures when somebody else goes on with the jobs of a worker that died."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from emojifier_bot.db.engine import open_engine
from emojifier_bot.jobs.system_db import workflow_table

#: States of DBOS in which a job has not ended.
WAITING, RUNNING = ("ENQUEUED", "DELAYED"), "PENDING"
PATIENCE_SECONDS = 5.0
SLOTS = sa.table("worker_slots", sa.column("holder"), sa.column("pid"))


@dataclass
class Takeovers:
    """Who died with which jobs, and how long it took until another had them."""

    url: str
    #: One for each job of the dead, seconds until it was in the queue again, and until
    #: another worker had it; after the death, or after the start of the first worker
    #: that lived on, where none lived all along.
    put_back: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._engine = open_engine(
            self.url, wait_seconds=PATIENCE_SECONDS, connections=1
        )
        self._table = workflow_table(self._engine)
        #: Job and dead executor to the moment of the death.
        self._open: dict[tuple[str, str], float] = {}
        self._queued: set[tuple[str, str]] = set()

    def close(self) -> None:
        self._engine.dispose()

    def holder(self, pid: int) -> str | None:
        """Return the executor that is a process, while it holds a slot."""
        query = sa.select(SLOTS.c.holder).where(SLOTS.c.pid == pid)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def died(self, pid: int) -> None:
        """Begin to watch the jobs of a worker that was killed, or stopped, just now."""
        now, holder = time.monotonic(), self.holder(pid)
        if holder is None:
            return
        own = sa.select(self._table.c.workflow_uuid).where(
            self._table.c.status == RUNNING, self._table.c.executor_id == holder
        )
        with self._engine.connect() as connection:
            for job_id in connection.execute(own).scalars():
                self._open.setdefault((job_id, holder), now)

    def look(self, since: float) -> None:
        """Take note of the jobs that somebody has again.

        Args:
            since: When the oldest of the workers that live was started: before that,
                nobody could see who is dead.
        """
        if not self._open:
            return
        table = self._table
        jobs = {job_id for job_id, _ in self._open}
        query = sa.select(table.c.workflow_uuid, table.c.status, table.c.executor_id)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(table.c.workflow_uuid.in_(jobs)))
            now_at = {row[0]: (row[1], row[2]) for row in rows}
        for case, died_at in list(self._open.items()):
            status, executor = now_at.get(case[0], ("", ""))
            seconds = time.monotonic() - max(died_at, since)
            again = executor != case[1]
            if case not in self._queued and (again or status in WAITING):
                self.put_back.append(seconds)
                self._queued.add(case)
            if again and status not in WAITING:
                self.seconds.append(seconds)
                del self._open[case]

    def unfinished(self) -> int:
        alive = self._table.c.status.in_([*WAITING, RUNNING])
        query = sa.select(sa.func.count()).where(alive)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()
