"""Copies what the bot remembers from one database into another, of either kind.

Installations that are under way are left behind: they are good for ten minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import sqlalchemy as sa

from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.migrate import SchemaState, schema_state, upgrade
from emojifier_bot.db.tables import INSTALLATIONS, PLACED, SEALED
from emojifier_bot.errors import StoreError, VaultError

COPIED = (INSTALLATIONS, *PLACED)


def check_source(url: str) -> None:
    """Check that a database can be copied from.

    Raises:
        StoreError: It does not answer, or has other tables than those of this version.
    """
    if schema_state(url) is not SchemaState.CURRENT:
        raise StoreError(
            "The database to copy from was not used by this version of the bot. Look "
            "at --from, or run `emojifier-bot migrate` on it first."
        )


def copy_tables(source_url: str, target_url: str, vault: Vault) -> Mapping[str, int]:
    """Copy every row, all together or none; no process may run on either.

    Args:
        source_url: Stays as it is; `check_source` has checked it.
        target_url: Gets its tables if it has none; they must hold nothing yet.
        vault: What the target's processes will use; it must open what is copied.

    Returns:
        The number of rows, by table.

    Raises:
        StoreError: A database does not answer, is not as it must be, or holds what the
            vault cannot open.
    """
    upgrade(target_url)
    copied = {}
    with (
        closing(open_database(source_url)) as source,
        closing(open_database(target_url)) as target,
        source.reading() as reading,
        target.writing() as writing,
    ):
        for table in COPIED:
            if writing.execute(sa.select(table).limit(1)).first():
                raise StoreError(
                    "The database of DATABASE_URL is in use: its table "
                    f"{table.name} holds rows. Copy into an empty one."
                )
            rows = [dict(row) for row in reading.execute(sa.select(table)).mappings()]
            _check_keys(table, rows, vault)
            if rows:
                writing.execute(sa.insert(table), rows)
            copied[table.name] = len(rows)
    return copied


def _check_keys(table: sa.Table, rows: list[dict[str, object]], vault: Vault) -> None:
    sealed = [column.name for column in table.columns if column.info == SEALED]
    try:
        for row in rows:
            for name in filter(row.get, sealed):
                vault.unseal(str(row[name]))
    except VaultError as error:
        raise StoreError(
            "What is copied is encrypted with another key: put the keys of the "
            "database to copy from into ENCRYPTION_KEYS. For SQLite they are in the "
            "file beside it that ends in .keys."
        ) from error
