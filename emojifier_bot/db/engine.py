"""Opens the database of the stores, and says in sentences what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from emojifier_bot.circuit_breaker import CircuitBreaker, CircuitOpenError
from emojifier_bot.db.write_ahead import write_ahead
from emojifier_bot.errors import StoreError

__all__ = ["Database", "open_database", "open_in_a_hurry", "read_url", "sqlite_file"]

#: How long one writer of SQLite waits for another; the longest holds the lock for
#: milliseconds, but a disk may be slow.
BUSY_SECONDS = 15.0
#: How long a connection to PostgreSQL may take.
CONNECT_SECONDS = 5
#: Connections that are kept, and how many more there may be while many threads ask.
POOL_SIZE, POOL_OVERFLOW = 5, 15
#: How long a thread waits for one of them.
POOL_SECONDS = 10.0
#: The file holds who posted what: nobody else's business.
OWNER_ONLY = 0o600
SQLITE, POSTGRES = "sqlite", "postgresql"
POSTGRES_PORT = 5432
#: How long a listener waits, for whatever it is: Slack waits for three seconds.
HURRY_SECONDS = 1.0
#: What is raised where a lock, a connection or a server was not to be had in time.
WAITED_IN_VAIN = (sa.exc.OperationalError, sa.exc.TimeoutError)
#: The least that PostgreSQL's library waits for a connection.
LEAST_CONNECT_SECONDS = 2
#: Of a connection that only reads: it never waits for a writer of SQLite.
READS = "emojifier_reads"


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; several threads may share it."""

    engine: sa.Engine
    #: For callers in a hurry: refuses them at once while the database is down.
    breaker: CircuitBreaker | None = None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one moment of the database.

        Raises:
            StoreError: The database does not answer, or refuses.
        """
        with self._told(), self.engine.connect() as connection:
            yield connection.execution_options(**{READS: True})

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are kept all together or not at all.

        Raises:
            StoreError: The database does not answer, or refuses.
        """
        with self._told(), self.engine.begin() as connection:
            yield connection

    def ping(self) -> None:
        """Ask for nothing.

        Raises:
            StoreError: The database does not answer.
        """
        with self.reading() as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the libraries raise into a sentence."""
        guard = self.breaker.guard(_timed_out) if self.breaker else nullcontext()
        try:
            with guard:
                yield
        except CircuitOpenError as error:
            raise StoreError(
                "The database did not answer a moment ago. Try again."
            ) from error
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise _refusal(self.engine.url, error) from error


def _timed_out(error: Exception) -> bool:
    return isinstance(error, WAITED_IN_VAIN)


def open_database(url: str) -> Database:
    """Open a database. An SQLite file is made if it is not there, else nothing happens.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.

    Raises:
        StoreError: The URL is none of these, or the file cannot be made.
    """
    parsed = read_url(url)
    options: dict[str, Any] = {
        "pool_size": POOL_SIZE,
        "max_overflow": POOL_OVERFLOW,
        "pool_timeout": POOL_SECONDS,
        # What is stored shows up in no error message, hence in no log.
        "hide_parameters": True,
    }
    file = sqlite_file(url)
    if file is None:
        options["pool_pre_ping"] = True
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        return Database(sa.create_engine(parsed, **options))
    _make_file(file)
    engine = sa.create_engine(parsed, **options)
    _tune_sqlite(engine, BUSY_SECONDS)
    return Database(engine)


def open_in_a_hurry(url: str) -> Database:
    """Open a database that is there, for those who must answer at once.

    Who waits in vain gets the `StoreError` soon; who stores what must not be lost takes
    `open_database`.

    Raises:
        StoreError: The URL names no database.
    """
    parsed = read_url(url)
    options: dict[str, Any] = {
        "pool_size": POOL_SIZE,
        "max_overflow": POOL_OVERFLOW,
        "pool_timeout": HURRY_SECONDS,
        "hide_parameters": True,
    }
    if sqlite_file(url) is not None:
        engine = sa.create_engine(parsed, **options)
        _tune_sqlite(engine, HURRY_SECONDS)
        return Database(engine, CircuitBreaker())
    options["pool_pre_ping"] = True
    options["connect_args"] = {
        "connect_timeout": LEAST_CONNECT_SECONDS,
        # A machine that is gone says nothing; no answer would be waited for long.
        "tcp_user_timeout": int(HURRY_SECONDS * 1000),
    }
    engine = sa.create_engine(parsed, **options)
    _hurry_postgres(engine)
    return Database(engine, CircuitBreaker())


def read_url(url: str) -> sa.URL:
    """Take a URL apart.

    Raises:
        StoreError: It names no database that we know. It is not told: it may hold a
            password.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise _wrong_url() from error
    if parsed.drivername == SQLITE:
        if not parsed.database or parsed.database == ":memory:":
            raise _wrong_url()
    elif parsed.drivername != f"{POSTGRES}+psycopg":
        raise _wrong_url()
    return parsed


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for PostgreSQL.

    Raises:
        StoreError: It names no database that we know.
    """
    parsed = read_url(url)
    return Path(parsed.database or "") if parsed.drivername == SQLITE else None


def _wrong_url() -> StoreError:
    return StoreError(
        "DATABASE_URL names no database that the bot can use. Set it to "
        "`sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`."
    )


def _make_file(file: Path) -> None:
    # Before SQLite does, which asks the umask. Its side files take the mode of this.
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"The database {file} cannot be made: {error.strerror}. Make its folder "
            "and let the bot write there, or set DATABASE_URL to another place."
        ) from error


def _tune_sqlite(engine: sa.Engine, busy_seconds: float) -> None:
    @sa.event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        # The driver begins nothing of its own accord: see below.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
        # A commit is still on the disk when it is answered: a refresh token that was
        # lost in a power cut would cost a workspace its installation.
        write_ahead(connection, busy_seconds)
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A writer takes its lock at once or waits for it: one that has read already
        # could not wait, but would fail.
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql(f"BEGIN {'DEFERRED' if reads else 'IMMEDIATE'}")


def _hurry_postgres(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        milliseconds = int(HURRY_SECONDS * 1000)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")


def _refusal(url: sa.URL, error: sa.exc.SQLAlchemyError) -> StoreError:
    if url.drivername == SQLITE:
        where, remedy = f"{url.database}", "Look at the file, its folder and the disk"
    else:
        where = (
            f"{url.database} at {url.host or 'localhost'}:{url.port or POSTGRES_PORT}"
        )
        answered = isinstance(error, sa.exc.ProgrammingError)
        remedy = (
            "Let its role make and change tables"
            if answered
            else "Look whether its server runs"
        )
    return StoreError(
        f"The database {where} refuses: {_reason(error)}. {remedy}, or set "
        "DATABASE_URL to another one."
    )


def _reason(error: sa.exc.SQLAlchemyError) -> str:
    """Return what a driver said, where that cannot tell what was stored."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    # SQLite's own class, none below it: "file is not a database".
    broken = type(cause) is sqlite3.DatabaseError
    sayable = broken or isinstance(error, sa.exc.OperationalError)
    said = str(cause).strip().splitlines() if sayable else []
    return said[0].strip().rstrip(".") if said else type(cause).__name__
