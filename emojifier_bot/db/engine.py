"""Opens the database, for the stores and for the queue, and explains its errors."""

from __future__ import annotations

import os
import select
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from emojifier_bot.circuit_breaker import CircuitBreaker, CircuitOpenError
from emojifier_bot.errors import StoreError

#: How long one writer of SQLite waits for another, or a thread for a free connection.
#: The longest writer holds the lock for milliseconds, but a disk may be slow.
WAIT_SECONDS = 15.0
#: The same, and all that PostgreSQL may take for a statement, for a listener: Slack
#: waits for three seconds.
HURRIED_SECONDS = 1.0
#: How long a connection to PostgreSQL may take; its library accepts no less than 2.
CONNECT_SECONDS, HURRIED_CONNECT_SECONDS = 5, 2
#: PostgreSQL ends a session that is idle in a transaction for so long, and frees its
#: locks: the process behind it hangs.
IDLE_IN_TRANSACTION_SECONDS = 60
#: Connections of the stores that are kept open, and more while many threads ask.
CONNECTIONS, MORE_CONNECTIONS = 5, 15
#: The file holds who posted what: nobody else's business.
OWNER_ONLY = 0o600
SQLITE, POSTGRES = "sqlite", "postgresql"
POSTGRES_PORT = 5432
#: How soon SQLite is asked again whether the write-ahead log may be switched on.
RETRY_SECONDS = 0.01
#: Bits of SQLite's result codes that its extended codes add to.
PRIMARY_CODE = 0xFF


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; several threads may share it.

    Everything raises `StoreError` where it does not answer, or refuses.
    """

    engine: sa.Engine
    #: For callers in a hurry: refuses them at once while the database is down.
    breaker: CircuitBreaker | None = None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one moment of the database."""
        with self._explained(), self.engine.connect() as connection:
            if connection.dialect.name == SQLITE:
                connection.exec_driver_sql("BEGIN DEFERRED")
            else:
                # PostgreSQL's own level would see another moment in each statement.
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """Give a connection whose changes are kept all together or not at all.

        Args:
            durable: Whether they outlast a power cut; otherwise nobody waits until they
                are on the disk, neither the caller nor other writers.
        """
        with self._explained(is_write=True), self.engine.begin() as connection:
            if connection.dialect.name != SQLITE:
                if not durable:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            else:
                level = "FULL" if durable else "NORMAL"
                connection.exec_driver_sql(f"PRAGMA synchronous={level}")
                # A writer takes its lock at once or waits for it: one that has read
                # already could not wait, but would fail.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def ping(self) -> None:
        """Check that the database answers."""
        with self.reading() as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _explained(self, *, is_write: bool = False) -> Iterator[None]:
        """Turn what the libraries raise into a sentence."""
        breaker = self.breaker
        guard = breaker.guard(is_outage, is_write=is_write) if breaker else None
        try:
            with guard or nullcontext():
                yield
        except CircuitOpenError as error:
            raise StoreError(
                "The database did not answer a moment ago. Try again."
            ) from error
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise _refusal(self.engine.url, error) from error


def is_outage(error: Exception) -> bool:
    """Tell whether a lock, a connection or a server was not to be had in time."""
    return isinstance(error, (sa.exc.OperationalError, sa.exc.TimeoutError))


def open_database(url: str, *, hurried: bool = False) -> Database:
    """Open the database for the stores, see `open_engine`.

    Args:
        url: The database.
        hurried: For callers who must answer at once: they get the `StoreError` soon,
            and at once while the database is down.

    Raises:
        StoreError: The URL names no database, or its file cannot be made.
    """
    engine = open_engine(
        url,
        wait_seconds=HURRIED_SECONDS if hurried else WAIT_SECONDS,
        more_connections=MORE_CONNECTIONS,
        hurried=hurried,
    )
    return Database(engine, CircuitBreaker() if hurried else None)


def open_engine(
    url: str,
    *,
    wait_seconds: float = WAIT_SECONDS,
    connections: int = CONNECTIONS,
    more_connections: int = 0,
    hurried: bool = False,
) -> sa.Engine:
    """Open a database. An SQLite file is made if it is not there; nothing is connected.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.
        wait_seconds: How long to wait for a lock (SQLite) or for a free connection.
        connections: The most that are kept open.
        more_connections: As many more are opened, and closed again, while many ask.
        hurried: PostgreSQL may take no longer than that for any statement, also where
            its machine is gone without a word.

    Raises:
        StoreError: The URL is none of these, or the file cannot be made.
    """
    options: dict[str, Any] = {
        "pool_size": connections,
        "max_overflow": more_connections,
        "pool_timeout": wait_seconds,
        # What is stored shows up in no error message, hence in no log.
        "hide_parameters": True,
    }
    file = sqlite_file(url)
    if file is not None:
        _make_file(file)
        engine = sa.create_engine(url, **options)
        _set_up_sqlite(engine, wait_seconds)
        return engine
    milliseconds = int(wait_seconds * 1000)
    limits = {"idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS * 1000}
    arguments = {"connect_timeout": CONNECT_SECONDS}
    if hurried:
        limits |= {"lock_timeout": milliseconds, "statement_timeout": milliseconds}
        arguments = {
            "connect_timeout": HURRIED_CONNECT_SECONDS,
            "tcp_user_timeout": milliseconds,
        }
    engine = sa.create_engine(url, connect_args=arguments, **options)
    _set_up_postgres(engine, limits)
    return engine


def read_url(url: str) -> sa.URL:
    """Take a URL apart.

    Raises:
        StoreError: It names no database that we know. The message does not show it: it
            may hold a password.
    """
    wrong = StoreError(
        "DATABASE_URL names no database that the bot can use. Set it to "
        "`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`."
    )
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise wrong from error
    if parsed.drivername == SQLITE:
        if not parsed.database or parsed.database == ":memory:":
            raise wrong
    elif parsed.drivername != f"{POSTGRES}+psycopg":
        raise wrong
    return parsed


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for PostgreSQL.

    Raises:
        StoreError: It names no database that we know.
    """
    parsed = read_url(url)
    return Path(parsed.database or "") if parsed.drivername == SQLITE else None


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


def _set_up_sqlite(engine: sa.Engine, wait_seconds: float) -> None:
    @sa.event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        # As DBOS does it: the driver begins a transaction before the first change, and
        # takes the lock for it at once.
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={int(wait_seconds * 1000)}")
        # A commit is still on the disk when it is answered: a refresh token that was
        # lost in a power cut would cost a workspace its installation.
        enable_wal(connection, wait_seconds)
        connection.execute("PRAGMA foreign_keys=ON")
        # What is deleted is overwritten; else it stays in the file's free pages.
        connection.execute("PRAGMA secure_delete=ON")


def empty_log(engine: sa.Engine) -> None:
    """Move SQLite's write-ahead log into the file and cut it off, after a deletion.

    The log has what was written since it was last emptied, deleted rows too. With
    PostgreSQL nothing is done: docs/security.md says what an operator can do.

    Raises:
        StoreError: Somebody was reading all the time; try again.
    """
    if engine.dialect.name != SQLITE:
        return
    try:
        with engine.connect() as connection:
            emptied = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy, *_ = emptied.one()
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise _refusal(engine.url, error) from error
    if is_busy:
        raise StoreError(
            "Deleted rows are still in the database's log, because others were "
            "reading it. Try again."
        )


def enable_wal(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Switch the write-ahead log on, so that readers and the one writer do not wait.

    It stays with the file. In a new file one process at a time can do so, and SQLite
    refuses the others at once, whatever their busy timeout: so they ask again.

    Raises:
        sqlite3.OperationalError: The file was locked all the time, or cannot be opened.
    """
    until = time.monotonic() + wait_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > until:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def _set_up_postgres(engine: sa.Engine, limits: dict[str, int]) -> None:
    @sa.event.listens_for(engine, "connect")
    def connect(connection: psycopg.Connection, _: object) -> None:
        for name, milliseconds in limits.items():
            connection.execute(f"SET {name} = {milliseconds}")
        connection.commit()

    @sa.event.listens_for(engine, "checkout")
    def checkout(connection: psycopg.Connection, *_: object) -> None:
        # A server that restarted has closed all connections. Asking it each time
        # (`pool_pre_ping`) would double the transactions: the end of the stream shows
        # in the socket, where an idle server writes nothing else.
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            raise sa.exc.InvalidatePoolError


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
    """Return a driver's message, unless it could contain what was stored."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    # SQLite's own class, none below it: "file is not a database".
    broken = type(cause) is sqlite3.DatabaseError
    is_safe = broken or isinstance(error, sa.exc.OperationalError)
    lines = str(cause).strip().splitlines() if is_safe else []
    return lines[0].strip().rstrip(".") if lines else type(cause).__name__
