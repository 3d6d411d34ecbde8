from __future__ import annotations

import multiprocessing
import os
import pwd
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from emojifier_bot.circuit_breaker import OPEN_SECONDS, CircuitBreaker
from emojifier_bot.db.engine import (
    HURRIED_SECONDS,
    WAIT_SECONDS,
    enable_wal,
    open_database,
    open_engine,
    read_url,
    sqlite_file,
)
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.errors import StoreError
from tests.builders_store import make_installation, make_post, sql_stores
from tests.fakes.clock import FakeClock, ManualClock

ROOT = Path(__file__).parents[3]


def scalar(database, statement):
    with database.reading() as connection:
        return connection.execute(sa.text(statement)).scalar()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://bot:hunter2@h/x",
        "postgresql://bot:hunter2@h/x",
        "postgresql+psycopg://bot:hunter2@h:port/x",
    ],
)
def test_a_wrong_url_is_refused_and_not_told(url):
    with pytest.raises(StoreError, match="Set it to `sqlite:///FILE`") as caught:
        open_database(url)

    assert "hunter2" not in caught.value.message
    assert caught.value.kind == "store"


def test_the_file_of_a_url():
    assert sqlite_file("sqlite:///bot.db") == Path("bot.db")
    assert sqlite_file("sqlite:////srv/bot.db") == Path("/srv/bot.db")
    assert sqlite_file("postgresql+psycopg://h/x") is None
    assert read_url("postgresql+psycopg://u:p@h:1/x").port == 1


def test_a_new_file_is_for_its_owner_only(empty_sqlite_url, tmp_path):
    old = os.umask(0)
    try:
        upgrade(empty_sqlite_url)
    finally:
        os.umask(old)

    with closing(open_database(empty_sqlite_url)) as database:
        assert scalar(database, "SELECT count(*) FROM posts") == 0
        modes = {
            file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()
        }
    assert modes["bot.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_the_mode_of_a_file_that_is_there_is_left_alone(empty_sqlite_url, tmp_path):
    (tmp_path / "bot.db").touch(0o640)
    (tmp_path / "bot.db").chmod(0o640)

    open_database(empty_sqlite_url).close()

    assert stat.S_IMODE((tmp_path / "bot.db").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 15_000)],
)
def test_sqlite_is_tuned(empty_sqlite_url, pragma, value):
    with closing(open_database(empty_sqlite_url)) as database:
        assert scalar(database, f"PRAGMA {pragma}") == value


def test_a_change_that_fails_leaves_nothing(database_url):
    upgrade(database_url)
    count = "SELECT count(*) FROM oauth_states"
    insert = sa.text("INSERT INTO oauth_states VALUES ('x', '2026-01-01 00:00:00')")

    with closing(open_database(database_url)) as database:
        with (
            pytest.raises(ZeroDivisionError),
            database.writing() as connection,
        ):
            assert connection.execute(insert).rowcount / 0

        assert scalar(database, count) == 0


def test_only_what_must_outlast_a_power_cut_waits_for_the_disk(database_url):
    asked = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}
    seen = []
    with closing(open_database(database_url)) as database:
        if database.engine.dialect.name == "postgresql":

            @sa.event.listens_for(database.engine, "connect")
            def as_by_default(connection, _):  # the tests' server is in a hurry
                connection.execute("SET synchronous_commit = on")
                connection.commit()

        for durable in (True, False, True):
            with database.writing(durable=durable) as connection:
                found = connection.exec_driver_sql(asked[connection.dialect.name])
                seen.append(found.scalar())

    assert seen in ([2, 1, 2], ["on", "off", "on"])


def test_who_reads_does_not_wait_for_who_writes(database_url):
    with (
        sql_stores(database_url, FakeClock()) as (stores, database),
        database.writing() as connection,
    ):
        connection.execute(sa.text("DELETE FROM posts"))

        assert stores.installations.all() == []


def test_who_writes_waits_for_who_writes(database_url):
    with sql_stores(database_url, FakeClock()) as (stores, database):
        stores.posts.record(make_post())
        workspace = make_post().workspace
        numbers = []

        def press():
            numbers.append(stores.posts.count_press(workspace, "p1"))

        with database.writing() as connection:
            connection.execute(sa.text("UPDATE posts SET presses = presses + 1"))
            thread = threading.Thread(target=press)
            thread.start()
            thread.join(0.3)
            assert numbers == []
        thread.join()

        assert numbers == [2]


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(
        StoreError, match=r"No such file or directory\. Make its folder"
    ):
        open_database(f"sqlite:///{tmp_path}/missing/bot.db")


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "bot.db").write_text("Not a database at all.\n" * 100)

    with pytest.raises(StoreError, match=r"bot\.db refuses: file is not a database\."):
        upgrade(f"sqlite:///{tmp_path}/bot.db")


def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    program = (
        "import os, sys\n"
        "from emojifier_bot.errors import StoreError\n"
        "from emojifier_bot.db.migrate import upgrade\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([])\n"
        "    os.setgid(int(sys.argv[3]))\n"
        "    os.setuid(int(sys.argv[2]))\n"
        "try:\n"
        "    upgrade(sys.argv[1])\n"
        "except StoreError as error:\n"
        "    print(error.message)\n"
    )
    # Upwards of it, pytest's folders are closed to others, so go there first.
    folder = tmp_path / "closed"
    folder.mkdir(0o555)
    somebody = pwd.getpwnam("nobody")
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, "sqlite:///bot.db"),
            *(str(somebody.pw_uid), str(somebody.pw_gid)),
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.startswith("The database bot.db cannot be made: Permission")


def test_a_server_that_is_down_is_told_without_the_password():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        url = f"postgresql+psycopg://bot:hunter2@127.0.0.1:{port}/emojis"

        with pytest.raises(StoreError) as caught:
            upgrade(url)

    told = caught.value.message
    assert told.startswith(f"The database emojis at 127.0.0.1:{port} refuses: ")
    assert told.endswith("or set DATABASE_URL to another one.")
    assert "Connection refused" in told
    assert "hunter2" not in told


def test_a_wrong_password_is_told_but_not_which(postgres_server):
    wrong = postgres_server.url("postgres").replace(postgres_server.password, "hunter2")

    with pytest.raises(StoreError, match="password authentication failed") as caught:
        upgrade(wrong)

    assert "hunter2" not in caught.value.message
    assert "hunter2" not in str(caught.value.__cause__)


def test_a_role_that_may_not_make_tables_is_told(postgres_server, empty_postgres_url):
    name = empty_postgres_url.rpartition("/")[2]
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE reader_{name} LOGIN PASSWORD 'secret'")
    url = empty_postgres_url.replace(
        f"postgres:{postgres_server.password}", f"reader_{name}:secret"
    )

    with pytest.raises(StoreError, match=r"InsufficientPrivilege\. Let its role make"):
        upgrade(url)


def test_connections_that_the_server_cut_are_replaced(postgres_server, postgres_url):
    with sql_stores(postgres_url, FakeClock()) as (stores, _):
        stores.installations.save(make_installation())
        with postgres_server.connect() as connection:
            connection.execute(
                # Waits until they have ended: clients see closed sockets then.
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = %s",
                [postgres_url.rpartition("/")[2]],
            )

        assert len(stores.installations.all()) == 1


def test_what_is_stored_stands_in_no_error(database_url):
    with sql_stores(database_url, FakeClock()) as (_, database):
        insert = sa.text("INSERT INTO oauth_states (state_digest) VALUES (:digest)")
        with pytest.raises(StoreError) as caught, database.writing() as connection:
            connection.execute(insert, {"digest": "hunter2"})

    assert "IntegrityError" in caught.value.message or "Violation" in str(caught.value)
    assert "hunter2" not in caught.value.message


def open_hurried(url, clock):
    """Open a database for who is in a hurry; its circuit opens by a test's clock."""
    hurried = open_database(url, hurried=True)
    assert isinstance(hurried.breaker, CircuitBreaker)
    return replace(hurried, breaker=CircuitBreaker(clock.monotonic))


def test_who_is_in_a_hurry_does_not_wait_for_a_lock(tmp_path):
    url, clock = f"sqlite:///{tmp_path / 'bot.db'}", ManualClock()
    upgrade(url)
    patient, hurried = open_database(url), open_hurried(url, clock)
    began = time.monotonic()
    with patient.writing(), pytest.raises(StoreError), hurried.writing():
        pytest.fail("two wrote at once")
    waited = time.monotonic() - began
    with pytest.raises(StoreError, match="a moment ago"), hurried.reading():
        pass

    # All others wait for the whole of it while the lock is held.
    assert HURRIED_SECONDS * 0.5 < waited < WAIT_SECONDS
    assert patient.breaker is None
    clock.advance(OPEN_SECONDS)
    hurried.ping()
    hurried.close()
    patient.close()


def test_who_is_overtaken_while_others_write_keeps_nobody_out(sqlite_url):
    upgrade(sqlite_url)
    with closing(open_hurried(sqlite_url, clock := ManualClock())) as hurried:

        def write():
            with hurried.writing():
                pass

        def wait_in_vain(meanwhile):
            clock.advance(1)
            with hurried.reading():
                meanwhile()
                raise sa.exc.TimeoutError

        with pytest.raises(StoreError):
            wait_in_vain(meanwhile=write)
        hurried.ping()
        with pytest.raises(StoreError):
            wait_in_vain(meanwhile=hurried.ping)  # a locked database can be read
        with pytest.raises(StoreError, match="a moment ago"):
            hurried.ping()


def test_in_a_hurry_postgres_gives_up_soon_too(postgres_server):
    with postgres_server.database() as url:
        upgrade(url)
        patient, hurried = open_database(url), open_database(url, hurried=True)
        began = time.monotonic()
        with patient.writing() as connection:
            connection.execute(sa.text("LOCK TABLE posts IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(StoreError), hurried.reading() as waiting:
                waiting.execute(sa.text("SELECT count(*) FROM posts"))
        waited = time.monotonic() - began
        hurried.close()
        patient.close()

    # Others have no limit at all: nobody would have let go of the lock.
    assert waited > HURRIED_SECONDS * 0.5


@pytest.mark.parametrize(
    ("hurried", "limits"),
    [(False, ("0", "0", "1min")), (True, ("1500ms", "1500ms", "1min"))],
)
def test_postgres_limits_what_may_take_long(postgres_url, hurried, limits):
    engine = open_engine(postgres_url, wait_seconds=1.5, hurried=hurried)
    names = "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"
    with engine.begin() as connection:
        shown = [connection.execute(sa.text(f"SHOW {one}")).scalar() for one in names]
    engine.dispose()

    assert tuple(shown) == limits


def test_who_writes_after_a_reader_has_the_level_of_postgres(postgres_url):
    database, level = open_database(postgres_url), sa.text("SHOW transaction_isolation")
    with database.reading() as connection:
        assert connection.execute(level).scalar() == "repeatable read"
    with database.writing() as connection:
        assert connection.execute(level).scalar() == "read committed"
    database.close()


class TestWriteAheadLog:
    PROCESSES, FILES = 3, 15

    @pytest.mark.slow
    def test_processes_that_open_a_new_file_at_once_all_succeed(self, tmp_path):
        spawn = multiprocessing.get_context("spawn")
        start, refused = spawn.Barrier(self.PROCESSES), spawn.Queue()
        processes = [
            spawn.Process(
                target=_open_each, args=(tmp_path, self.FILES, start, refused)
            )
            for _ in range(self.PROCESSES)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()

        assert [process.exitcode for process in processes] == [0] * self.PROCESSES
        assert refused.empty()
        modes = {_mode_of(file) for file in tmp_path.glob("*.db")}
        assert modes == {"wal"}

    def test_a_lock_that_stays_is_reported_in_the_end(self, tmp_path):
        file = tmp_path / "bot.db"
        with (
            closing(sqlite3.connect(file, isolation_level=None)) as holder,
            closing(sqlite3.connect(file, timeout=0)) as other,
        ):
            holder.execute("BEGIN EXCLUSIVE")
            began = time.monotonic()
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                enable_wal(other, 0.2)

            assert time.monotonic() - began >= 0.2


def _open_each(folder, files, start, refused):
    for number in range(files):
        start.wait()
        with closing(sqlite3.connect(folder / f"{number}.db")) as connection:
            try:
                enable_wal(connection, 15.0)
            except sqlite3.OperationalError as error:
                refused.put(str(error))


def _mode_of(file):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]
