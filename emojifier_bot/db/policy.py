"""What requests are checked against: where the bot is off, who opted out, limits.

Each limit is a bucket that holds so many pictures and fills again evenly over its
period. A row keeps the time at which it is full again, so that asking is one statement,
counts for all processes together, and nobody's requests are listed anywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.engine import Database
from emojifier_bot.db.installations import require_installed
from emojifier_bot.db.tables import ALLOWANCES, CHANNELS_OFF, OPT_OUTS, insert_for
from emojifier_bot.domain import Exhausted, Limit, Workspace

#: Times are sums of fractions: a limit of ten is not nine for the last digit.
ROUNDING_SECONDS = 1e-3
#: How long it is known which of several pictures were taken when a limit was in the
#: way of the others.
NOTED_SECONDS = 86_400
#: Rows that say nothing any more and go with each picture: more than it adds.
SWEPT_ROWS = 10


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
        """Switch the bot off in a channel, or on again, for one workspace.

        Raises:
            DeliveryError: ``not_installed``; it cannot be switched off there.
        """
        key = {"channel_id": channel_id, "place_id": workspace.id}
        facts = {
            "enterprise_id": workspace.enterprise_id,
            "switched_by": user_id,
            "switched_at": self.clock.now(),
        }
        with self.database.writing() as connection:
            if off:
                require_installed(connection, workspace)
                insert = insert_for(connection, CHANNELS_OFF).values(key | facts)
                connection.execute(insert.on_conflict_do_nothing())
            else:
                connection.execute(sa.delete(CHANNELS_OFF).filter_by(**key))

    def channels_off(self, workspace: Workspace) -> list[str]:
        """Return the channels in which a workspace has switched the bot off."""
        found = sa.select(CHANNELS_OFF.c.channel_id).filter_by(place_id=workspace.id)
        rows = found.order_by(CHANNELS_OFF.c.switched_at)
        with self.database.reading() as connection:
            return list(connection.execute(rows).scalars())

    def is_off(self, channel_id: str) -> bool:
        """Tell whether any workspace that shares a channel has it switched off."""
        found = sa.select(CHANNELS_OFF.c.place_id).filter_by(channel_id=channel_id)
        with self.database.reading() as connection:
            return connection.execute(found.limit(1)).first() is not None

    def opt(self, workspace: Workspace, user_id: str, *, out: bool) -> None:
        """Note that somebody's pictures are to be left alone, or no longer.

        Within an organisation a person is the same in every workspace: who opts in
        again does so for all of it.

        Raises:
            DeliveryError: ``not_installed``; nobody can opt out there.
        """
        place, enterprise = workspace.id, workspace.enterprise_id
        row = {"user_id": user_id, "place_id": place, "enterprise_id": enterprise}
        here = OPT_OUTS.c.place_id == place
        if enterprise:
            here |= OPT_OUTS.c.enterprise_id == enterprise
        with self.database.writing() as connection:
            if out:
                require_installed(connection, workspace)
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


class _ExhaustedError(Exception):
    """Ends a transaction, so that no limit is charged where another is used up."""

    def __init__(self, exhausted: Exhausted) -> None:
        super().__init__()
        self.exhausted = exhausted


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """Token buckets in a database.

    They are asked while Slack waits, and a power cut may fill them up a little.
    """

    database: Database
    clock: Clock
    #: Everybody takes them in this order, so that nobody waits for each other.
    limits: tuple[Limit, ...]

    def take(self, workspace: Workspace, user_id: str) -> Exhausted | None:
        """Count one picture; where a limit is used up, nothing is counted.

        Returns:
            The limit that is in the way, None for none.
        """
        try:
            with self.database.writing(durable=False) as connection:
                for bucket in self._buckets(workspace, user_id):
                    bucket.take(connection)
                _sweep(connection, self.clock.now().timestamp())
        except _ExhaustedError as error:
            return error.exhausted
        return None

    def charge(self, workspace: Workspace, user_id: str, pictures: int) -> None:
        """Count pictures whatever the limits are; a negative number gives some back."""
        with self.database.writing(durable=False) as connection:
            for bucket in self._buckets(workspace, user_id):
                bucket.spend(connection, pictures, sys.float_info.max)

    def noted(
        self, workspace: Workspace, user_id: str, pictures: Collection[str]
    ) -> frozenset[str]:
        """Return those of some pictures that `note` knows, by the same names."""
        key, now = ALLOWANCES.c.user_id, self.clock.now().timestamp()
        names = {f"{user_id}:{one}": one for one in pictures}
        found = sa.select(key).where(
            ALLOWANCES.c.place_id == workspace.id,
            ALLOWANCES.c.period_seconds == NOTED_SECONDS,
            ALLOWANCES.c.spent_until > now,
            key.in_(names),
        )
        with self.database.reading() as connection:
            rows = connection.execute(found).scalars()
            return frozenset(names[one] for one in rows)

    def note(
        self, workspace: Workspace, user_id: str, pictures: Mapping[str, bool]
    ) -> None:
        """Note which of some pictures somebody got and which a limit left out.

        Args:
            workspace: Where they asked.
            user_id: Who asked.
            pictures: By name, whether it was taken: known for a day.
        """
        until = self.clock.now().timestamp() + NOTED_SECONDS
        with self.database.writing(durable=False) as connection:
            for name, taken in pictures.items():
                row = {
                    "place_id": workspace.id,
                    "user_id": f"{user_id}:{name}",
                    "period_seconds": NOTED_SECONDS,
                }
                connection.execute(sa.delete(ALLOWANCES).filter_by(**row))
                if taken:
                    row |= {"enterprise_id": workspace.enterprise_id}
                    insert = insert_for(connection, ALLOWANCES)
                    once = insert.values(row | {"spent_until": until})
                    connection.execute(once.on_conflict_do_nothing())

    def _buckets(self, workspace: Workspace, user_id: str) -> list[_Bucket]:
        now = self.clock.now().timestamp()
        return [
            _Bucket(
                limit,
                now,
                {
                    "place_id": workspace.id,
                    "user_id": user_id if limit.is_personal else "",
                    "period_seconds": limit.period_seconds,
                    "enterprise_id": workspace.enterprise_id,
                },
            )
            for limit in self.limits
        ]


@dataclass(frozen=True, slots=True)
class _Bucket:
    """One limit of one person or workspace, at one moment."""

    limit: Limit
    now: float
    #: What names its row.
    row: dict[str, Any]

    def take(self, connection: sa.Connection) -> None:
        """Take one picture out.

        Raises:
            _ExhaustedError: There is none in it.
        """
        most = self.now + self.limit.period_seconds + ROUNDING_SECONDS
        if not self.spend(connection, 1, most):
            is_own = (one == self.row[one.name] for one in ALLOWANCES.primary_key)
            row = sa.select(ALLOWANCES.c.spent_until).where(*is_own)
            after = connection.execute(row).scalar_one() + self._seconds(1)
            raise _ExhaustedError(Exhausted(self.limit, max(after - most, 0.0)))

    def spend(self, connection: sa.Connection, pictures: int, most: float) -> bool:
        """Take pictures out, unless it were full later than ``most`` then."""
        until = ALLOWANCES.c.spent_until
        seconds = self._seconds(pictures)
        after = sa.case((until > self.now, until), else_=self.now) + seconds
        first = self.row | {"spent_until": self.now + seconds}
        insert = insert_for(connection, ALLOWANCES).values(first)
        moved = insert.on_conflict_do_update(
            index_elements=list(ALLOWANCES.primary_key),
            set_={"spent_until": after},
            where=after <= most,
        )
        return connection.execute(moved.returning(until)).first() is not None

    def _seconds(self, pictures: int) -> float:
        """Return how long so many pictures take to come back."""
        return pictures * self.limit.period_seconds / self.limit.pictures


def _sweep(connection: sa.Connection, now: float) -> None:
    """Remove some rows whose time has come, but none that others are at."""
    key = sa.tuple_(*ALLOWANCES.primary_key)
    stale = (
        sa.select(*ALLOWANCES.primary_key)
        .where(ALLOWANCES.c.spent_until <= now)
        .order_by(ALLOWANCES.c.spent_until)
        .limit(SWEPT_ROWS)
        .with_for_update(skip_locked=True)
    )
    connection.execute(sa.delete(ALLOWANCES).where(key.in_(stale)))
