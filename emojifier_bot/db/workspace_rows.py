"""Every row that is kept about one workspace or organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import INSTALLATIONS, PLACED, holder_of
from emojifier_bot.domain import Workspace

__all__ = ["workspace_rows"]


def workspace_rows(
    database: Database, workspace: Workspace
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table as JSON types; sealed texts stay sealed.

    Those of a workspace with an installation of its own are not its organisation's.
    """
    holder = holder_of(workspace)
    own = sa.select(INSTALLATIONS.c.holder_id)
    chosen = [sa.select(INSTALLATIONS).where(INSTALLATIONS.c.holder_id == holder)]
    for table in PLACED:
        of_its = (table.c.enterprise_id == holder) & table.c.place_id.not_in(own)
        is_own = (table.c.place_id == holder) | of_its
        chosen.append(sa.select(table).where(is_own).order_by(*table.primary_key))
    names = [INSTALLATIONS.name, *(table.name for table in PLACED)]
    with database.reading() as connection:
        return {
            name: [_plain(row) for row in connection.execute(rows).mappings()]
            for name, rows in zip(names, chosen, strict=True)
        }


def _plain(row: sa.RowMapping) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
