"""The queue as the web process and operators see it: no executor, only the database."""

from __future__ import annotations

import builtins
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from dbos import (
    DBOSClient,
    DBOSPortableJSONSerializer,
    EnqueueOptions,
    StepInfo,
    WorkflowStatus,
)
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.circuit_breaker import CircuitBreaker, CircuitOpenError
from emojifier_bot.clock import Clock
from emojifier_bot.domain import EmojifyRequest, Job, JobState, Workspace
from emojifier_bot.errors import ErrorKind, QueueError, QueueFullError
from emojifier_bot.jobs import slots
from emojifier_bot.jobs.database import migrate, open_engine, workflow_table
from emojifier_bot.jobs.dbos_logs import route_dbos_logs
from emojifier_bot.jobs.names import (
    APPLICATION,
    QUEUE,
    WORKFLOW,
    job_id_for,
    partition_of,
)
from emojifier_bot.jobs.recorder import DONE, FAILED, MARK
from emojifier_bot.jobs.room import Room
from emojifier_bot.jobs.standing import Lookout, Standing
from emojifier_bot.jobs.workflow import COMPLETE, PREPARE
from emojifier_bot.jobs.workspace_jobs import WorkspaceJobs

#: How long a listener waits for the database; Slack waits for three seconds.
PATIENCE_SECONDS = 1.5
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
#: What is raised where a lock, a connection or a server was not to be had in time.
WAITED_IN_VAIN = (sa.exc.OperationalError, sa.exc.TimeoutError)
_AWAY = "The queue's database does not answer. Try again in a minute."


class DbosJobQueue:
    """A `JobQueue` on DBOS's tables, and what operators see and do there."""

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
        route_dbos_logs()
        self._url = url
        self._limit = queue_limit
        self._engine = open_engine(
            url,
            patience_seconds=PATIENCE_SECONDS,
            connections=CONNECTIONS,
            hurried=make_tables,
        )
        self._table = workflow_table(self._engine)
        self._lookout = Lookout(self._engine, clock)
        self._room = Room(self._engine, queue_limit, clock)
        self._breaker = CircuitBreaker(clock.monotonic)
        try:
            with self._engine.connect():
                pass
            if make_tables:
                migrate(url)
                slots.create_table(self._engine)
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(_AWAY) from error
        self._client = DBOSClient(
            system_database_engine=self._engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
            lazy=True,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()
        self._engine.dispose()

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
        try:
            with self._hurried():
                if not self._room.take(partition_of(request.workspace)):
                    return self._refuse(job_id)
                # In a transaction of ours: the client's own would wait for a lock
                # forever.
                with self._engine.begin() as connection:
                    self._client.enqueue_in_transaction(
                        connection, options, request.to_dict()
                    )
        except dbos_error.DBOSWorkflowIDInUseError:
            return False
        facts = {"job_id": job_id, "workspace": request.workspace.id, "key": key}
        logger.info("job queued", extra=facts | {"action": "queue"})
        return True

    def standing(self) -> Standing:
        """Return how the queue stands and how many workers live.

        Raises:
            QueueError: The database does not answer.
        """
        try:
            return self._lookout.look()
        except SQLAlchemyError as error:
            raise QueueError(_AWAY) from error

    def list(self, state: JobState | None, limit: int) -> builtins.list[Job]:
        """Return jobs, newest first, without their steps.

        Raises:
            QueueError: The database does not answer.
        """
        wanted = [name for name, known in _STATES.items() if state in (None, known)]
        try:
            rows = self._client.list_workflows(
                name=WORKFLOW, status=wanted, limit=limit, sort_desc=True
            )
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(_AWAY) from error
        return [_job(row, ()) for row in rows]

    def show(self, job_id: str) -> Job | None:
        """Return one job with its steps.

        Raises:
            QueueError: The database does not answer.
        """
        try:
            row = self._find(job_id)
            steps = self._client.list_workflow_steps(job_id) if row else []
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(_AWAY) from error
        return None if row is None else _job(row, tuple(map(_in_short, steps)))

    def retry(self, job_id: str) -> bool:
        """Run a failed or cancelled job again; False where it is neither.

        Recorded steps are kept; the one that failed is done again. A job that may have
        shown its file keeps the mark that says so, and asks before it shows it again.

        Raises:
            QueueError: The database does not answer.
        """
        try:
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
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(_AWAY) from error
        return True

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that has not ended; False where it has.

        Raises:
            QueueError: The database does not answer.
        """
        try:
            row = self._find(job_id)
            if row is None or _STATES[row.status] not in _ALIVE:
                return False
            self._client.cancel_workflow(job_id)
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(_AWAY) from error
        return True

    def has_ended(self, key: str) -> bool:
        """Tell whether the job of a key has ended; False where there is none.

        Raises:
            QueueError: The database does not answer.
        """
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

        Raises:
            QueueError: The database does not answer.
        """
        return WorkspaceJobs(self._url).delete(workspace, spared)

    @contextmanager
    def _hurried(self) -> Iterator[None]:
        """Refuse at once while the database is down, else every listener would wait.

        Raises:
            QueueError: The database does not answer, or did not a moment ago.
        """
        try:
            with self._breaker.guard(lambda error: isinstance(error, WAITED_IN_VAIN)):
                yield
        except (CircuitOpenError, SQLAlchemyError) as error:
            raise QueueError(_AWAY) from error

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


_ENDED_BADLY = frozenset({JobState.FAILED, JobState.CANCELLED})
_ALIVE = frozenset({JobState.QUEUED, JobState.RUNNING})


def _first_to_repeat(steps: list[StepInfo]) -> int:
    """Return the number of the step that a failed job begins with again."""
    numbers: dict[str, int] = {
        step["function_name"]: step["function_id"] for step in reversed(steps)
    }
    mark = numbers.get(COMPLETE + MARK)
    if mark is not None:
        return mark + 1
    return numbers.get(PREPARE + MARK, 1)


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


def _in_short(step: StepInfo) -> str:
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
        told = value.get("state") or value.get("file_id")
        return str(told) if told else "done"
    return f"{len(value)} found" if isinstance(value, list) else "done"
