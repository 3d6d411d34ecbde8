"""The queue as the web process and operators see it: no executor, only the database."""

from __future__ import annotations

import builtins
import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from dbos import EnqueueOptions, StepInfo, WorkflowStatus
from dbos import error as dbos_error

from emojifier_bot.circuit_breaker import CircuitBreaker
from emojifier_bot.clock import Clock
from emojifier_bot.db.engine import is_outage, open_engine
from emojifier_bot.domain import EmojifyRequest, Job, JobState, Workspace
from emojifier_bot.errors import QueueFullError
from emojifier_bot.jobs import leases
from emojifier_bot.jobs.leases import LEASE_SECONDS, Heartbeat, read_heartbeats
from emojifier_bot.jobs.records import STATES, delete_jobs, job_of
from emojifier_bot.jobs.step_runner import FETCH
from emojifier_bot.jobs.system_db import (
    QUEUE,
    WORKFLOW,
    announce_job,
    explained_errors,
    job_id_for,
    migrate,
    opened_client,
    partition_of,
    workflow_table,
)

#: How long a listener waits for the database; Slack waits for three seconds.
WAIT_SECONDS = 1.5
#: One for each thread that answers Slack: who waited for a connection and then for a
#: lock would wait twice.
CONNECTIONS = 16
#: How long a count of waiting jobs is relied on.
COUNT_SECONDS = 1.0
#: How long a listener waits while another one counts.
LOCK_SECONDS = 0.5
#: Of the limit, what one workspace may have waiting and still be admitted to a full
#: queue: a tenth. So a flood fills the queue for its workspace alone.
SMALL_PART = 10
#: Above the limit, what is reserved for such workspaces: a quarter of it.
RESERVED_PART = 4

logger = logging.getLogger(__name__)

_ENDED_BADLY = frozenset({JobState.FAILED, JobState.CANCELLED})
_ALIVE = frozenset({JobState.QUEUED, JobState.RUNNING})


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


class DbosJobQueue:
    """A `JobQueue` on DBOS's tables, and what operators see and do there.

    Every method raises `QueueError` where the database does not answer.
    """

    def __init__(
        self, url: str, queue_limit: int, clock: Clock, *, make_tables: bool = True
    ) -> None:
        """Open the database.

        Args:
            url: The database.
            queue_limit: Waiting jobs from which on new ones are refused.
            clock: Of this machine.
            make_tables: Whether to bring its tables up to date; who only looks does
                not, and may wait.

        Raises:
            QueueError: It does not answer.
        """
        self._url = url
        self._limit = queue_limit
        self._clock = clock
        self._breaker = CircuitBreaker(clock.monotonic)
        with ExitStack() as opened:
            self._engine = open_engine(
                url,
                wait_seconds=WAIT_SECONDS,
                connections=CONNECTIONS,
                hurried=make_tables,
            )
            opened.callback(self._engine.dispose)
            with explained_errors():
                self._engine.connect().close()
                if make_tables:
                    migrate(url)
                    leases.create_table(self._engine)
            self._client = opened.enter_context(opened_client(self._engine))
            self._opened = opened.pop_all()
        self._table = workflow_table(self._engine)
        self._admission = AdmissionControl(self._engine, queue_limit, clock)
        self._lock = threading.Lock()
        #: Since when each worker's heartbeat has stood still.
        self._since: dict[Heartbeat, float] = {}

    def close(self) -> None:
        """Give the connections back."""
        self._opened.close()

    def enqueue(self, request: EmojifyRequest, key: str) -> bool:
        """Queue a request durably, see `JobQueue`; False where the key was known."""
        job_id, partition = job_id_for(key), partition_of(request.workspace)
        options: EnqueueOptions = {
            "queue_name": QUEUE,
            "workflow_name": WORKFLOW,
            "workflow_id": job_id,
            "workflow_id_reuse_policy": "reject",
            # A partitioned queue has no deduplication of its own: the id does it.
            "queue_partition_key": partition,
        }
        with self._hurried(is_write=True):
            if not self._admission.admit(partition):
                if self._status(job_id) is not None:
                    return False
                raise QueueFullError(
                    f"{self._limit} jobs are waiting already. Try again in a few "
                    "minutes."
                )
            # In a transaction of ours: the client's own would wait for a lock forever.
            try:
                with self._engine.begin() as connection:
                    self._client.enqueue_in_transaction(
                        connection, options, request.to_dict()
                    )
                    announce_job(connection)
            except dbos_error.DBOSWorkflowIDInUseError:
                return False
        facts = {"job_id": job_id, "workspace": request.workspace.id, "key": key}
        logger.info("job queued", extra=facts | {"action": "queue"})
        return True

    def has_ended(self, key: str) -> bool:
        """Tell whether the job of a key has ended; False where there is none."""
        with self._hurried():
            status = self._status(job_id_for(key))
        return status is not None and STATES[status] not in _ALIVE

    def forget(self, workspace: Workspace, spared: Collection[str] = ()) -> int:
        """Cancel and delete every job of a workspace that is gone, see `JobQueue`.

        That takes as long as it takes, and connections of its own.
        """
        return delete_jobs(self._url, workspace, spared)

    def stats(self) -> QueueStats:
        """Return how many jobs wait and how many workers are alive."""
        table = self._table
        counts = sa.select(
            table.c.status, sa.func.count(), sa.func.min(table.c.created_at)
        ).where(
            table.c.queue_name == QUEUE, table.c.status.in_(("ENQUEUED", "PENDING"))
        )
        with explained_errors(), self._engine.connect() as connection:
            rows = connection.execute(counts.group_by(table.c.status)).all()
            heartbeats = read_heartbeats(connection)
            orphaned = leases.count_orphaned_jobs(connection, table)
        found = {status: (count, oldest_ms) for status, count, oldest_ms in rows}
        now_ms = self._clock.now().timestamp() * 1000
        waiting, oldest_ms = found.get("ENQUEUED", (0, now_ms))
        running, _ = found.get("PENDING", (0, now_ms))
        return QueueStats(
            waiting=waiting,
            running=running,
            oldest_seconds=max(now_ms - oldest_ms, 0.0) / 1000,
            workers=self._count_alive(heartbeats),
            orphaned=orphaned,
        )

    def list(self, state: JobState | None, limit: int) -> builtins.list[Job]:
        """Return jobs, newest first, without their steps."""
        wanted = [name for name, known in STATES.items() if state in (None, known)]
        with explained_errors():
            rows = self._client.list_workflows(
                name=WORKFLOW, status=wanted, limit=limit, sort_desc=True
            )
        return [job_of(row, []) for row in rows]

    def show(self, job_id: str) -> Job | None:
        """Return one job with its steps."""
        with explained_errors():
            row = self._find(job_id)
            steps = self._client.list_workflow_steps(job_id) if row else []
        return None if row is None else job_of(row, steps)

    def retry(self, job_id: str) -> bool:
        """Run a failed or cancelled job again; False where it is neither.

        Its pictures are gone through again. One that may have been shown has a post:
        then the job asks for that before it shows the file again.
        """
        with explained_errors():
            row = self._find(job_id)
            if row is None or STATES[row.status] not in _ENDED_BADLY:
                return False
            if row.status == "ERROR":
                steps = self._client.list_workflow_steps(job_id)
                self._client.rewind_workflow(
                    job_id,
                    start_step=_first_to_repeat(steps),
                    # Its record means nothing to another version.
                    application_version=row.app_version,
                    queue_name=QUEUE,
                    queue_partition_key=row.queue_partition_key,
                )
            else:
                self._client.resume_workflow(job_id, queue_name=QUEUE)
            with self._engine.begin() as connection:
                announce_job(connection)
        return True

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that has not ended; False where it has."""
        with explained_errors():
            row = self._find(job_id)
            if row is None or STATES[row.status] not in _ALIVE:
                return False
            self._client.cancel_workflow(job_id)
        return True

    @contextmanager
    def _hurried(self, *, is_write: bool = False) -> Iterator[None]:
        """Refuse at once while the database is down, else every listener would wait."""
        guard = self._breaker.guard(is_outage, is_write=is_write)
        with explained_errors(), guard:
            yield

    def _status(self, job_id: str) -> str | None:
        table = self._table
        status = sa.select(table.c.status).where(table.c.workflow_uuid == job_id)
        with self._engine.connect() as connection:
            return connection.execute(status).scalar_one_or_none()

    def _find(self, job_id: str) -> WorkflowStatus | None:
        rows = self._client.list_workflows(workflow_ids=[job_id], name=WORKFLOW)
        return rows[0] if rows else None

    def _count_alive(self, heartbeats: builtins.list[Heartbeat]) -> int:
        """Count the workers whose heartbeat did not stand still for a whole lease.

        The row of a dead one stays until another worker removes it, and nobody does
        where it was the last.
        """
        now_seconds = self._clock.monotonic()
        with self._lock:
            self._since = {one: self._since.get(one, now_seconds) for one in heartbeats}
            ages = [now_seconds - since for since in self._since.values()]
        return sum(age < LEASE_SECONDS for age in ages)


def _first_to_repeat(steps: list[StepInfo]) -> int:
    """Return the number of the step that a failed job begins with again.

    Any of several pictures may have failed: all are gone through, and those that are
    posted are known by their posts.
    """
    fetches = [one["function_id"] for one in steps if one["function_name"] == FETCH]
    return min(fetches, default=1)


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
        own = self._table.c.queue_partition_key == partition
        if self._counted >= self._most or self._count(self._small, own) >= self._small:
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
