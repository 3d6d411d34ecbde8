"""DBOS's tables, and the names that the web process and every worker must agree on."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.circuit_breaker import CircuitOpenError
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import QueueError
from emojifier_bot.jobs.step_runner import JobFailedError

#: Owner of the rows in the job tables.
APPLICATION = "emojifier-bot"
#: The queue that all jobs wait in, in one partition for each workspace.
QUEUE = "emojify"
#: The workflow that every job runs.
WORKFLOW = "emojify"
#: Changes when the recorded steps of a running job no longer fit the workflow's code.
#: A worker only takes up jobs of its own version, and jobs that none has begun.
WORKFLOW_VERSION = "5"
#: Where DBOS keeps its tables in PostgreSQL. SQLite has no schemas.
DBOS_SCHEMA = "dbos"
#: What PostgreSQL calls the notifications of `announce_job`.
CHANNEL = "emojifier_jobs"
#: Jobs that one statement lists, cancels or deletes: a statement takes so many
#: parameters and no more, and SQLite's other writers wait for each.
BATCH_JOBS = 500
#: While the database is away, DBOS logs the same ten times a second; a line is logged
#: once in so many seconds.
REPEAT_SECONDS = 10.0

#: Hexadecimal digits of a job's id: 128 bits.
_ID_LENGTH = 32


def job_id_for(key: str) -> str:
    """Return the id that a dedupe key stands for, always the same one."""
    return hashlib.sha256(key.encode()).hexdigest()[:_ID_LENGTH]


def child_job_id(parent_id: str, number: int) -> str:
    """Return the id of the post for a further picture of the same job."""
    return job_id_for(f"{parent_id}/{number}")


def partition_of(workspace: Workspace) -> str:
    """Return the part of the queue that a workspace has to itself."""
    return f"{workspace.enterprise_id or '-'}/{workspace.team_id}"


def announce_job(connection: sa.Connection) -> None:
    """Tell all workers, once the transaction is committed, that a job was queued.

    With SQLite they see that its file has changed.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def migrate(url: str) -> None:
    """Create or update the tables of DBOS; safe in several processes at once."""
    DBOS.migrate(url, schema=DBOS_SCHEMA)


@contextmanager
def opened_client(engine: sa.Engine) -> Iterator[DBOSClient]:
    """Give a client of DBOS's that uses the connections of an engine of ours."""
    route_dbos_logs()
    client = DBOSClient(
        system_database_engine=engine,
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
        lazy=True,
    )
    try:
        yield client
    finally:
        client.destroy()


@contextmanager
def explained_errors() -> Iterator[None]:
    """Turn what the libraries raise into a sentence."""
    try:
        yield
    except (CircuitOpenError, SQLAlchemyError, dbos_error.DBOSException) as error:
        raise QueueError(
            "The queue's database does not answer. Try again in a minute."
        ) from error


def workflow_table(engine: sa.Engine) -> sa.TableClause:
    """Return the columns of DBOS's table of workflows that we read or change.

    A contract test compares them with the real table.
    """
    columns = (
        "workflow_uuid",
        "name",
        "status",
        "application_version",
        "executor_id",
        "owner_xid",
        "queue_name",
        "queue_partition_key",
        "created_at",
        "started_at_epoch_ms",
        "updated_at",
    )
    return _table(engine, "workflow_status", *columns)


def step_table(engine: sa.Engine) -> sa.TableClause:
    """Return DBOS's table of the recorded steps of each workflow."""
    columns = ("workflow_uuid", "function_id", "function_name", "output")
    return _table(engine, "operation_outputs", *columns)


def _table(engine: sa.Engine, name: str, *columns: str) -> sa.TableClause:
    schema = DBOS_SCHEMA if engine.dialect.name == "postgresql" else None
    return sa.table(name, *map(sa.column, columns), schema=schema)


def route_dbos_logs() -> None:
    """Let DBOS log through our handlers, in our format, instead of its own."""
    theirs = logging.getLogger("dbos")
    if not theirs.handlers:
        theirs.handlers = [_Relay()]
        theirs.propagate = False
        theirs.setLevel(logging.WARNING)


class _Relay(logging.Handler):
    """Passes records on, except repetitions and failed jobs, which log themselves."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        ours = logging.getLogger("emojifier_bot")
        if isinstance(error, JobFailedError) or not ours.isEnabledFor(record.levelno):
            return
        line, now_seconds = (record.pathname, record.lineno), time.monotonic()
        last = self._logged_at.get(line, float("-inf"))
        if now_seconds - last >= REPEAT_SECONDS:
            self._logged_at[line] = now_seconds
            ours.handle(record)
