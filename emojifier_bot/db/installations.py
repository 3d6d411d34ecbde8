"""Who installed the bot, with tokens sealed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import INSTALLATIONS, PLACED, holder_of, insert_for
from emojifier_bot.domain import Installation, Workspace

__all__ = ["InstallationStore"]


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
        holders = {holder_of(workspace), workspace.enterprise_id} - {""}
        found = (
            sa.select(INSTALLATIONS)
            .where(INSTALLATIONS.c.holder_id.in_(holders))
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

    def delete(self, workspace: Workspace) -> bool:
        """Forget the installation and every row of that workspace.

        With an organisation's go the rows of all its workspaces, except those that
        have an installation of their own.
        """
        holder = holder_of(workspace)
        if not holder:
            return False
        gone = sa.delete(INSTALLATIONS).where(INSTALLATIONS.c.holder_id == holder)
        with self.database.writing() as connection:
            was_there = connection.execute(gone).rowcount == 1
            for table in PLACED:
                connection.execute(sa.delete(table).where(_belongs(table, holder)))
        return was_there

    def workspace_rows(self, workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
        """Return every row that `delete` removes, by table, as JSON types.

        Sealed texts stay sealed.
        """
        holder = holder_of(workspace)
        is_holder = INSTALLATIONS.c.holder_id == holder
        chosen = {INSTALLATIONS.name: sa.select(INSTALLATIONS).where(is_holder)}
        for table in PLACED:
            rows = sa.select(table).where(_belongs(table, holder))
            chosen[table.name] = rows.order_by(*table.primary_key)
        with self.database.reading() as connection:
            return {
                name: [_plain(row) for row in connection.execute(rows).mappings()]
                for name, rows in chosen.items()
            }

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
        return self._tokens(installation) | {
            "holder_id": holder,
            "team_id": "" if whole else workspace.team_id,
            "enterprise_id": workspace.enterprise_id,
            "is_org_install": whole,
            "bot_user_id": installation.bot_user_id,
            "bot_id": installation.bot_id,
            "app_id": installation.app_id,
            "scopes": list(installation.scopes),
            "team_name": installation.team_name,
            "enterprise_name": installation.enterprise_name,
            "installed_by": installation.installed_by,
            "installed_at": installation.installed_at or self.clock.now(),
        }

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
            bot_user_id=row["bot_user_id"],
            bot_id=row["bot_id"],
            app_id=row["app_id"],
            scopes=tuple(row["scopes"]),
            refresh_token=self.vault.unseal(refresh) if refresh else "",
            expires_at=row["expires_at"],
            team_name=row["team_name"],
            enterprise_name=row["enterprise_name"],
            installed_by=row["installed_by"],
            installed_at=row["installed_at"],
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


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
