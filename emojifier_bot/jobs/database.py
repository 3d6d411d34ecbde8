"""Opens the database that jobs live in, and knows the few columns that we touch."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from dbos import DBOS

from emojifier_bot.db.write_ahead import write_ahead

#: How long a connection may take, seconds; for those in a hurry, the least that
#: PostgreSQL's library waits.
CONNECT_SECONDS, HURRIED_CONNECT_SECONDS = 5, 2
#: Jobs that one statement lists, cancels or deletes: every statement has an end of
#: what it takes, and SQLite's other writers wait for each.
PURGE_BATCH = 500
#: Of PostgreSQL: where DBOS keeps its tables. SQLite has no schemas.
DBOS_SCHEMA = "dbos"

_POSTGRES = "postgresql"


def open_engine(
    url: str, *, patience_seconds: float, connections: int, hurried: bool = False
) -> sa.Engine:
    """Open a database; nothing is connected yet.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.
        patience_seconds: How long to wait for a lock (SQLite) or for a free connection.
        connections: The most that are open at the same time.
        hurried: PostgreSQL may take no longer than that for anything, also where its
            machine is gone without a word: Slack waits.
    """
    options: dict[str, Any] = {
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": patience_seconds,
        "pool_pre_ping": True,
        # What is stored shows up in no error message, hence in no log.
        "hide_parameters": True,
    }
    if url.startswith(_POSTGRES):
        options["connect_args"] = _ways(patience_seconds, hurried=hurried)
    engine = sa.create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, patience_seconds)
    else:
        _tune_postgres(engine, patience_seconds, hurried=hurried)
    return engine


def migrate(url: str) -> None:
    """Create or update the tables of DBOS; safe in several processes at once."""
    DBOS.migrate(url, schema=DBOS_SCHEMA)


def workflow_table(engine: sa.Engine) -> sa.TableClause:
    """Return the columns of DBOS's table of workflows that the lease reaper touches.

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
    return sa.table(
        "workflow_status",
        *(sa.column(name) for name in columns),
        schema=_schema(engine),
    )


def step_table(engine: sa.Engine) -> sa.TableClause:
    """Return DBOS's table of what the steps of each workflow said."""
    return sa.table(
        "operation_outputs", sa.column("workflow_uuid"), schema=_schema(engine)
    )


def _schema(engine: sa.Engine) -> str | None:
    return DBOS_SCHEMA if engine.dialect.name == _POSTGRES else None


def _ways(patience_seconds: float, *, hurried: bool) -> dict[str, int]:
    """Return how PostgreSQL's library connects."""
    if not hurried:
        return {"connect_timeout": CONNECT_SECONDS}
    return {
        "connect_timeout": HURRIED_CONNECT_SECONDS,
        "tcp_user_timeout": int(patience_seconds * 1000),
    }


def _tune_postgres(
    engine: sa.Engine, patience_seconds: float, *, hurried: bool
) -> None:
    limited = ("lock_timeout", "statement_timeout") if hurried else ("lock_timeout",)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        milliseconds = int(patience_seconds * 1000)
        for limit in limited:
            connection.exec_driver_sql(f"SET LOCAL {limit} = {milliseconds}")


def _tune_sqlite(engine: sa.Engine, patience_seconds: float) -> None:
    @sa.event.listens_for(engine, "connect")
    def tune(connection: sqlite3.Connection, _: object) -> None:
        # As DBOS does it: a writer takes its lock at once, or waits for it.
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={int(patience_seconds * 1000)}")
        write_ahead(connection, patience_seconds)
