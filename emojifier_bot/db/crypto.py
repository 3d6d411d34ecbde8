"""Encrypts the secrets that are stored, and knows where the keys are.

Fernet: AES-128 in CBC mode under an HMAC, with a random initialization vector.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from emojifier_bot.db.engine import Database, sqlite_file
from emojifier_bot.db.tables import sealed_columns
from emojifier_bot.errors import ConfigError, StoreError, VaultError

#: Added to the name of the database: ``emojifier-bot.db.keys``.
KEY_FILE_SUFFIX = ".keys"
KEY_FILE_HEAD = """\
# Keys of the tokens in the database, newest first. Without them every workspace must
# install the bot again; with them and the database anybody can act as the bot. So keep
# a copy, apart from the backups of the database. How to change the key is told in
# docs/operations.md, under Keys.
"""
COMMENT = "#"
#: Rows of one transaction of a rotation: with SQLite other writers wait some
#: milliseconds.
ROTATION_BATCH_ROWS = 200
#: How often rows that other processes changed meanwhile are read again.
ROTATION_PASSES = 5

#: The primary key of a row, then the sealed value.
Row = tuple[str, ...]


class Vault:
    """Seals secrets before they are stored, and opens them again.

    It seals with its first key and opens with any of them.
    """

    def __init__(self, keys: Sequence[str], origin: str = "ENCRYPTION_KEYS") -> None:
        """Take the keys.

        Args:
            keys: As `generate_key` makes them, newest first; at least one.
            origin: Where they stand, for messages.

        Raises:
            ConfigError: One is no key, or there is none; no message shows a key.
        """
        self._origin = origin
        problems, fernets = [], []
        for number, key in enumerate(keys, 1):
            try:
                fernets.append(Fernet(key))
            except ValueError:
                problems.append(
                    f"Key {number} of {origin} is no key: it must be 44 characters as "
                    "`emojifier-bot keys new` prints them."
                )
        if not keys:
            problems.append(
                f"{origin} holds no key; `emojifier-bot keys new` prints one."
            )
        if problems:
            raise ConfigError(problems)
        self._newest = fernets[0]
        self._all = MultiFernet(fernets)

    def seal(self, plain: str) -> str:
        """Return a text that is safe to store, another one each time."""
        return self._all.encrypt(plain.encode("utf-8")).decode("ascii")

    def unseal(self, sealed: str) -> str:
        """Return the secret.

        Raises:
            VaultError: It was sealed with a key that is not at hand, or changed.
        """
        try:
            return self._all.decrypt(_ascii(sealed)).decode("utf-8")
        except InvalidToken as error:
            raise VaultError(
                f"A stored secret cannot be opened with the keys of {self._origin}. "
                "Put the key back that it was sealed with, behind the others; if it "
                "is lost, the workspaces must install the bot again."
            ) from error

    def renew(self, sealed: str) -> str:
        """Return the same secret sealed with the first key; as it is if it was.

        Raises:
            VaultError: It was sealed with a key that is not at hand, or changed.
        """
        try:
            self._newest.decrypt(_ascii(sealed))
        except InvalidToken:
            return self.seal(self.unseal(sealed))
        return sealed


def open_vault(keys: str, database_url: str, *, make_file: bool = True) -> Vault:
    """Build the vault for a database.

    Args:
        keys: Newest first, by commas. Empty: of the file beside the SQLite database.
        database_url: Where the sealed secrets are stored.
        make_file: Whether that file is made for a new database.

    Raises:
        ConfigError: A key is wrong, or PostgreSQL is used without keys.
        StoreError: The file beside the database cannot be read or made, or is missing.
    """
    given = [key.strip() for key in keys.split(",") if key.strip()]
    if given:
        return Vault(given)
    database = sqlite_file(database_url)
    if database is None:
        problem = (
            "ENCRYPTION_KEYS is missing: with PostgreSQL every process needs the same "
            "keys. `emojifier-bot keys new` prints one."
        )
        raise ConfigError([problem])
    file = key_file_beside(database)
    # Looked at before the keys: who makes a new database makes its keys first.
    is_new = make_file and not _holds_tables(database)
    if not is_new and not file.exists():
        raise StoreError(
            f"The file of keys {file} is missing. Put it back beside the database, or "
            "set ENCRYPTION_KEYS to its keys. If they are lost, write a key of "
            "`emojifier-bot keys new` into it: workspaces must then install the bot "
            "again."
        )
    return Vault(read_or_make_key_file(file), str(file))


def _holds_tables(database: Path) -> bool:
    try:
        return database.stat().st_size > 0
    except OSError:
        return False


def generate_key() -> str:
    """Return a new key: 32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode("ascii")


def _ascii(sealed: str) -> bytes:
    # Given text that is not ASCII, Fernet raises something other than InvalidToken.
    return sealed.encode("ascii", "replace")


def key_file_beside(database: Path) -> Path:
    """Return the file that holds the keys of an SQLite database if none are set."""
    return database.with_name(database.name + KEY_FILE_SUFFIX)


def read_or_make_key_file(file: Path) -> list[str]:
    """Return the keys of a file, newest first; make it with a new key if it is missing.

    Of several processes that find it missing, one makes it and all read the same.

    Raises:
        StoreError: It can be neither read nor made.
    """
    try:
        if not file.exists():
            _make_key_file(file)
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StoreError(
            f"The file of keys {file} cannot be read or made: {reason}. Let the bot "
            "write to its folder, or set ENCRYPTION_KEYS; `emojifier-bot keys new` "
            "prints a key."
        ) from error
    return [line for line in lines if line and not line.startswith(COMMENT)]


def _make_key_file(file: Path) -> None:
    # mkstemp gives mode 0600, whatever the umask.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{KEY_FILE_HEAD}{generate_key()}\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A link appears whole and fails where the name is taken: nobody reads half a
        # key, and nobody's key is lost.
        file.hardlink_to(written)
    except FileExistsError:
        return
    finally:
        written.unlink()


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation of keys."""

    #: Secrets that are sealed with the newest key now, and were not.
    renewed: int
    #: Secrets that no key opens; they stay as they are.
    unreadable: int


def rotate(database: Database, vault: Vault) -> Rotation:
    """Seal every stored secret with the newest key, in place, while others serve.

    Every process must have the new key already. A value that another process replaces
    meanwhile is left alone: it has just been sealed with the newest key.

    Args:
        database: Where they are stored.
        vault: With the new key first and the old ones behind it.

    Returns:
        How many were renewed; a second rotation finds none.
    """
    done = [_rotate_column(database, vault, column) for column in sealed_columns()]
    return Rotation(
        renewed=sum(one.renewed for one in done),
        unreadable=sum(one.unreadable for one in done),
    )


def _rotate_column(
    database: Database, vault: Vault, column: sa.Column[str]
) -> Rotation:
    renewed = unreadable = 0
    for _ in range(ROTATION_PASSES):
        changed_meanwhile, unreadable = 0, 0
        for rows in _batches(database, column):
            new: list[tuple[Row, str]] = []
            for row in rows:
                try:
                    sealed = vault.renew(row[-1])
                except VaultError:
                    unreadable += 1
                    continue
                if sealed != row[-1]:
                    new.append((row, sealed))
            written = _replace_values(database, column, new)
            renewed += written
            changed_meanwhile += len(new) - written
        if not changed_meanwhile:
            break
    return Rotation(renewed, unreadable)


def _batches(database: Database, column: sa.Column[str]) -> Iterator[list[Row]]:
    """Yield the rows whose sealed value is not empty."""
    key = column.table.primary_key.columns
    some = sa.select(*key, column).where(column != "").order_by(*key)
    rows: list[Row] = []
    while True:
        after = some.limit(ROTATION_BATCH_ROWS)
        if rows:
            after = after.where(sa.tuple_(*key) > sa.tuple_(*rows[-1][:-1]))
        with database.reading() as connection:
            rows = [tuple(row) for row in connection.execute(after)]
        if not rows:
            return
        yield rows


def _replace_values(
    database: Database, column: sa.Column[str], new: list[tuple[Row, str]]
) -> int:
    """Store new values where the old ones are unchanged; return how many were."""
    if not new:
        return 0
    columns = [*column.table.primary_key.columns, column]
    written = 0
    with database.writing() as connection:
        for row, sealed in new:
            same = [one == value for one, value in zip(columns, row, strict=True)]
            update = sa.update(column.table).where(*same).values({column: sealed})
            written += connection.execute(update).rowcount
    return written
