"""The queue as the web process and operators see it: no executor, only the database."""

from __future__ import annotations

import builtins
import logging
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from dbos import EnqueueOptions, StepInfo, WorkflowStatus
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.circuit_breaker import CircuitBreaker, CircuitOpenError
from emojifier_bot.clock import Clock
from emojifier_bot.db.engine import is_outage, open_engine
from emojifier_bot.domain import EmojifyRequest, Job, JobState, Workspace
from emojifier_bot.errors import ErrorKind, QueueError, QueueFullError
from emojifier_bot.jobs import leases
from emojifier_bot.jobs.admission import AdmissionControl
from emojifier_bot.jobs.queue_listener import announce_job
from emojifier_bot.jobs.queue_stats import QueueStats, QueueStatsReader
from emojifier_bot.jobs.step_runner import DONE, FAILED
from emojifier_bot.jobs.system_db import (
    QUEUE,
    WORKFLOW,
    job_id_for,
    migrate,
    opened_client,
    partition_of,
    workflow_table,
)
from emojifier_bot.jobs.workflow import COMPLETE, PREPARE
from emojifier_bot.jobs.workspace_jobs import WorkspaceJobs

#: How long a listener waits for the database; Slack waits for three seconds.
WAIT_SECONDS = 1.5
#: One for each thread that answers Slack: who waited for a connection and then for a
#: lock would wait twice.
CONNECTIONS = 16

logger = logging.getLogger(__name__)

_STATES = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.SUCCEEDED,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}
_ENDED_BADLY = frozenset({JobState.FAILED, JobState.CANCELLED})
_ALIVE = frozenset({JobState.QUEUED, JobState.RUNNING})


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the libraries raise into a sentence."""
    try:
        yield
    except (CircuitOpenError, SQLAlchemyError, dbos_error.DBOSException) as error:
        raise QueueError(
            "The queue's database does not answer. Try again in a minute."
        ) from error


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
        self._breaker = CircuitBreaker(clock.monotonic)
        with ExitStack() as opened:
            self._engine = open_engine(
                url,
                wait_seconds=WAIT_SECONDS,
                connections=CONNECTIONS,
                hurried=make_tables,
            )
            opened.callback(self._engine.dispose)
            with _explained():
                self._engine.connect().close()
                if make_tables:
                    migrate(url)
                    leases.create_table(self._engine)
            self._client = opened.enter_context(opened_client(self._engine))
            self._opened = opened.pop_all()
        self._table = workflow_table(self._engine)
        self._stats = QueueStatsReader(self._engine, clock)
        self._admission = AdmissionControl(self._engine, queue_limit, clock)

    def close(self) -> None:
        """Give the connections back."""
        self._opened.close()

    def enqueue(self, request: EmojifyRequest, key: str) -> bool:
        """Queue a request durably.

        Args:
            request: What was asked.
            key: Names what was asked; the same key again queues nothing.

        Returns:
            False where the key was known.

        Raises:
            QueueFullError: Too many are waiting.
            QueueError: The database does not answer.
        """
        job_id = job_id_for(key)
        options: EnqueueOptions = {
            "queue_name": QUEUE,
            "workflow_name": WORKFLOW,
            "workflow_id": job_id,
            "workflow_id_reuse_policy": "reject",
            # A partitioned queue has no deduplication of its own: the id does it.
            "queue_partition_key": partition_of(request.workspace),
        }
        with self._hurried():
            if not self._admission.admit(partition_of(request.workspace)):
                return self._refuse(job_id)
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

    def stats(self) -> QueueStats:
        """Return how many jobs wait and how many workers are alive."""
        with _explained():
            return self._stats.read()

    def list(self, state: JobState | None, limit: int) -> builtins.list[Job]:
        """Return jobs, newest first, without their steps."""
        wanted = [name for name, known in _STATES.items() if state in (None, known)]
        with _explained():
            rows = self._client.list_workflows(
                name=WORKFLOW, status=wanted, limit=limit, sort_desc=True
            )
        return [_job(row, ()) for row in rows]

    def show(self, job_id: str) -> Job | None:
        """Return one job with its steps."""
        with _explained():
            row = self._find(job_id)
            steps = self._client.list_workflow_steps(job_id) if row else []
        return None if row is None else _job(row, tuple(map(_summary, steps)))

    def retry(self, job_id: str) -> bool:
        """Run a failed or cancelled job again; False where it is neither.

        Recorded steps are kept; the one that failed is done again. A job that may have
        shown its file asks before it shows it again: the record before that step is
        kept, which marks it as begun.
        """
        with _explained():
            row = self._find(job_id)
            if row is None or _STATES[row.status] not in _ENDED_BADLY:
                return False
            if row.status == "ERROR":
                self._client.rewind_workflow(
                    job_id,
                    start_step=_first_to_repeat(
                        self._client.list_workflow_steps(job_id)
                    ),
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
        with _explained():
            row = self._find(job_id)
            if row is None or _STATES[row.status] not in _ALIVE:
                return False
            self._client.cancel_workflow(job_id)
        return True

    def has_ended(self, key: str) -> bool:
        """Tell whether the job of a key has ended; False where there is none."""
        table = self._table
        status = sa.select(table.c.status).where(
            table.c.workflow_uuid == job_id_for(key)
        )
        with self._hurried(), self._engine.connect() as connection:
            found = connection.execute(status).scalar_one_or_none()
        return found is not None and _STATES[found] not in _ALIVE

    def forget(self, workspace: Workspace, spared: Collection[str] = ()) -> int:
        """Cancel and delete every job of a workspace that is gone; return how many.

        That takes as long as it takes, and connections of its own.

        Args:
            workspace: Or an organisation, for all its workspaces.
            spared: Ids of workspaces whose jobs stay when an organisation's go.
        """
        return WorkspaceJobs(self._url).delete(workspace, spared)

    @contextmanager
    def _hurried(self) -> Iterator[None]:
        """Refuse at once while the database is down, else every listener would wait.

        Raises:
            QueueError: The database does not answer, or did not a moment ago.
        """
        with _explained(), self._breaker.guard(is_outage):
            yield

    def _find(self, job_id: str) -> WorkflowStatus | None:
        rows = self._client.list_workflows(workflow_ids=[job_id], name=WORKFLOW)
        return rows[0] if rows else None

    def _refuse(self, job_id: str) -> bool:
        known = sa.select(self._table.c.workflow_uuid).where(
            self._table.c.workflow_uuid == job_id
        )
        with self._engine.connect() as connection:
            if connection.execute(known).first() is not None:
                return False
        raise QueueFullError(
            f"{self._limit} jobs are waiting already. Try again in a few minutes."
        )


def _first_to_repeat(steps: list[StepInfo]) -> int:
    """Return the number of the step that a failed job begins with again."""
    for name in (COMPLETE, PREPARE):
        numbers = [one["function_id"] for one in steps if one["function_name"] == name]
        if numbers:
            return min(numbers)
    return 1


def _job(row: WorkflowStatus, steps: tuple[str, ...]) -> Job:
    return Job(
        job_id=row.workflow_id,
        state=_STATES[row.status],
        request=_request(row),
        created_at=_moment(row.created_at),
        updated_at=_moment(row.updated_at),
        version=row.app_version or "",
        outcome=_outcome(row),
        steps=steps,
    )


def _request(row: WorkflowStatus) -> EmojifyRequest:
    assert row.input is not None  # noqa: S101 - every job was queued with one
    return EmojifyRequest.from_dict(row.input["args"][0])


def _outcome(row: WorkflowStatus) -> str:
    if row.status == "SUCCESS":
        output: dict[str, str] = row.output or {}
        return output.get("outcome", "")
    if row.status == "ERROR":
        return str(row.error)
    return ErrorKind.UNEXPECTED if _STATES[row.status] is JobState.FAILED else ""


def _moment(milliseconds: int | None) -> datetime:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)


def _summary(step: StepInfo) -> str:
    """Return a step's name and how it went: ``"complete: failed, ratelimited"``."""
    name, output = step["function_name"], step["output"]
    if not isinstance(output, dict):
        return name
    if FAILED in output:
        return f"{name}: failed, {output[FAILED]['kind']}"
    if DONE not in output:
        return f"{name}: unsure"
    return f"{name}: {_result(output[DONE])}"


def _result(value: Any) -> str:
    if isinstance(value, dict):
        shown = value.get("state") or value.get("file_id")
        return str(shown) if shown else "done"
    return f"{len(value)} found" if isinstance(value, list) else "done"
