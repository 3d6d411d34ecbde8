"""Leases of workers: who runs jobs, who is alive, and whose jobs are taken over.

Every worker holds a slot, a row whose counter it raises again and again: its heartbeat.
A worker's lease has expired when its counter stood still for a whole lease, as seen
without a gap by another worker's own clock. So jumps and differences of the machines'
clocks do not matter. Whoever sees it removes the row if the counter still stands there,
and jobs of executors that hold no slot go back to the queue, each by compare-and-set on
its row. An executor's id is never used twice, so none can take the jobs of a successor.

A worker that was paused past its lease finds its row gone: it must stop at once.

Old and new workers run side by side. A job bears the version of the workflow that began
it, and only workers of that version go on with it: its recorded steps mean nothing to
others. What nobody has begun bears none, and goes to workers of the newest version: the
older ones run empty. What is left to do is `roll_over`'s.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa
from dbos import DBOS, DBOSPortableJSONSerializer
from sqlalchemy.exc import IntegrityError

from emojifier_bot.clock import Clock
from emojifier_bot.jobs.step_runner import DONE, FETCH, GIVEN_BACK
from emojifier_bot.jobs.system_db import (
    QUEUE,
    WORKFLOW,
    WORKFLOW_VERSION,
    announce_job,
    step_table,
    workflow_table,
)

#: A worker that shows no sign of life for this long is taken for dead, seconds.
LEASE_SECONDS = 20.0
#: How often it shows one.
HEARTBEAT_SECONDS = 4.0
#: Another worker must have looked at least this often, in heartbeats, to declare a
#: lease expired.
_MAX_GAP_HEARTBEATS = 2.5
#: What is left of a lease when the worker no longer relies on it, in heartbeats.
_MARGIN_HEARTBEATS = 0.5
_ID_BYTES = 4
#: In an executor's id, the version of the workflow that it runs.
_VERSION = re.compile(r"-v([^-]+)-[0-9a-f]+$")

logger = logging.getLogger(__name__)

_METADATA = sa.MetaData()
_SLOTS = sa.Table(
    "worker_slots",
    _METADATA,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    #: The executor's id.
    sa.Column("holder", sa.String(64), nullable=False, unique=True),
    sa.Column("beat", sa.BigInteger, key="heartbeat", nullable=False),
    #: For operators.
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
)


class LeaseLostError(BaseException):
    """This worker was taken for dead; it must touch neither Slack nor its jobs.

    Not an `Exception`: no step may record it as its result.
    """


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How fast a dead worker is found out."""

    lease_seconds: float = LEASE_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One worker's row as the others see it."""

    slot: int
    holder: str
    count: int


def create_table(engine: sa.Engine) -> None:
    """Create our table where it is missing; safe in several processes at once."""
    try:
        _METADATA.create_all(engine)
    except sa.exc.DBAPIError:
        # Another process was faster between the look and the creation.
        if not has_table(engine):
            raise


def has_table(engine: sa.Engine) -> bool:
    """Tell whether our table is there; it is the last one of a queue that is made."""
    return sa.inspect(engine).has_table(_SLOTS.name)


def read_heartbeats(connection: sa.Connection) -> list[Heartbeat]:
    """Return the heartbeat of every worker that holds a slot."""
    query = sa.select(_SLOTS.c.slot, _SLOTS.c.holder, _SLOTS.c.heartbeat)
    return [Heartbeat(*row) for row in connection.execute(query)]


class Lease:
    """One worker's hold on its slot.

    It fences the worker's jobs off from what only the holder may do.
    """

    def __init__(
        self,
        engine: sa.Engine,
        clock: Clock,
        times: LeaseTimes,
        slot: int,
        holder: str,
        *,
        on_lost: Callable[[], None],
    ) -> None:
        """Use `claim` instead."""
        self.slot = slot
        #: The executor's id.
        self.holder = holder
        self._engine = engine
        self._clock = clock
        self._on_lost = on_lost
        margin_seconds = times.heartbeat_seconds * _MARGIN_HEARTBEATS
        self._valid_seconds = times.lease_seconds - margin_seconds
        self._renewed_at = clock.monotonic()
        self._is_ours = (_SLOTS.c.slot == slot) & (_SLOTS.c.holder == holder)

    def check(self) -> None:
        """Make sure that the lease is valid, without the database if possible.

        Raises:
            LeaseLostError: Another worker may have our jobs.
        """
        if self._clock.monotonic() - self._renewed_at > self._valid_seconds:
            self.confirm()

    def confirm(self) -> None:
        """Renew the lease in the database, before what cannot be undone.

        Raises:
            LeaseLostError: Another worker has our jobs.
        """
        # Nobody can see a heartbeat before it is written: the lease counts from here.
        began = self._clock.monotonic()
        next_heartbeat = {"heartbeat": _SLOTS.c.heartbeat + 1}
        renew = sa.update(_SLOTS).where(self._is_ours).values(next_heartbeat)
        with self._engine.begin() as connection:
            renewed = connection.execute(renew)
        if not renewed.rowcount:
            self._on_lost()
            raise LeaseLostError(self.holder)
        self._renewed_at = began

    def release(self) -> None:
        """Give the slot back; its jobs, if any are left, go back to the queue."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SLOTS).where(self._is_ours))


def claim(
    engine: sa.Engine,
    clock: Clock,
    times: LeaseTimes,
    version: str = WORKFLOW_VERSION,
    on_lost: Callable[[], None] = lambda: None,
) -> Lease:
    """Take the lowest free slot for a worker that runs a version of the workflow.

    Args:
        engine: The database.
        clock: Of this machine.
        times: How fast a dead worker is found out.
        version: That the worker runs.
        on_lost: Called when others took the worker for dead, before the error.
    """
    while True:
        with engine.connect() as connection:
            taken = {one.slot for one in read_heartbeats(connection)}
        slot = min(set(range(len(taken) + 1)) - taken)
        holder = f"worker-{slot}-v{version}-{secrets.token_hex(_ID_BYTES)}"
        row = {"slot": slot, "holder": holder, "heartbeat": 0}
        row |= {"host": socket.gethostname(), "pid": os.getpid()}
        lease = Lease(engine, clock, times, slot, holder, on_lost=on_lost)
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(_SLOTS).values(row))
        except IntegrityError:
            continue  # another worker was faster
        return lease


class HeartbeatMonitor:
    """Remembers how long each worker's heartbeat has stood still. Pure."""

    def __init__(self, times: LeaseTimes) -> None:
        self._times = times
        self._since: dict[Heartbeat, float] = {}
        self._seen_at = float("-inf")

    def expired(
        self, heartbeats: Collection[Heartbeat], now_seconds: float
    ) -> list[Heartbeat]:
        """Take in what is there now; return those of dead workers.

        After a gap, as when the database was away or this worker stood still itself,
        all begin anew: the others may just not have been able to write.
        """
        gap_seconds = now_seconds - self._seen_at
        if gap_seconds > self._times.heartbeat_seconds * _MAX_GAP_HEARTBEATS:
            self._since = {}
        self._seen_at = now_seconds
        self._since = {one: self._since.get(one, now_seconds) for one in heartbeats}
        return [
            one
            for one, since in self._since.items()
            if now_seconds - since >= self._times.lease_seconds
        ]


@dataclass(frozen=True, slots=True)
class _PendingJob:
    """A job that an executor has taken, by its row."""

    job_id: str
    executor: str
    #: Differs each time that the job is taken.
    owner: str | None


class JobReclaimer:
    """Expires dead workers and puts jobs that nobody runs back into the queue."""

    def __init__(
        self, engine: sa.Engine, clock: Clock, times: LeaseTimes, holder: str
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._holder = holder
        self._monitor = HeartbeatMonitor(times)
        self._workflows = workflow_table(engine)
        #: Jobs that are ours by their row, but that do not run here.
        self._strays: set[_PendingJob] = set()

    def reclaim(self, running: Collection[str]) -> int:
        """Look once at workers and jobs; return how many jobs were put back.

        Args:
            running: Ids of the jobs that run in this worker.
        """
        heartbeats, pending = self._read()
        if self._expire_dead_workers(heartbeats):
            heartbeats, pending = self._read()
        # Once the lease is released, its jobs are nobody's.
        held = {one.holder for one in heartbeats} & {self._holder}
        own = {one for one in pending if one.executor in held}
        strays = {one for one in own if one.job_id not in running}
        # Just taken from the queue, a job does not run yet: only what was seen twice.
        lost = strays & self._strays
        self._strays = strays
        return sum(self._put_back(one) for one in (pending - own) | lost)

    def _read(self) -> tuple[list[Heartbeat], set[_PendingJob]]:
        """Return all heartbeats, and the jobs of nobody and of this worker."""
        table = self._workflows
        others = sa.select(_SLOTS.c.holder).where(_SLOTS.c.holder != self._holder)
        query = sa.select(
            table.c.workflow_uuid, table.c.executor_id, table.c.owner_xid
        ).where(
            table.c.status == "PENDING",
            table.c.name == WORKFLOW,
            table.c.executor_id.not_in(others),
        )
        with self._engine.connect() as connection:
            pending = {_PendingJob(*row) for row in connection.execute(query)}
            return read_heartbeats(connection), pending

    def _expire_dead_workers(self, heartbeats: Collection[Heartbeat]) -> int:
        """Remove the rows of dead workers; return how many."""
        count = 0
        for dead in self._monitor.expired(heartbeats, self._clock.monotonic()):
            if dead.holder == self._holder:
                continue  # one's own lease is for `Lease` to judge
            unchanged = (
                _SLOTS.c.slot == dead.slot,
                _SLOTS.c.holder == dead.holder,
                _SLOTS.c.heartbeat == dead.count,
            )
            with self._engine.begin() as connection:
                expired = connection.execute(sa.delete(_SLOTS).where(*unchanged))
            if expired.rowcount:
                count += 1
                facts = {"action": "worker_dead", "worker": dead.holder}
                logger.warning("worker is dead", extra=facts)
        return count

    def _put_back(self, job: _PendingJob) -> bool:
        """Queue a job again unless its row has changed since it was read."""
        table = self._workflows
        queued = (
            sa.update(table)
            .where(
                table.c.workflow_uuid == job.job_id,
                table.c.status == "PENDING",
                table.c.executor_id == job.executor,
                table.c.owner_xid.is_not_distinct_from(job.owner),
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
            if done and job.executor == self._holder:
                self._give_back(connection, job.job_id)
            announce_job(connection)
        if done:
            facts = {"job_id": job.job_id, "worker": job.executor}
            facts["action"] = "job_put_back"
            logger.warning("job goes back to the queue", extra=facts)
        return done

    def _give_back(self, connection: sa.Connection, job_id: str) -> None:
        """Note, if a picture of the job was in hand, that this worker outlived it."""
        steps = step_table(self._engine)
        own = steps.c.workflow_uuid == job_id
        latest = sa.select(sa.func.max(steps.c.function_id)).where(own)
        serialized = DBOSPortableJSONSerializer().serialize
        connection.execute(
            sa.update(steps)
            .where(
                own,
                steps.c.function_id == latest.scalar_subquery(),
                steps.c.function_name == FETCH,
                steps.c.output == serialized({DONE: None}),
            )
            .values(output=serialized({DONE: None, GIVEN_BACK: True}))
        )


def count_orphaned_jobs(connection: sa.Connection, table: sa.TableClause) -> int:
    """Return how many begun jobs wait although no worker of their version is alive."""
    begun = table.c.status.in_(("ENQUEUED", "PENDING"))
    orphaned = _is_orphaned(table, _live_versions(connection))
    query = sa.select(sa.func.count()).select_from(table).where(begun, orphaned)
    return connection.execute(query).scalar_one()


def roll_over(engine: sa.Engine, version: str) -> None:
    """Let jobs go on where versions came and went, on behalf of a worker of one.

    - Where no worker of the newest version is alive, as after a rollback, this one
      takes its place; else nobody would begin a job.
    - Where no worker of a begun job's version is alive, the job is orphaned: its record
      is dropped, and it begins anew in another version. It posts nothing twice: the log
      of posts has the file that it may have shown, and `JobSteps.prepare` goes on with
      that.
    """
    table = workflow_table(engine)
    query = sa.select(table.c.workflow_uuid, table.c.application_version)
    with engine.connect() as connection:
        alive = _live_versions(connection)
        orphaned = _is_orphaned(table, alive) & (table.c.status == "ENQUEUED")
        rows = connection.execute(query.where(orphaned)).all()
    newest = DBOS.get_latest_application_version()["version_name"]
    if newest not in alive:
        DBOS.set_latest_application_version(version)
        facts = {"action": "version_leads", "version": version, "instead_of": newest}
        logger.warning("version begins jobs", extra=facts)
    for job_id, its_version in rows:
        _drop_record(engine, job_id, its_version)


def _live_versions(connection: sa.Connection) -> set[str]:
    holders = connection.execute(sa.select(_SLOTS.c.holder)).scalars()
    return {found[1] for found in map(_VERSION.search, holders) if found}


def _is_orphaned(table: sa.TableClause, alive: set[str]) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.name == WORKFLOW,
        table.c.application_version.is_not(None),
        table.c.application_version.not_in(alive),
    )


def _drop_record(engine: sa.Engine, job_id: str, version: str) -> None:
    """Forget what a job did, unless somebody has taken it up in between."""
    table, steps = workflow_table(engine), step_table(engine)
    unclaimed = (
        table.c.workflow_uuid == job_id,
        table.c.status == "ENQUEUED",
        table.c.application_version == version,
    )
    update = sa.update(table).where(*unclaimed).values(application_version=None)
    with engine.begin() as connection:
        if connection.execute(update).rowcount != 1:
            return
        own = steps.c.workflow_uuid == job_id
        connection.execute(sa.delete(steps).where(own))
        announce_job(connection)
    facts = {"action": "job_begins_anew", "job_id": job_id, "version": version}
    logger.warning("job begins anew: no worker has its version", extra=facts)
