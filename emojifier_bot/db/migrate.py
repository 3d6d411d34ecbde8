"""Brings the tables of a database to the schema that this version knows.

Everything raises `StoreError` where the database does not answer or refuses, or where a
newer version of the bot has changed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from emojifier_bot.db.engine import POSTGRES, Database, open_database, sqlite_file
from emojifier_bot.errors import StoreError

MIGRATIONS = Path(__file__).with_name("migrations")
#: Not alembic's own name: others may share the database.
VERSION_TABLE = "emojifier_version"
#: Names our lock among all of a PostgreSQL database: the letters "emojify" in ASCII.
LOCK = int.from_bytes(b"emojify")
NEWEST, EMPTY, BEFORE = "head", "base", "-1"


class SchemaState(StrEnum):
    """How far a database is before anybody changes it."""

    #: Its SQLite file is not there yet.
    MISSING = "missing"
    #: It has none of our tables.
    EMPTY = "empty"
    #: An older version of the bot made its tables.
    OLD = "old"
    CURRENT = "current"


def schema_state(url: str) -> SchemaState:
    """Look at a database without making or changing anything."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return SchemaState.MISSING
    with closing(open_database(url)) as database, database.reading() as connection:
        revision = _revision(connection)
    if revision is None:
        return SchemaState.EMPTY
    if revision == _newest_revision():
        return SchemaState.CURRENT
    if revision not in _known_revisions():
        raise _too_new()
    return SchemaState.OLD


def upgrade(url: str, revision: str = NEWEST) -> None:
    """Make or change tables until the database has the newest schema.

    Every process calls it at its start: one does the work, the others wait for it.
    A step that fails leaves everything as it was. A step only adds tables, indexes and
    columns that may be left out, so that processes of the version before go on beside.

    Args:
        url: The database.
        revision: A revision on the way, for tests.
    """
    with closing(open_database(url)) as database:
        with database.reading() as connection:
            if _revision(connection) == _newest_revision():
                return
        with _alone(database) as connection:
            command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str = EMPTY) -> None:
    """Take tables back to an older schema; what that one cannot hold is lost.

    Args:
        url: The database.
        revision: A revision, ``"-1"`` for the one before; by default, no table at all.

    Raises:
        StoreError: Also where it has no such revision.
    """
    with closing(open_database(url)) as database, _alone(database) as connection:
        command.downgrade(_config(connection), revision)


def revision_of(url: str) -> str:
    """Return the revision of a database's tables; empty where it has none."""
    with closing(open_database(url)) as database, database.reading() as connection:
        return _revision(connection) or ""


@contextmanager
def _alone(database: Database) -> Iterator[sa.Connection]:
    """Give a connection whose changes no other process makes at the same time."""
    with database.writing() as connection:
        # SQLite has one writer at a time anyway.
        if connection.dialect.name == POSTGRES:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        revision = _revision(connection)
        try:
            yield connection
        except CommandError as error:
            if revision is not None and revision not in _known_revisions():
                raise _too_new() from error
            raise StoreError(
                f"The tables have schema {revision}, from which there is no way back "
                f"to that one. {older_schemas()}"
            ) from error


def older_schemas() -> str:
    """Return what `downgrade` takes, in a sentence."""
    named = ", ".join(f"`{one}`" for one in sorted(_known_revisions()))
    return f"There are {named}, `{EMPTY}` (no tables) and `{BEFORE}` (the one before)."


def is_older_schema(name: str) -> bool:
    """Tell whether `downgrade` takes a schema's name."""
    return name in _known_revisions() | {EMPTY, BEFORE}


def _too_new() -> StoreError:
    return StoreError(
        "The database has a schema that this version of the bot does not know: "
        "a newer one has changed it. Run that one, or put a backup back."
    )


def _known_revisions() -> set[str]:
    return {one.revision for one in ScriptDirectory(MIGRATIONS).walk_revisions()}


def _revision(connection: sa.Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _newest_revision() -> str | None:
    return ScriptDirectory(MIGRATIONS).get_current_head()


def _config(connection: sa.Connection) -> Config:
    config = Config(attributes={"connection": connection})
    # A per cent sign of the path is no interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
