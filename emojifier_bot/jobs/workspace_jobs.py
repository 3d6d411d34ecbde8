"""All jobs of one workspace or organisation, to export or to delete them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, WorkflowStatus
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.db.engine import open_engine
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import QueueError
from emojifier_bot.jobs.system_db import BATCH_JOBS, opened_client, workflow_table

#: An operator waits longer than Slack does.
WAIT_SECONDS = 30.0
CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class WorkspaceJobs:
    """The jobs in a database, by whose they are; whatever installation served them."""

    url: str

    def records(
        self, workspace: Workspace, spared: Collection[str] = ()
    ) -> list[dict[str, Any]]:
        """Return everything that is recorded of its jobs, as JSON types, oldest first.

        Sealed texts stay sealed.

        Args:
            workspace: Or an organisation, for all its workspaces.
            spared: Ids of workspaces that an organisation's jobs are not looked for in:
                those with an installation of their own.

        Raises:
            QueueError: The database does not answer.
        """
        with self._opened() as (engine, client):
            return [
                _record(client, row)
                for ids in _batches(_ids(engine, workspace, spared))
                for row in client.list_workflows(workflow_ids=ids)
            ]

    def delete(self, workspace: Workspace, spared: Collection[str] = ()) -> int:
        """Cancel and delete them all, some at a time; return how many.

        Args:
            workspace: Or an organisation, for all its workspaces.
            spared: Ids of workspaces whose jobs an organisation's do not include.

        Raises:
            QueueError: The database does not answer.
        """
        with self._opened() as (engine, client):
            found = _ids(engine, workspace, spared)
            for ids in _batches(found):
                client.cancel_workflows(ids)
                client.delete_workflows(ids)
            return len(found)

    @contextmanager
    def _opened(self) -> Iterator[tuple[sa.Engine, DBOSClient]]:
        engine = open_engine(
            self.url, wait_seconds=WAIT_SECONDS, connections=CONNECTIONS
        )
        try:
            with opened_client(engine) as client:
                yield engine, client
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(
                "The queue's database does not answer. Try again in a minute."
            ) from error
        finally:
            engine.dispose()


def _ids(engine: sa.Engine, workspace: Workspace, spared: Collection[str]) -> list[str]:
    """Return the ids of jobs by the partition that they were put into."""
    if not (workspace.team_id or workspace.enterprise_id):
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


def _record(client: DBOSClient, row: WorkflowStatus) -> dict[str, Any]:
    steps = client.list_workflow_steps(row.workflow_id)
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
