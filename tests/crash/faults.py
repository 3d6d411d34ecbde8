"""What may happen to a database, a disk or a clock while the bot works."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import psycopg

from tests.crash.fleet import Fleet
from tests.crash.process import CLOCK_FILE
from tests.postgres import (
    RestartablePostgres,
    find_programs,
    restartable_postgres,
)

NOT_THERE = "needs PostgreSQL"
#: Nothing is written any more, not to the shortest of files.
NO_ROOM_BYTES = 1
#: A disk for a server's files, and what is left of it when they are made.
DISK = "size=200m"
CHUNK_BYTES = 1 << 20
#: More than the files that a server makes for its log beforehand hold.
MESSAGES = 300
HOURS_SECONDS = 6 * 3600
#: How long a writer waits for its turn, and how often connections are ended.
PATIENCE_SECONDS, CUT_SECONDS = 60.0, 0.3


@dataclass
class Fault(ABC):
    """Something that lasts for a while."""

    #: Where the bot is to work.
    url: str
    #: Variables for the bot's processes.
    environment: dict[str, str] = field(default_factory=dict, init=False)
    #: What is done, one after the other; the last one ends it.
    stages: ClassVar[int] = 2

    @abstractmethod
    def go(self, stage: int, fleet: Fleet) -> None:
        """Begin a stage."""


@dataclass
class Restart(Fault):
    """PostgreSQL is ended, and started again."""

    postgres: RestartablePostgres
    number: signal.Signals

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        if stage:
            self.postgres.start()
        else:
            self.postgres.stop(self.number)


@dataclass
class NoRoomInFiles(Fault):
    """No file may grow, by a limit on the bot's processes: SQLite's disk is full."""

    def go(self, stage: int, fleet: Fleet) -> None:
        fleet.limit_files(resource.RLIM_INFINITY if stage else NO_ROOM_BYTES)


@dataclass
class NoRoomOnDisk(Fault):
    """The disk with PostgreSQL's files is full."""

    postgres: RestartablePostgres

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        ballast = self.postgres.folder / "ballast"
        if not stage:
            with contextlib.suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(b"\0" * CHUNK_BYTES)
                    file.flush()
            self._use_up()
            return
        ballast.unlink()
        if self.postgres.process.poll() is not None:
            # It ends where it cannot write its log.
            self.postgres.start()

    def _use_up(self) -> None:
        """Write the server's log full, for it has made files of it beforehand."""
        message = "SELECT pg_logical_emit_message(false, 'fill', repeat('x', %s))"
        with contextlib.suppress(psycopg.Error), self.postgres.server.connect() as one:
            for _ in range(MESSAGES):
                one.execute(message, [CHUNK_BYTES])


@dataclass
class ReadOnlyFile(Fault):
    """SQLite's files may not be written any more, by nobody."""

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        file = Path(self.url.removeprefix("sqlite:///"))
        files = [one for one in file.parent.glob(f"{file.name}*") if one.is_file()]
        sign = "-i" if stage else "+i"
        subprocess.run(["chattr", sign, *files], check=True)


@dataclass
class LockedFile(Fault):
    """Somebody else begins to write to SQLite's file, and does not end.

    For longer than a lease: no worker can show that it lives.
    """

    stages: ClassVar[int] = 4

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        if stage == 0:
            file = self.url.removeprefix("sqlite:///")
            self._writer = sqlite3.connect(file, PATIENCE_SECONDS, isolation_level=None)
            self._writer.execute("BEGIN IMMEDIATE")
        elif stage == self.stages - 1:
            self._writer.close()


@dataclass
class CutConnections(Fault):
    """PostgreSQL ends all connections of the bot again and again."""

    postgres: RestartablePostgres

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._cut, daemon=True)

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        if stage:
            self._over.set()
            self._thread.join()
        else:
            self._thread.start()

    def _cut(self) -> None:
        with self.postgres.server.connect() as connection:
            while not self._over.wait(CUT_SECONDS):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname <> current_database()"
                )


@dataclass
class ReadOnlyServer(Fault):
    """PostgreSQL takes no more writes."""

    postgres: RestartablePostgres

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        value = "off" if stage else "on"
        writing = "-c default_transaction_read_only=off"
        with self.postgres.server.connect(options=writing) as connection:
            connection.execute(
                f"ALTER SYSTEM SET default_transaction_read_only = {value}"
            )
            connection.execute("SELECT pg_reload_conf()")


@dataclass
class ClockJumps(Fault):
    """The bot's clock is hours ahead, then hours behind, then right again."""

    file: Path
    stages: ClassVar[int] = 3

    def __post_init__(self) -> None:
        self.file.write_text("0")
        self.environment = {CLOCK_FILE: str(self.file)}

    def go(self, stage: int, fleet: Fleet) -> None:
        del fleet
        ahead_seconds = (HOURS_SECONDS, -HOURS_SECONDS, 0)[stage]
        # At once: who reads it must not find half of it.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(ahead_seconds))
        fresh.replace(self.file)


RESTARTED, KILLED = "PostgreSQL restarted", "PostgreSQL killed, recovers"
FULL, READ_ONLY, CLOCK = "disk full", "database read-only", "clock jumps by hours"
LOCKED, CUT = "database locked for 30 seconds", "connections ended for 10 seconds"
SQLITE_FAULTS = (FULL, READ_ONLY, LOCKED, CLOCK)
POSTGRES_FAULTS = (RESTARTED, KILLED, CUT, FULL, READ_ONLY, CLOCK)


@contextmanager
def injected_fault(kind: str, database: str, folder: Path) -> Iterator[Fault]:
    """Make ready for a fault, with a database of a kind."""
    if database == "sqlite":
        yield _on_sqlite(kind, folder)
        return
    programs = find_programs()
    assert programs is not None, NOT_THERE
    with (
        _disk(limited=kind == FULL) as disk,
        restartable_postgres(programs, disk) as postgres,
        postgres.server.database() as url,
    ):
        yield _on_postgres(kind, folder, postgres, url)


def _on_sqlite(kind: str, folder: Path) -> Fault:
    url = f"sqlite:///{folder / 'bot.db'}"
    if kind == CLOCK:
        return ClockJumps(url, folder / "clock")
    faults: dict[str, Callable[[str], Fault]] = {
        FULL: NoRoomInFiles,
        READ_ONLY: ReadOnlyFile,
        LOCKED: LockedFile,
    }
    return faults[kind](url)


def _on_postgres(
    kind: str, folder: Path, postgres: RestartablePostgres, url: str
) -> Fault:
    if kind == CLOCK:
        return ClockJumps(url, folder / "clock")
    if kind in (RESTARTED, KILLED):
        number = signal.SIGINT if kind == RESTARTED else signal.SIGQUIT
        return Restart(url, postgres, number)
    faults: dict[str, Callable[[str, RestartablePostgres], Fault]] = {
        FULL: NoRoomOnDisk,
        READ_ONLY: ReadOnlyServer,
        CUT: CutConnections,
    }
    return faults[kind](url, postgres)


@contextmanager
def _disk(*, limited: bool) -> Iterator[Path]:
    """Give a folder that anybody can enter; limited, on a small disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="emojifier-disk-"))
    folder.chmod(0o755)
    assert not limited or os.geteuid() == 0, "needs to be root"
    try:
        if limited:
            mount = ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs"]
            subprocess.run([*mount, folder], check=True)
        yield folder
    finally:
        if limited:
            subprocess.run(["umount", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)
