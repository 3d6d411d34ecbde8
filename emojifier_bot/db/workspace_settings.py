"""Where the bot is switched off, and whose pictures it leaves alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import CHANNELS_OFF, OPT_OUTS, insert_for, place_of
from emojifier_bot.domain import Workspace

__all__ = ["WorkspaceSettings"]


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """Settings in a database.

    Slack's ids follow a channel that is shared and a person who is met elsewhere, so
    both are looked up by id alone; rows are kept, and go, with the workspace in which
    somebody said so.
    """

    database: Database
    clock: Clock

    def switch(
        self, workspace: Workspace, channel_id: str, user_id: str, *, off: bool
    ) -> None:
        """Switch the bot off in a channel, or on again, for one workspace."""
        key = {"channel_id": channel_id, "place_id": place_of(workspace)}
        facts = {
            "enterprise_id": workspace.enterprise_id,
            "switched_by": user_id,
            "switched_at": self.clock.now(),
        }
        with self.database.writing() as connection:
            if off:
                insert = insert_for(connection, CHANNELS_OFF).values(key | facts)
                connection.execute(insert.on_conflict_do_nothing())
            else:
                connection.execute(sa.delete(CHANNELS_OFF).filter_by(**key))

    def is_off(self, channel_id: str) -> bool:
        """Tell whether any workspace that shares a channel has it switched off."""
        found = sa.select(CHANNELS_OFF.c.place_id).filter_by(channel_id=channel_id)
        with self.database.reading() as connection:
            return connection.execute(found.limit(1)).first() is not None

    def opt(self, workspace: Workspace, user_id: str, *, out: bool) -> None:
        """Note that somebody's pictures are to be left alone, or no longer.

        Within an organisation a person is the same in every workspace: who opts in
        again does so for all of it.
        """
        place, enterprise = place_of(workspace), workspace.enterprise_id
        row = {"user_id": user_id, "place_id": place, "enterprise_id": enterprise}
        here = OPT_OUTS.c.place_id == place
        if enterprise:
            here |= OPT_OUTS.c.enterprise_id == enterprise
        with self.database.writing() as connection:
            if out:
                row_now = row | {"opted_out_at": self.clock.now()}
                insert = insert_for(connection, OPT_OUTS).values(row_now)
                connection.execute(insert.on_conflict_do_nothing())
            else:
                gone = sa.delete(OPT_OUTS).where(OPT_OUTS.c.user_id == user_id, here)
                connection.execute(gone)

    def opted_out(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return those of some people whose pictures are to be left alone.

        Args:
            user_ids: Empty ones stand for nobody.
        """
        known = [one for one in user_ids if one]
        if not known:
            return frozenset()
        found = sa.select(OPT_OUTS.c.user_id).where(OPT_OUTS.c.user_id.in_(known))
        with self.database.reading() as connection:
            return frozenset(connection.execute(found).scalars())
