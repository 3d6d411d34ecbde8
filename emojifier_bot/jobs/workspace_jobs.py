"""All jobs of one workspace or organisation, for whoever wants to see or lose them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.domain import Workspace
from emojifier_bot.errors import QueueError
from emojifier_bot.jobs.database import open_engine, workflow_table
from emojifier_bot.jobs.dbos_logs import route_dbos_logs
from emojifier_bot.jobs.names import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbos import WorkflowStatus

#: An operator waits longer than Slack does.
PATIENCE_SECONDS = 30.0
CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class WorkspaceJobs:
    """The jobs in a database, by whose they are; whatever installation served them."""

    url: str

    def records(self, workspace: Workspace) -> list[dict[str, Any]]:
        """Return everything that is recorded of its jobs, as JSON types, oldest first.

        Sealed texts stay sealed.

        Raises:
            QueueError: The database does not answer.
        """
        with self._opened() as (engine, client):
            ids = _ids(engine, workspace)
            found = client.list_workflows(workflow_ids=ids) if ids else []
            return [_record(client, row) for row in found]

    def delete(self, workspace: Workspace) -> int:
        """Cancel and delete them all; return how many.

        Raises:
            QueueError: The database does not answer.
        """
        with self._opened() as (engine, client):
            ids = _ids(engine, workspace)
            if ids:
                client.cancel_workflows(ids)
                client.delete_workflows(ids)
            return len(ids)

    @contextmanager
    def _opened(self) -> Iterator[tuple[sa.Engine, DBOSClient]]:
        route_dbos_logs()
        engine = open_engine(
            self.url, patience_seconds=PATIENCE_SECONDS, connections=CONNECTIONS
        )
        client = DBOSClient(
            system_database_engine=engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
            lazy=True,
        )
        try:
            yield engine, client
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            raise QueueError(
                "The queue's database does not answer. Try again in a minute."
            ) from error
        finally:
            client.destroy()
            engine.dispose()


def _ids(engine: sa.Engine, workspace: Workspace) -> list[str]:
    """Return the ids of jobs by the part of the queue that they were put into."""
    table = workflow_table(engine)
    part = table.c.queue_partition_key
    if workspace.team_id:
        is_own = part.endswith(f"/{workspace.team_id}", autoescape=True)
    else:
        is_own = part.startswith(f"{workspace.enterprise_id}/", autoescape=True)
    own = sa.select(table.c.workflow_uuid).where(is_own).order_by(table.c.created_at)
    with engine.connect() as connection:
        return [*connection.execute(own).scalars()]


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
