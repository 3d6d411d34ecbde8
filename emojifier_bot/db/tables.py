"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from emojifier_bot.domain import Workspace

#: Marks a column that holds what a `Vault` sealed, for the rotation of keys.
SEALED = {"sealed": True}


class Moment(sa.TypeDecorator[datetime]):
    """An aware time. SQLite knows none: it keeps UTC, and what it gives is UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        """Turn it to UTC.

        Raises:
            ValueError: It is naive.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"A stored time is aware, not {value!r}.")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        """Return it aware, in UTC."""
        del dialect
        if value is None:
            return None
        is_aware = value.tzinfo is not None
        return value.astimezone(UTC) if is_aware else value.replace(tzinfo=UTC)


class Words(sa.TypeDecorator[str]):
    """Text from anywhere, but for the two things that a database would refuse."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Put signs in place of NUL characters and halves of surrogate pairs."""
        del dialect
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _words(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, Words, nullable=False, **options)


METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: One row for each workspace or organisation that installed the bot.
INSTALLATIONS = sa.Table(
    "installations",
    METADATA,
    _words("holder_id", primary_key=True),
    _words("team_id"),
    _words("enterprise_id"),
    sa.Column("is_org_install", sa.Boolean, nullable=False),
    _words("bot_token", info=SEALED),
    _words("refresh_token", info=SEALED),
    # SHA-256 of the refresh token, to compare without opening; empty where none is.
    _words("refresh_digest"),
    sa.Column("expires_at", Moment),
    _words("bot_user_id"),
    _words("bot_id"),
    _words("app_id"),
    sa.Column("scopes", sa.JSON, nullable=False),
    _words("team_name"),
    _words("enterprise_name"),
    _words("installed_by"),
    sa.Column("installed_at", Moment, nullable=False),
)

#: One row for each installation that is under way.
OAUTH_STATES = sa.Table(
    "oauth_states",
    METADATA,
    # SHA-256: who reads the table cannot finish somebody else's installation.
    _words("state_digest", primary_key=True),
    sa.Column("expires_at", Moment, nullable=False, index=True),
)

#: One row for each post of the last days.
POSTS = sa.Table(
    "posts",
    METADATA,
    _words("place_id", primary_key=True),
    _words("post_id", primary_key=True),
    _words("team_id"),
    _words("enterprise_id", index=True),
    sa.Column("is_org_install", sa.Boolean, nullable=False),
    _words("asker_id"),
    _words("file_id"),
    _words("channel_id"),
    _words("thread_ts"),
    # What version 0.2 kept in the clear: always empty now.
    _words("title"),
    _words("alt_text"),
    sa.Column("faces", sa.JSON, nullable=False),
    # Title, alternative text and emoji; once the result is shown the title alone.
    _words("sealed_words", info=SEALED, server_default=""),
    _words("theme"),
    _words("source_file_id"),
    _words("source_address", info=SEALED),
    sa.Column("source_is_newest", sa.Boolean, nullable=False),
    _words("source_message_ts"),
    _words("source_posted_by"),
    sa.Column("posted_at", Moment, nullable=False, index=True),
    sa.Column("presses", sa.Integer, nullable=False),
    _words("deleted_by"),
    sa.Column("deleted_at", Moment),
)

#: One row for each channel in which a workspace switched the bot off.
CHANNELS_OFF = sa.Table(
    "channels_off",
    METADATA,
    # First: a channel is off for everybody if one of those who share it says so.
    _words("channel_id", primary_key=True),
    _words("place_id", primary_key=True),
    _words("enterprise_id"),
    _words("switched_by"),
    sa.Column("switched_at", Moment, nullable=False),
)

#: One row for each person whose pictures are left alone, and where they said so.
OPT_OUTS = sa.Table(
    "opt_outs",
    METADATA,
    # First: somebody is met in other workspaces, by the same id.
    _words("user_id", primary_key=True),
    _words("place_id", primary_key=True),
    _words("enterprise_id"),
    sa.Column("opted_out_at", Moment, nullable=False),
)

#: One row for each limit that somebody, or a workspace, has used a part of.
ALLOWANCES = sa.Table(
    "allowances",
    METADATA,
    _words("place_id", primary_key=True),
    # Empty for what all of a workspace have together; with a digest behind it, one
    # picture that was taken when a limit was in the way of others.
    _words("user_id", primary_key=True),
    sa.Column("period_seconds", sa.Integer, primary_key=True),
    _words("enterprise_id"),
    # Seconds since 1970 until all of it is there again: one number says how much is
    # left, and a row whose time has come says nothing any more.
    sa.Column("spent_until", sa.Double, nullable=False, index=True),
)

#: One row for each choice that a person, or an admin for a workspace, has made.
PREFERENCES = sa.Table(
    "preferences",
    METADATA,
    _words("place_id", primary_key=True),
    # Empty for what holds for the whole workspace.
    _words("user_id", primary_key=True),
    _words("name", primary_key=True),
    _words("enterprise_id"),
    _words("value"),
)

#: One row for each preview that somebody has before them.
DRAFTS = sa.Table(
    "drafts",
    METADATA,
    _words("place_id", primary_key=True),
    _words("draft_id", primary_key=True),
    _words("enterprise_id"),
    # All of it: who asked, where, the plan, where the picture is.
    _words("content", info=SEALED),
    sa.Column("expires_at", Moment, nullable=False),
    # When somebody may remove what Slack holds of it.
    sa.Column("removable_at", Moment, nullable=False, index=True),
)

#: Tables whose rows belong to a workspace, by ``place_id`` and ``enterprise_id``.
PLACED = (POSTS, CHANNELS_OFF, OPT_OUTS, ALLOWANCES, PREFERENCES, DRAFTS)
#: Of them, those of what people want, which counts as long as anybody's installation
#: serves the workspace.
WISHES = (CHANNELS_OFF, OPT_OUTS, PREFERENCES)


def holder_of(workspace: Workspace) -> str:
    """Return the id of who consented: a workspace's, or its organisation's.

    Slack's ids say what they name, ``"T…"`` a workspace and ``"E…"`` an organisation,
    and no two are the same. A workspace's own installation goes by the first alone,
    since it may join an organisation later.
    """
    whole = workspace.is_org_install or not workspace.team_id
    return workspace.enterprise_id if whole else workspace.team_id


def sealed_columns() -> list[sa.Column[str]]:
    """Return every column that holds what a `Vault` sealed."""
    return [
        column
        for table in METADATA.sorted_tables
        for column in table.columns
        if column.info == SEALED
    ]


def insert_for(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an insert that has ``on_conflict_…``, in the words of the database."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
