"""What a person, or an admin for a whole workspace, has chosen; by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from emojifier_bot.db.engine import Database
from emojifier_bot.db.installations import require_installed
from emojifier_bot.db.tables import PREFERENCES, insert_for
from emojifier_bot.domain import Workspace
from emojifier_bot.emotion_models import lowest

#: Chooses for a workspace.
EVERYBODY = ""


class Preference(StrEnum):
    """What may be chosen; the values are stored."""

    #: Name of the theme where none is asked for.
    THEME = "theme"
    #: `ON` or `OFF`: whether a result is shown to the asker alone first.
    PREVIEW = "preview"
    #: How faces are read at most.
    READING = "reading"


ON, OFF = "on", "off"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices in a database."""

    database: Database

    def choose(
        self, workspace: Workspace, user_id: str, name: Preference, value: str
    ) -> None:
        """Keep a choice, of a person or of `EVERYBODY`; an empty one undoes it.

        Raises:
            DeliveryError: ``not_installed``; there is nothing to choose there.
        """
        key = {"place_id": workspace.id, "user_id": user_id, "name": name}
        row = key | {"enterprise_id": workspace.enterprise_id, "value": value}
        with self.database.writing() as connection:
            if not value:
                connection.execute(sa.delete(PREFERENCES).filter_by(**key))
                return
            require_installed(connection, workspace)
            insert = insert_for(connection, PREFERENCES).values(row)
            changed = insert.on_conflict_do_update(
                index_elements=list(PREFERENCES.primary_key), set_={"value": value}
            )
            connection.execute(changed)

    def chosen(self, workspace: Workspace, user_id: str = EVERYBODY) -> dict[str, str]:
        """Return the choices of one person, or of `EVERYBODY`, by name."""
        return self._found(workspace, (user_id,)).get(user_id, {})

    def effective(self, workspace: Workspace, user_id: str) -> dict[str, str]:
        """Return what holds for a person: their own choice, else the workspace's."""
        found = self._found(workspace, (EVERYBODY, user_id))
        return found.get(EVERYBODY, {}) | found.get(user_id, {})

    def reading(self, workspace: Workspace, user_id: str) -> str:
        """Return how a person's requests read faces at most; empty for no limit."""
        found = self._found(workspace, (EVERYBODY, user_id)).values()
        wishes = [one.get(Preference.READING, "") for one in found]
        return lowest(*wishes) if any(wishes) else ""

    def _found(
        self, workspace: Workspace, user_ids: tuple[str, ...]
    ) -> dict[str, dict[str, str]]:
        table = PREFERENCES.c
        rows = sa.select(table.user_id, table.name, table.value).where(
            table.place_id == workspace.id, table.user_id.in_(user_ids)
        )
        found: dict[str, dict[str, str]] = {}
        with self.database.reading() as connection:
            for user_id, name, value in connection.execute(rows):
                found.setdefault(user_id, {})[name] = value
        return found
