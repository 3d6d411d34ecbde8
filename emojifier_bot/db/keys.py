"""Seals everything that is stored anew, with the newest key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import sealed_columns
from emojifier_bot.errors import VaultError

__all__ = ["Rotation", "rotate"]

#: Rows of one transaction: with SQLite other writers wait some milliseconds.
BATCH_ROWS = 200
#: How often what others changed meanwhile is looked at again.
PASSES = 5


class RenewingVault(Protocol):
    """What a rotation needs of a vault."""

    def renew(self, sealed: str) -> str:
        """Return the same secret sealed with the newest key; as it is if it was."""
        ...


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did."""

    #: Secrets that are sealed with the newest key now, and were not.
    renewed: int
    #: Secrets that no key opens; they stay as they are.
    unreadable: int


def rotate(database: Database, vault: RenewingVault) -> Rotation:
    """Seal every stored secret with the newest key, in place, while others serve.

    Every process must have the new key already. A value that another process replaces
    meanwhile is left alone: it was sealed anew just now.

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
    database: Database, vault: RenewingVault, column: sa.Column[str]
) -> Rotation:
    renewed = unreadable = 0
    for _ in range(PASSES):
        changed_meanwhile, unreadable = 0, 0
        for rows in _batches(database, column):
            new, failed = _renew(vault, rows)
            written = _write(database, column, new)
            renewed += written
            unreadable += failed
            changed_meanwhile += len(new) - written
        if not changed_meanwhile:
            break
    return Rotation(renewed, unreadable)


def _batches(
    database: Database, column: sa.Column[str]
) -> Iterator[list[tuple[str, ...]]]:
    """Yield rows that hold something: their primary key, then the sealed value."""
    key = column.table.primary_key.columns
    some = sa.select(*key, column).where(column != "").order_by(*key).limit(BATCH_ROWS)
    rows: list[tuple[str, ...]] = []
    while True:
        after = some
        if rows:
            after = some.where(sa.tuple_(*key) > sa.tuple_(*rows[-1][:-1]))
        with database.reading() as connection:
            rows = [tuple(row) for row in connection.execute(after)]
        if not rows:
            return
        yield rows


def _renew(
    vault: RenewingVault, rows: list[tuple[str, ...]]
) -> tuple[list[tuple[tuple[str, ...], str]], int]:
    """Return the rows that need a new value, each with it, and how many fail."""
    new, failed = [], 0
    for row in rows:
        try:
            sealed = vault.renew(row[-1])
        except VaultError:
            failed += 1
            continue
        if sealed != row[-1]:
            new.append((row, sealed))
    return new, failed


def _write(
    database: Database,
    column: sa.Column[str],
    new: list[tuple[tuple[str, ...], str]],
) -> int:
    """Put new values in place of the old ones; return how many still were there."""
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
