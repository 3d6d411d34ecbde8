from __future__ import annotations

import multiprocessing
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from emojifier_bot.db.write_ahead import write_ahead

PROCESSES, FILES = 4, 60
PATIENCE_SECONDS = 15.0


def _open_each(folder, start, refused):
    for number in range(FILES):
        start.wait()
        with closing(sqlite3.connect(folder / f"{number}.db")) as connection:
            try:
                write_ahead(connection, PATIENCE_SECONDS)
            except sqlite3.OperationalError as error:
                refused.put(str(error))


def mode_of(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]


def test_all_that_open_a_new_file_at_once_may(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    start, refused = spawn.Barrier(PROCESSES), spawn.Queue()
    processes = [
        spawn.Process(target=_open_each, args=(tmp_path, start, refused))
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert refused.empty()
    assert {mode_of(file) for file in tmp_path.glob("*.db")} == {"wal"}
    assert len(list(tmp_path.glob("*.db"))) == FILES


def test_a_lock_that_stays_is_told_when_the_patience_ends(tmp_path):
    file = tmp_path / "bot.db"
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as holder,
        closing(sqlite3.connect(file, timeout=0)) as other,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            write_ahead(other, 0.2)

        assert time.monotonic() - began >= 0.2


def test_what_is_no_database_is_told_at_once(tmp_path):
    file = tmp_path / "bot.db"
    file.write_bytes(b"no database " * 100)
    with (
        closing(sqlite3.connect(file)) as connection,
        pytest.raises(sqlite3.DatabaseError, match="not a database"),
    ):
        write_ahead(connection, PATIENCE_SECONDS)
