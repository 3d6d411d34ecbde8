"""Fixtures: databases to test on. PostgreSQL is started for the tests, and ended.

The tables are made once per session and copied: an SQLite file by copying it, a
database of PostgreSQL with ``CREATE DATABASE … TEMPLATE``; one that a test is done with
is emptied for the next, which takes a hundredth of the time. What has `empty` in its
name has no tables yet.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from emojifier_bot.db.migrate import upgrade
from emojifier_bot.jobs.system_db import migrate

TABLES = (
    "SELECT schemaname, tablename FROM pg_tables "
    "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)
END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
#: It refuses to run as root.
UNPRIVILEGED = "nobody"
USER, FIRST_DATABASE = "postgres", "postgres"
#: PostgreSQL's own, and ours with all tables.
EMPTY_TEMPLATE, TEMPLATE = "template1", "test_template"
START_SECONDS, STOP_SECONDS = 30, 20
#: A port that was free a moment ago may be taken.
PORTS_TRIED = 5
#: Below those that systems give to whoever names none, which others may get meanwhile.
OWN_PORTS = range(20_000, 29_000)
#: Tables that say which tables there are.
VERSION_TABLES = {"emojifier_version", "dbos_migrations"}
#: Nothing that is tested outlives the power.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
#: Of a server that is killed: what it has answered is safe from that, not from a power
#: cut.
OUTLIVES_KILLS = {"fsync": "off"}
#: Many processes of a test, each with some connections.
CONNECTIONS = 300
WHY_SKIPPED = "needs PostgreSQL: on Debian, `apt-get install postgresql`"


@dataclass(frozen=True)
class PostgresServer:
    """A server of our own on localhost."""

    port: int
    password: str
    #: Databases that tests are done with, emptied.
    spare: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def template(self) -> str:
        """Return the name of a database with all tables, made at the first use."""
        self._create(TEMPLATE, EMPTY_TEMPLATE)
        make_tables(self.url(TEMPLATE))
        return TEMPLATE

    def url(self, database: str) -> str:
        return (
            f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}"
            f"/{database}"
        )

    def connect(self, database: str = FIRST_DATABASE, **more) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            autocommit=True,
            **more,
        )

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """Make a database and drop it, whoever is still connected; give its URL."""
        name = self._made(EMPTY_TEMPLATE if empty else self.template)
        yield self.url(name)
        self._drop(name)

    @contextmanager
    def emptied(self) -> Iterator[str]:
        """Give the URL of a database with all tables that others have used before."""
        name = self.spare.pop() if self.spare else self._made(self.template)
        yield self.url(name)
        if self._is_emptied(name):
            self.spare.append(name)
        else:
            self._drop(name)

    @cached_property
    def _tables(self) -> set[tuple[str, str]]:
        with self.connect(self.template) as connection:
            return set(connection.execute(TABLES).fetchall())

    def _is_emptied(self, name: str) -> bool:
        """Empty a database; tell whether its tables are those of the template."""
        with self.connect(name) as connection:
            connection.execute(END_OTHERS)
            # No table waits for those that refer to it.
            connection.execute("SET session_replication_role = replica")
            found = set(connection.execute(TABLES).fetchall())
            for table in found - self._tables:
                drop = sql.SQL("DROP TABLE {} CASCADE")
                connection.execute(drop.format(sql.Identifier(*table)))
            for table in self._tables & found:
                if table[1] not in VERSION_TABLES:
                    delete = sql.SQL("DELETE FROM {}")
                    connection.execute(delete.format(sql.Identifier(*table)))
        return found >= self._tables

    def _made(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self._create(name, template)
        return name

    def _drop(self, name: str) -> None:
        with self.connect() as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))

    def _create(self, name: str, template: str) -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        names = map(sql.Identifier, (name, template))
        with self.connect() as connection:
            connection.execute(create.format(*names))


def make_tables(url: str) -> None:
    """Make every table in an empty database: those of the bot and those of DBOS."""
    migrate(url)
    upgrade(url)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server for all tests, or skip those that want one."""
    programs = find_programs()
    if programs is None:
        pytest.skip(WHY_SKIPPED)
    with running_postgres(programs) as server:
        yield server


@pytest.fixture
def postgres_url(
    request: pytest.FixtureRequest, postgres_server: PostgresServer
) -> Iterator[str]:
    """Return the URL of a database of PostgreSQL with all tables."""
    # What slow tests start may go on a moment longer than they do.
    is_slow = request.node.get_closest_marker("slow")
    with postgres_server.database() if is_slow else postgres_server.emptied() as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the URL of an empty database of PostgreSQL."""
    with postgres_server.database(empty=True) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("template") / "bot.db"
    make_tables(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(empty_sqlite_url: str, sqlite_template: Path) -> str:
    """Return the URL of an SQLite file with all tables."""
    shutil.copy(sqlite_template, empty_sqlite_url.removeprefix("sqlite:///"))
    return empty_sqlite_url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """Return the URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'bot.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database with all tables, once of each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database, once of each kind."""
    return request.getfixturevalue(f"empty_{request.param}_url")


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    if shutil.which("pg_config"):
        asked = subprocess.run(
            ["pg_config", "--bindir"],
            capture_output=True,
            text=True,
            check=False,
        )
        folders.append(Path(asked.stdout.strip() or "."))
    # Debian puts them on nobody's path, one folder a version.
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in folders if _has_programs(one)), None)


def _has_programs(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("initdb", "postgres"))


@contextmanager
def running_postgres(
    programs: Path, durability: dict[str, str] = QUICK
) -> Iterator[PostgresServer]:
    """Run a server in a folder of its own."""
    # Not below pytest's folder: that is closed to everybody else.
    with (
        tempfile.TemporaryDirectory(prefix="emojifier-postgres-") as name,
        restartable_postgres(programs, Path(name), durability) as postgres,
    ):
        yield postgres.server


@dataclass
class RestartablePostgres:
    """A server that a test stops and starts again, on the same port."""

    programs: Path
    folder: Path
    server: PostgresServer
    process: subprocess.Popen
    durability: dict[str, str]

    def stop(self, number: signal.Signals) -> None:
        """End it: SIGINT cuts connections, SIGQUIT leaves its files as they are."""
        self.process.send_signal(number)
        self.process.wait(STOP_SECONDS)

    def start(self) -> None:
        """Start it on the files that it left."""
        self.process = _launch(
            self.programs, self.folder, self.server.port, self.durability
        )
        assert _answers(self.server, self.process), (self.folder / "log").read_text()


@contextmanager
def restartable_postgres(
    programs: Path, folder: Path, durability: dict[str, str] = OUTLIVES_KILLS
) -> Iterator[RestartablePostgres]:
    """Run a server with its files in a folder, as nobody where we are root."""
    if os.geteuid() == 0:
        os.chown(folder, _somebody().pw_uid, _somebody().pw_gid)
    password = secrets.token_urlsafe(12)
    _make_cluster(programs, folder, password)
    server, process = _start(programs, folder, password, durability)
    found = RestartablePostgres(programs, folder, server, process, durability)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.stop(signal.SIGQUIT)


def _somebody() -> pwd.struct_passwd:
    return pwd.getpwnam(UNPRIVILEGED)


def _as_somebody(folder: Path) -> dict:
    """Return the options of a process that has no privileges."""
    options = {"cwd": folder, "env": {"LC_ALL": "C", "PATH": os.defpath}}
    if os.geteuid() == 0:
        who = {"user": _somebody().pw_uid, "group": _somebody().pw_gid}
        options |= who | {"extra_groups": []}
    return options


def _make_cluster(programs: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password)
    command = [
        programs / "initdb",
        *("--pgdata", folder / "data", "--username", USER),
        *("--auth", "scram-sha-256", "--pwfile", secret),
        *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, **_as_somebody(folder)
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _start(
    programs: Path, folder: Path, password: str, durability: dict[str, str]
) -> tuple[PostgresServer, subprocess.Popen]:
    for attempt in count(1):
        server = PostgresServer(free_port(), password)
        process = _launch(programs, folder, server.port, durability)
        if _answers(server, process):
            return server, process
        process.kill()
        process.wait()
        assert attempt < PORTS_TRIED, (folder / "log").read_text()
    raise AssertionError


def _launch(
    programs: Path, folder: Path, port: int, durability: dict[str, str]
) -> subprocess.Popen:
    settings = durability | {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": CONNECTIONS,
        "timezone": "Asia/Kathmandu",  # so that nobody relies on UTC
    }
    options = [
        part for item in settings.items() for part in ("-c", "{}={}".format(*item))
    ]
    command = [programs / "postgres", "-D", folder / "data", *options]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **_as_somebody(folder),
        )


def _answers(server: PostgresServer, process: subprocess.Popen) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False


def free_port() -> int:
    """Return a port that nobody has, and that the system gives to nobody by itself."""
    for port in secrets.SystemRandom().sample(OWN_PORTS, len(OWN_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
