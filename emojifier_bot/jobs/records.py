"""What DBOS has recorded of jobs, for operators: of one, or of a whole workspace."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, StepInfo, WorkflowStatus

from emojifier_bot.db.engine import open_engine, sqlite_file
from emojifier_bot.domain import EmojifyRequest, Job, JobState, Workspace
from emojifier_bot.errors import ErrorKind
from emojifier_bot.jobs.leases import has_table
from emojifier_bot.jobs.step_runner import DONE, FAILED
from emojifier_bot.jobs.system_db import (
    BATCH_JOBS,
    explained_errors,
    opened_client,
    workflow_table,
)

#: An operator waits longer for the database than Slack does.
WAIT_SECONDS = 30.0
CONNECTIONS = 2
#: By the status of DBOS's.
STATES = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.SUCCEEDED,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}


def has_queue(url: str) -> bool:
    """Tell whether a database has the queue's tables; nothing is made.

    A bot makes them when it has started; those of `db` may be older.

    Raises:
        QueueError: The database does not answer.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return False
    engine = open_engine(url, wait_seconds=WAIT_SECONDS, connections=CONNECTIONS)
    try:
        with explained_errors():
            return has_table(engine)
    finally:
        engine.dispose()


def job_of(row: WorkflowStatus, steps: list[StepInfo]) -> Job:
    """Return the job that a workflow runs, with the steps that are given."""
    assert row.input is not None  # noqa: S101 - every job was queued with one
    return Job(
        job_id=row.workflow_id,
        state=STATES[row.status],
        request=EmojifyRequest.from_dict(row.input["args"][0]),
        created_at=_moment(row.created_at),
        updated_at=_moment(row.updated_at),
        version=row.app_version or "",
        outcome=_outcome(row),
        steps=tuple(map(_summary, steps)),
    )


def _moment(milliseconds: int | None) -> datetime:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)


def _outcome(row: WorkflowStatus) -> str:
    if row.status == "SUCCESS":
        output: dict[str, str] = row.output or {}
        return output.get("outcome", "")
    if row.status == "ERROR":
        return str(row.error)
    return ErrorKind.UNEXPECTED if STATES[row.status] is JobState.FAILED else ""


def _summary(step: StepInfo) -> str:
    """Return a step's name and how it went: ``"complete: failed, ratelimited"``."""
    name, output = step["function_name"], step["output"]
    if not isinstance(output, dict):
        return name
    if FAILED in output:
        return f"{name}: failed, {output[FAILED]['kind']}"
    if DONE not in output:
        return f"{name}: unsure"
    value = output[DONE]
    if isinstance(value, list):
        return f"{name}: {len(value)} found"
    facts = value if isinstance(value, dict) else {}
    return f"{name}: {facts.get('state') or facts.get('file_id') or 'done'}"


def export_jobs(
    url: str, workspace: Workspace, spared: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield all that is recorded of a workspace's jobs, as JSON types, oldest first.

    Sealed texts stay sealed.

    Args:
        url: The database.
        workspace: Or an organisation, for all its workspaces.
        spared: Ids of workspaces that an organisation's jobs are not looked for in:
            those with an installation of their own.

    Raises:
        QueueError: The database does not answer.
    """
    with _opened(url) as (engine, client):
        for ids in _batches(_ids(engine, workspace, spared)):
            for row in client.list_workflows(workflow_ids=ids):
                yield _record(row, client.list_workflow_steps(row.workflow_id))


def delete_jobs(url: str, workspace: Workspace, spared: Collection[str] = ()) -> int:
    """Cancel and delete a workspace's jobs, some at a time; return how many.

    Args:
        url: The database.
        workspace: Or an organisation, for all its workspaces.
        spared: Ids of workspaces whose jobs an organisation's do not include.

    Raises:
        QueueError: The database does not answer.
    """
    with _opened(url) as (engine, client):
        found = _ids(engine, workspace, spared)
        for ids in _batches(found):
            client.cancel_workflows(ids)
            client.delete_workflows(ids)
        return len(found)


@contextmanager
def _opened(url: str) -> Iterator[tuple[sa.Engine, DBOSClient]]:
    engine = open_engine(url, wait_seconds=WAIT_SECONDS, connections=CONNECTIONS)
    try:
        with explained_errors(), opened_client(engine) as client:
            yield engine, client
    finally:
        engine.dispose()


def _ids(engine: sa.Engine, workspace: Workspace, spared: Collection[str]) -> list[str]:
    """Return the ids of jobs by the partition that they were put into."""
    if not workspace.id:
        return []  # nobody's partition would be everybody's without an organisation
    table = workflow_table(engine)
    partition = table.c.queue_partition_key
    if workspace.team_id:
        is_own = partition.endswith(f"/{workspace.team_id}", autoescape=True)
    else:
        is_own = partition.startswith(f"{workspace.enterprise_id}/", autoescape=True)
    own = sa.select(table.c.workflow_uuid, partition).where(is_own)
    with engine.connect() as connection:
        rows = connection.execute(own.order_by(table.c.created_at)).all()
    # Here and not in the statement, which takes so many of them and no more.
    others = set(spared) - {workspace.team_id}
    return [one for one, place in rows if place.rpartition("/")[2] not in others]


def _batches(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), BATCH_JOBS):
        yield ids[first : first + BATCH_JOBS]


def _record(row: WorkflowStatus, steps: list[StepInfo]) -> dict[str, Any]:
    return {
        "job_id": row.workflow_id,
        "status": row.status,
        "created_at_ms": row.created_at,
        "updated_at_ms": row.updated_at,
        "input": row.input,
        "output": row.output,
        "error": str(row.error) if row.error else None,
        "steps": [
            {"name": step["function_name"], "output": step["output"]} for step in steps
        ],
    }
