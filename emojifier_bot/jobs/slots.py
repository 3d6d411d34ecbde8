"""Worker slots: who runs jobs, who still lives, and whose jobs are taken over.

Every worker holds a slot, a row whose counter it raises again and again: its heartbeat.
A worker is taken for dead when its counter stood still for a whole lease, as seen
without a gap by another worker's own clock. So jumps and differences of the machines'
clocks do not matter. Whoever sees it removes the row if the counter still stands there,
and jobs of executors that hold no slot go back to the queue, each by compare-and-set on
its row. An executor's id is never used twice, so none can take the jobs of a successor.

A worker that was paused past its lease finds its row gone: it must stop at once.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from emojifier_bot.clock import Clock
from emojifier_bot.jobs.database import workflow_table
from emojifier_bot.jobs.names import QUEUE, WORKFLOW, WORKFLOW_VERSION

#: A worker that shows no sign of life for this long is dead, seconds.
LEASE_SECONDS = 20.0
#: How often it shows one.
BEAT_SECONDS = 4.0
#: Another worker must have looked at least this often, in beats, to declare it dead.
_MAX_GAP_BEATS = 2.5
#: What is left of a lease when the worker no longer relies on it, in beats.
_MARGIN_BEATS = 0.5
_ID_BYTES = 4
#: Of an executor's id, the version of the workflow that it runs.
_VERSION = re.compile(r"-v([^-]+)-[0-9a-f]+$")

logger = logging.getLogger(__name__)

_METADATA = sa.MetaData()
_SLOTS = sa.Table(
    "worker_slots",
    _METADATA,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    #: The executor's id.
    sa.Column("holder", sa.String(64), nullable=False, unique=True),
    sa.Column("beat", sa.BigInteger, nullable=False),
    #: For operators.
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
)


class LeaseLostError(BaseException):
    """This worker was taken for dead; it must touch neither Slack nor its jobs.

    Not an `Exception`: no step may record it as its result.
    """


class Fence(Protocol):
    """Stands between a worker and what only the holder of a slot may do."""

    def check(self) -> None:
        """Make sure that the lease has not run out.

        Raises:
            LeaseLostError: Another worker may have our jobs.
        """
        ...

    def confirm(self) -> None:
        """Make sure of it in the database itself, before what cannot be undone.

        Raises:
            LeaseLostError: Another worker has our jobs.
        """
        ...


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How fast a dead worker is found out."""

    lease_seconds: float = LEASE_SECONDS
    beat_seconds: float = BEAT_SECONDS


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One worker as the others see it."""

    slot: int
    holder: str
    beat: int


def create_table(engine: sa.Engine) -> None:
    """Create our table where it is missing; safe in several processes at once."""
    try:
        _METADATA.create_all(engine)
    except sa.exc.DBAPIError:
        # Another process was faster between the look and the creation.
        if not sa.inspect(engine).has_table(_SLOTS.name):
            raise


def slot_rows(engine: sa.Engine) -> list[SlotRow]:
    """Return every slot that is held, with the heartbeat of its holder."""
    query = sa.select(_SLOTS.c.slot, _SLOTS.c.holder, _SLOTS.c.beat)
    with engine.connect() as connection:
        return [SlotRow(*row) for row in connection.execute(query)]


def living_versions(connection: sa.Connection) -> frozenset[str]:
    """Return the versions of the workflow that workers run just now."""
    names = connection.execute(sa.select(_SLOTS.c.holder)).scalars()
    return frozenset(map(version_of, names)) - {""}


def version_of(holder: str) -> str:
    """Return the version that an executor runs, by its id; empty for anybody else."""
    found = _VERSION.search(holder)
    return "" if found is None else found[1]


class Lease:
    """One worker's hold on its slot; a `Fence`."""

    def __init__(
        self, engine: sa.Engine, clock: Clock, times: LeaseTimes, slot: int, holder: str
    ) -> None:
        """Use `claim` instead."""
        self.slot = slot
        #: The executor's id.
        self.holder = holder
        self._engine = engine
        self._clock = clock
        margin_seconds = times.beat_seconds * _MARGIN_BEATS
        self._sound_seconds = times.lease_seconds - margin_seconds
        self._renewed_at = clock.monotonic()

    def check(self) -> None:
        """Make sure that the lease has not run out, without the database if possible.

        Raises:
            LeaseLostError: Another worker may have our jobs.
        """
        if self._clock.monotonic() - self._renewed_at > self._sound_seconds:
            self.confirm()

    def confirm(self) -> None:
        """Renew the lease.

        Raises:
            LeaseLostError: Another worker has our jobs.
        """
        # Nobody can see a heartbeat before it is written: the lease counts from here.
        began = self._clock.monotonic()
        renew = (
            sa.update(_SLOTS)
            .where(_SLOTS.c.slot == self.slot, _SLOTS.c.holder == self.holder)
            .values(beat=_SLOTS.c.beat + 1)
        )
        with self._engine.begin() as connection:
            if connection.execute(renew).rowcount != 1:
                raise LeaseLostError(self.holder)
        self._renewed_at = began

    def release(self) -> None:
        """Give the slot back; its jobs, if any are left, go back to the queue."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(_SLOTS).where(
                    _SLOTS.c.slot == self.slot, _SLOTS.c.holder == self.holder
                )
            )


def claim(
    engine: sa.Engine,
    clock: Clock,
    times: LeaseTimes,
    version: str = WORKFLOW_VERSION,
) -> Lease:
    """Take the lowest free slot for a worker that runs a version of the workflow."""
    while True:
        with engine.connect() as connection:
            taken = set(connection.execute(sa.select(_SLOTS.c.slot)).scalars())
        slot = min(set(range(len(taken) + 1)) - taken)
        holder = f"worker-{slot}-v{version}-{secrets.token_hex(_ID_BYTES)}"
        lease = Lease(engine, clock, times, slot, holder)
        row = {
            "slot": slot,
            "holder": holder,
            "beat": 0,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(_SLOTS).values(row))
        except IntegrityError:
            continue  # another worker was faster
        return lease


class Watch:
    """Remembers how long each worker's heartbeat has stood still. Pure."""

    def __init__(self, times: LeaseTimes) -> None:
        """Begin with nothing seen."""
        self._times = times
        self._since: dict[SlotRow, float] = {}
        self._looked_at = float("-inf")

    def look(self, rows: Collection[SlotRow], now_seconds: float) -> list[SlotRow]:
        """Take in what is there now; return the rows of dead workers.

        After a gap, as when the database was away or this worker stood still itself,
        all begin anew: the others may just not have been able to write.
        """
        gap_seconds = now_seconds - self._looked_at
        if gap_seconds > self._times.beat_seconds * _MAX_GAP_BEATS:
            self._since = {}
        self._looked_at = now_seconds
        self._since = {row: self._since.get(row, now_seconds) for row in rows}
        return [
            row
            for row, since in self._since.items()
            if now_seconds - since >= self._times.lease_seconds
        ]


class Reaper:
    """Removes dead workers and puts the jobs of nobody back into the queue."""

    def __init__(
        self, engine: sa.Engine, clock: Clock, times: LeaseTimes, holder: str
    ) -> None:
        """Watch on behalf of a worker."""
        self._engine = engine
        self._clock = clock
        self._holder = holder
        self._watch = Watch(times)
        self._workflows = workflow_table(engine)
        #: Jobs that are ours by their row, but that do not run here: id to owner token.
        self._strays: dict[str, str | None] = {}

    def sweep(self, running: Collection[str]) -> int:
        """Look once at workers and jobs; return how many jobs were put back.

        Args:
            running: Ids of the jobs that run in this worker.
        """
        self._bury()
        orphans = self._rows(self._orphaned())
        own = self._rows(self._workflows.c.executor_id == self._holder)
        strays = {job_id: owner for job_id, _, owner in own if job_id not in running}
        # Just taken from the queue, a job does not run yet: only what was seen twice.
        lost = [row for row in own if self._is_twice(row, strays)]
        self._strays = strays
        return sum(self._put_back(*row) for row in [*orphans, *lost])

    def _bury(self) -> None:
        rows = slot_rows(self._engine)
        for dead in self._watch.look(rows, self._clock.monotonic()):
            if dead.holder == self._holder:
                continue  # one's own heart is for `Lease` to judge
            same = (
                _SLOTS.c.slot == dead.slot,
                _SLOTS.c.holder == dead.holder,
                _SLOTS.c.beat == dead.beat,
            )
            with self._engine.begin() as connection:
                buried = connection.execute(sa.delete(_SLOTS).where(*same)).rowcount
            if buried:
                logger.warning(
                    "worker is dead",
                    extra={"action": "worker_dead", "worker": dead.holder},
                )

    def _is_twice(
        self, row: tuple[str, str, str | None], strays: dict[str, str | None]
    ) -> bool:
        job_id, _, owner = row
        return job_id in strays and self._strays.get(job_id, "-") == owner

    def _orphaned(self) -> sa.ColumnElement[bool]:
        holders = sa.select(_SLOTS.c.holder)
        return self._workflows.c.executor_id.not_in(holders)

    def _rows(
        self, condition: sa.ColumnElement[bool]
    ) -> list[tuple[str, str, str | None]]:
        table = self._workflows
        query = sa.select(
            table.c.workflow_uuid, table.c.executor_id, table.c.owner_xid
        ).where(table.c.status == "PENDING", table.c.name == WORKFLOW, condition)
        with self._engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def _put_back(self, job_id: str, executor: str, owner: str | None) -> bool:
        """Queue a job again unless its row has changed since it was read."""
        table = self._workflows
        queued = (
            sa.update(table)
            .where(
                table.c.workflow_uuid == job_id,
                table.c.status == "PENDING",
                table.c.executor_id == executor,
                table.c.owner_xid.is_not_distinct_from(owner),
            )
            .values(
                status="ENQUEUED",
                owner_xid=None,
                started_at_epoch_ms=None,
                updated_at=int(self._clock.now().timestamp() * 1000),
                queue_name=sa.func.coalesce(table.c.queue_name, QUEUE),
            )
        )
        with self._engine.begin() as connection:
            done = connection.execute(queued).rowcount == 1
        if done:
            facts = {"action": "job_put_back", "job_id": job_id, "worker": executor}
            logger.warning("job goes back to the queue", extra=facts)
        return done
