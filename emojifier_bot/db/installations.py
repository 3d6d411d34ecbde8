"""Who installed the bot, with tokens sealed, and who is about to."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import (
    INSTALLATIONS,
    OAUTH_STATES,
    PLACED,
    WISHES,
    holder_of,
    insert_for,
)
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import DeliveryError, ErrorKind

#: How long somebody may look at Slack's page before pressing *Allow*.
VALID_FOR = timedelta(seconds=600)
#: 256 bits: nobody guesses one.
STATE_BYTES = 32
#: Columns that hold what an installation says, as it says it.
_PLAIN = (
    "bot_user_id",
    "bot_id",
    "app_id",
    "team_name",
    "enterprise_name",
    "installed_by",
)


@dataclass(frozen=True, slots=True)
class InstallationStore:
    """Installations in a database, their tokens encrypted."""

    database: Database
    vault: Vault
    clock: Clock

    def save(self, installation: Installation) -> None:
        """Keep it, in place of an older one of the same workspace or organisation.

        Raises:
            ValueError: It names neither.
        """
        row = self._row(installation)
        with self.database.writing() as connection:
            insert = insert_for(connection, INSTALLATIONS).values(row)
            replace = insert.on_conflict_do_update(
                index_elements=[INSTALLATIONS.c.holder_id], set_=row
            )
            connection.execute(replace)

    def find(self, workspace: Workspace) -> Installation | None:
        """Return a workspace's own, else its organisation's, else None.

        A request that says that the organisation's serves it gets no other one.
        """
        found = (
            sa.select(INSTALLATIONS)
            .where(_serves(workspace))
            .order_by(INSTALLATIONS.c.is_org_install)
        )
        with self.database.reading() as connection:
            row = connection.execute(found).mappings().first()
        return self._installation(row) if row else None

    def replace_tokens(self, installation: Installation, spent_refresh: str) -> bool:
        """Keep rotated tokens if nobody was faster.

        Returns:
            False where the stored refresh token is not the one that was spent.
        """
        update = (
            sa.update(INSTALLATIONS)
            .where(INSTALLATIONS.c.holder_id == holder_of(installation.workspace))
            .where(INSTALLATIONS.c.refresh_digest != "")
            .where(INSTALLATIONS.c.refresh_digest == _digest(spent_refresh))
            .values(self._tokens(installation))
        )
        with self.database.writing() as connection:
            return connection.execute(update).rowcount == 1

    def delete(self, workspace: Workspace, until: datetime | None = None) -> bool:
        """Forget the installation and every row of that workspace.

        With an organisation's go the rows of all its workspaces, except those that
        have an installation of their own. Where the organisation's goes on serving a
        workspace, what people want there stays.

        Args:
            workspace: Or an organisation.
            until: What was installed later stays, with its rows.

        Returns:
            Whether it was there.
        """
        holder = holder_of(workspace)
        gone = sa.delete(INSTALLATIONS).where(INSTALLATIONS.c.holder_id == holder)
        if until is not None:
            gone = gone.where(INSTALLATIONS.c.installed_at <= until)
        with self.database.writing() as connection:
            was_there = connection.execute(gone).rowcount == 1
            _delete_rows(connection, workspace)
        return was_there

    def delete_rows(self, workspace: Workspace) -> None:
        """Forget the rows that somebody wrote while it was deleted.

        One that was installed again meanwhile keeps its own.
        """
        with self.database.writing() as connection:
            _delete_rows(connection, workspace)

    def workspace_rows(
        self, workspace: Workspace
    ) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        """Yield the tables and every row that `delete` removes, as JSON types.

        They are of one moment, and read as they are asked for. Sealed texts stay
        sealed.
        """
        holder = holder_of(workspace)
        is_holder = INSTALLATIONS.c.holder_id == holder
        chosen = {INSTALLATIONS.name: sa.select(INSTALLATIONS).where(is_holder)}
        for table in PLACED:
            rows = sa.select(table).where(_belongs(table, holder))
            chosen[table.name] = rows.order_by(*table.primary_key)
        with self.database.reading() as connection:
            for name, rows in chosen.items():
                yield name, map(_plain, connection.execute(rows).mappings())

    def all(self) -> list[Installation]:
        """Return all of them, oldest first."""
        order = (INSTALLATIONS.c.installed_at, INSTALLATIONS.c.holder_id)
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(INSTALLATIONS).order_by(*order))
            found = rows.mappings().all()
        return [self._installation(row) for row in found]

    def holders(self) -> frozenset[str]:
        """Return the ids of the workspaces and organisations that have one."""
        with self.database.reading() as connection:
            found = connection.execute(sa.select(INSTALLATIONS.c.holder_id))
            return frozenset(found.scalars())

    def _row(self, installation: Installation) -> dict[str, Any]:
        workspace = installation.workspace
        holder = holder_of(workspace)
        if not holder:
            raise ValueError("An installation names a workspace or an organisation.")
        whole = holder == workspace.enterprise_id
        row = {name: getattr(installation, name) for name in _PLAIN}
        return (
            self._tokens(installation)
            | row
            | {
                "holder_id": holder,
                "team_id": "" if whole else workspace.team_id,
                "enterprise_id": workspace.enterprise_id,
                "is_org_install": whole,
                "scopes": list(installation.scopes),
                "installed_at": installation.installed_at or self.clock.now(),
            }
        )

    def _tokens(self, installation: Installation) -> dict[str, Any]:
        refresh = installation.refresh_token
        return {
            "bot_token": self.vault.seal(installation.bot_token),
            "refresh_token": self.vault.seal(refresh) if refresh else "",
            "refresh_digest": _digest(refresh) if refresh else "",
            "expires_at": installation.expires_at,
        }

    def _installation(self, row: sa.RowMapping) -> Installation:
        refresh = row["refresh_token"]
        return Installation(
            workspace=Workspace(
                row["team_id"], row["enterprise_id"], row["is_org_install"]
            ),
            bot_token=self.vault.unseal(row["bot_token"]),
            scopes=tuple(row["scopes"]),
            refresh_token=self.vault.unseal(refresh) if refresh else "",
            expires_at=row["expires_at"],
            installed_at=row["installed_at"],
            **{name: row[name] for name in _PLAIN},
        )


@dataclass(frozen=True, slots=True)
class OAuthStates:
    """One-time states in a database, which keeps a hash of each state only."""

    database: Database
    clock: Clock

    def issue(self) -> str:
        """Return a new state, good for ten minutes; forget those that went stale."""
        state = secrets.token_urlsafe(STATE_BYTES)
        now = self.clock.now()
        row = {"state_digest": _digest(state), "expires_at": now + VALID_FOR}
        stale = sa.delete(OAUTH_STATES).where(OAUTH_STATES.c.expires_at <= now)
        with self.database.writing() as connection:
            connection.execute(stale)
            connection.execute(sa.insert(OAUTH_STATES).values(row))
        return state

    def consume(self, state: str) -> bool:
        """Return whether it was issued, is fresh and was not used; it is used now.

        One statement finds and removes it, so that of several who come with the same
        state one gets True.
        """
        taken = (
            sa.delete(OAUTH_STATES)
            .where(OAUTH_STATES.c.state_digest == _digest(state))
            .where(OAUTH_STATES.c.expires_at > self.clock.now())
        )
        with self.database.writing() as connection:
            return connection.execute(taken).rowcount == 1


def not_installed_error() -> DeliveryError:
    """Return the error where no installation serves a workspace."""
    return DeliveryError(
        "The bot is not installed in that workspace, or no longer. Install it again.",
        kind=ErrorKind.NOT_INSTALLED,
    )


def require_installed(connection: sa.Connection, workspace: Workspace) -> None:
    """Make sure that what this transaction writes is removed with the installation.

    Who removes that waits until the end of the transaction.

    Raises:
        DeliveryError: ``not_installed``.
    """
    found = sa.select(INSTALLATIONS.c.holder_id).where(_serves(workspace))
    held = found.with_for_update(read=True, key_share=True)
    if connection.execute(held).first() is None:
        raise not_installed_error()


def _serves(workspace: Workspace) -> sa.ColumnElement[bool]:
    """Match a workspace's own installation, and its organisation's."""
    holders = {holder_of(workspace), workspace.enterprise_id} - {""}
    return INSTALLATIONS.c.holder_id.in_(holders)


def _delete_rows(connection: sa.Connection, workspace: Workspace) -> None:
    holder = holder_of(workspace)
    if not holder:
        return
    # Asked by each statement itself: others may install meanwhile.
    is_own = INSTALLATIONS.c.holder_id == holder
    for table in PLACED:
        serves = _serves(workspace) if table in WISHES else is_own
        ended = ~sa.exists().where(serves)
        connection.execute(sa.delete(table).where(_belongs(table, holder), ended))


def _digest(secret: str) -> str:
    # Anybody may send anything as a state, halves of surrogate pairs too.
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()


def _belongs(table: sa.Table, holder: str) -> sa.ColumnElement[bool]:
    """Match the rows that go with an installation.

    Those of a workspace with an installation of its own are not its organisation's.
    """
    own = sa.select(INSTALLATIONS.c.holder_id)
    of_organisation = (table.c.enterprise_id == holder) & table.c.place_id.not_in(own)
    return (table.c.place_id == holder) | of_organisation


def _plain(row: sa.RowMapping) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
