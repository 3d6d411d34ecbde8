"""Seals secrets with Fernet: AES-128 in CBC mode under an HMAC, with a random start."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from emojifier_bot.db.engine import sqlite_file
from emojifier_bot.db.key_file import key_file_beside, read_or_make
from emojifier_bot.errors import ConfigError, StoreError, VaultError

__all__ = ["FernetVault", "generate_key", "open_vault"]


class FernetVault:
    """A `Vault` that seals with its first key and opens with any of them."""

    def __init__(self, keys: Sequence[str], origin: str = "ENCRYPTION_KEYS") -> None:
        """Take the keys.

        Args:
            keys: As `generate_key` makes them, newest first; at least one.
            origin: Where they stand, for messages.

        Raises:
            ConfigError: One is no key, or there is none; no message tells a key.
        """
        self._origin = origin
        fernets = _fernets(keys, origin)
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
            return self._all.decrypt(_bytes(sealed)).decode("utf-8")
        except InvalidToken as error:
            raise self._unknown() from error

    def renew(self, sealed: str) -> str:
        """Return the same secret sealed with the first key; as it is if it was.

        Raises:
            VaultError: It was sealed with a key that is not at hand, or changed.
        """
        try:
            self._newest.decrypt(_bytes(sealed))
        except InvalidToken:
            return self.seal(self.unseal(sealed))
        return sealed

    def _unknown(self) -> VaultError:
        return VaultError(
            f"A stored secret cannot be opened with the keys of {self._origin}. Put "
            "the key back that it was sealed with, behind the others; if it is lost, "
            "the workspaces must install the bot again."
        )


def open_vault(keys: str, database_url: str, *, make_file: bool = True) -> FernetVault:
    """Build the vault for a database.

    Args:
        keys: Newest first, by commas. Empty: of the file beside the SQLite database.
        database_url: Where the sealed secrets are stored.
        make_file: Whether that file is made if it is not there.

    Raises:
        ConfigError: A key is wrong, or PostgreSQL is used without keys.
        StoreError: The file beside the database cannot be read or made, or is missing.
    """
    given = [key.strip() for key in keys.split(",") if key.strip()]
    if given:
        return FernetVault(given)
    database = sqlite_file(database_url)
    if database is None:
        problem = (
            "ENCRYPTION_KEYS is missing: with PostgreSQL every process needs the same "
            "keys. `emojifier-bot keys new` prints one."
        )
        raise ConfigError([problem])
    file = key_file_beside(database)
    if not make_file and not file.exists():
        raise StoreError(
            f"The file of keys {file} is missing. Put it back beside the database: "
            "without it the tokens cannot be read, and workspaces install anew."
        )
    return FernetVault(read_or_make(file, generate_key), str(file))


def generate_key() -> str:
    """Return a new key: 32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode("ascii")


def _bytes(sealed: str) -> bytes:
    # Of text that is not ASCII, Fernet says something other than that it is no token.
    return sealed.encode("ascii", "replace")


def _fernets(keys: Sequence[str], origin: str) -> list[Fernet]:
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
        problems.append(f"{origin} holds no key; `emojifier-bot keys new` prints one.")
    if problems:
        raise ConfigError(problems)
    return fernets
