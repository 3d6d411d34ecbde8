"""Lets an SQLite file's log be written ahead, however many ask for it at once."""

from __future__ import annotations

import sqlite3
import time

#: How soon who was refused the lock asks for it again.
PAUSE_SECONDS = 0.01
#: Bits of SQLite's result codes that its extended codes add to.
PRIMARY_CODE = 0xFF


def write_ahead(connection: sqlite3.Connection, patience_seconds: float) -> None:
    """Let readers and the one writer not wait for each other; stays with the file.

    In a new file one process at a time can say so, and SQLite refuses the others at
    once, whatever their busy timeout: so they ask again.

    Raises:
        sqlite3.OperationalError: The file was locked all the time, or is not to be had.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > until:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return
