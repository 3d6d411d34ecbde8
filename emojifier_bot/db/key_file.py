"""The file of keys beside an SQLite database, for who sets none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from emojifier_bot.errors import StoreError

__all__ = ["key_file_beside", "read_or_make"]

#: Added to the name of the database: ``emojifier-bot.db.keys``.
SUFFIX = ".keys"
HEAD = """\
# Keys of the tokens in the database, newest first. Keep this file as safe as the
# database, and with it: without it every workspace must install the bot again.
# To change the key: `emojifier-bot keys new` prints one, put it above the others, start
# the bot again, run `emojifier-bot keys rotate`, then take the old ones out.
"""
COMMENT = "#"


def key_file_beside(database: Path) -> Path:
    """Return where the keys of an SQLite database stand."""
    return database.with_name(database.name + SUFFIX)


def read_or_make(file: Path, new_key: Callable[[], str]) -> list[str]:
    """Return the keys of a file, newest first; make it with a new key if it is missing.

    Of several processes that find it missing, one makes it and all read the same.

    Raises:
        StoreError: It can be neither read nor made.
    """
    try:
        if not file.exists():
            _make(file, new_key())
        return _keys(file)
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(file, error) from error


def _keys(file: Path) -> list[str]:
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(COMMENT)]


def _make(file: Path, key: str) -> None:
    # mkstemp gives mode 0600, whatever the umask.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{HEAD}{key}\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A link appears whole and fails where the name is taken: nobody reads half a
        # key, and nobody's key is lost.
        file.hardlink_to(written)
    except FileExistsError:
        return
    finally:
        written.unlink()


def _refused(file: Path, error: OSError | UnicodeDecodeError) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else "it is not text"
    return StoreError(
        f"The file of keys {file} cannot be read or made: {reason}. Let the bot write "
        "to its folder, or set ENCRYPTION_KEYS; `emojifier-bot keys new` prints a key."
    )
