"""Brings the tables of a database to the shape that this version knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from emojifier_bot.errors import StoreError
from emojifier_bot.store.database import POSTGRES, Database, open_database

__all__ = ["VERSION_TABLE", "downgrade", "upgrade"]

MIGRATIONS = Path(__file__).with_name("migrations")
#: Not alembic's own name: others may share the database.
VERSION_TABLE = "emojifier_version"
#: Names our lock among all of a PostgreSQL database: the letters "emojify" in ASCII.
LOCK = int.from_bytes(b"emojify")
NEWEST, EMPTY = "head", "base"


def upgrade(url: str) -> None:
    """Make or change tables until the database has the newest shape.

    Every process calls it at its start: one does the work, the others wait for it.
    A step that fails leaves everything as it was.

    Raises:
        StoreError: The database does not answer or refuses, or a newer version of the
            bot has changed it.
    """
    with closing(open_database(url)) as database:
        with database.reading() as connection:
            if _shape(connection) == _newest_shape():
                return
        with _alone(database) as connection:
            command.upgrade(_config(connection), NEWEST)


def downgrade(url: str, shape: str = EMPTY) -> None:
    """Take tables back to an older shape; what that one cannot hold is lost.

    Args:
        url: The database.
        shape: A revision, ``"-1"`` for the one before; by default, no table at all.

    Raises:
        StoreError: The database does not answer or refuses, or has no such shape.
    """
    with closing(open_database(url)) as database, _alone(database) as connection:
        command.downgrade(_config(connection), shape)


@contextmanager
def _alone(database: Database) -> Iterator[sa.Connection]:
    """Give a connection whose changes no other process makes at the same time."""
    with database.writing() as connection:
        # SQLite has one writer at a time anyway.
        if connection.dialect.name == POSTGRES:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        try:
            yield connection
        except CommandError as error:
            raise StoreError(
                "The database has a shape that this version of the bot does not know: "
                "a newer one has changed it. Run that one, or put a backup back."
            ) from error


def _shape(connection: sa.Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _newest_shape() -> str | None:
    return ScriptDirectory(MIGRATIONS).get_current_head()


def _config(connection: sa.Connection) -> Config:
    config = Config(attributes={"connection": connection})
    # A per cent sign of the path is no interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
