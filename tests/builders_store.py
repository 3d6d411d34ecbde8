"""What the stores keep, with sensible defaults, and the stores themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.drafts import DraftStore
from emojifier_bot.db.engine import Database, open_database, sqlite_file
from emojifier_bot.db.installations import InstallationStore, OAuthStates
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.preferences import Preferences
from emojifier_bot.domain import (
    FaceSummary,
    ImageReference,
    Installation,
    Limit,
    Post,
    Workspace,
)

TEAM, ELSEWHERE = Workspace("T1"), Workspace("T2")
#: The same workspace, asked for in every way that Slack asks; and its organisation.
IN_GRID, SERVED_BY_ORG = Workspace("T1", "E1"), Workspace("T1", "E1", True)
ORG = Workspace("", "E1", is_org_install=True)
#: What a database may stumble over.
HOSTILE = "a\0b\ud800' OR 1=1; -- é😆"
#: Small enough to be used up.
LIMITS = (
    Limit("user_limit", pictures=3, period_seconds=60, is_personal=True),
    Limit("workspace_limit", pictures=5, period_seconds=3600),
)
FACES = (
    FaceSummary("😆", "grinning squinting face", sure=True),
    FaceSummary("😐", "neutral face", sure=False),
)


@dataclass(frozen=True)
class Stores:
    """One of each, that know of each other."""

    installations: InstallationStore
    states: OAuthStates
    posts: PostLog
    settings: WorkspaceSettings
    allowances: RateLimiter
    preferences: Preferences
    drafts: DraftStore


@contextmanager
def sql_stores(
    url: str, clock: Clock, vault: Vault | None = None
) -> Iterator[tuple[Stores, Database]]:
    """Give stores in a database with all its tables."""
    upgrade(url)
    vault = vault or Vault([generate_key()])
    with closing(open_database(url)) as database:
        stores = Stores(
            InstallationStore(database, vault, clock),
            OAuthStates(database, clock),
            PostLog(database, vault, clock),
            WorkspaceSettings(database, clock),
            RateLimiter(database, clock, LIMITS),
            Preferences(database),
            DraftStore(database, vault, clock),
        )
        yield stores, database


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """Give a connection that may change a database, whatever its tables are."""
    with closing(open_database(url)) as database, database.writing() as connection:
        yield connection


def stored_bytes(url: str) -> bytes:
    """Return all that a database holds: a file's bytes, or every row as text."""
    if file := sqlite_file(url):
        return b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))
    found = sa.text(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    with connected(url) as connection:
        tables = [f'"{schema}"."{name}"' for schema, name in connection.execute(found)]
        rows = [
            str(row[0])
            for table in tables
            for row in connection.execute(sa.text(f"SELECT t::text FROM {table} t"))
        ]
    return "\n".join(rows).encode()


def make_installation(workspace: Workspace = TEAM, **fields) -> Installation:
    """Return an installation, its token named for who installed."""
    token = f"xoxb-{workspace.team_id}-{workspace.enterprise_id}"
    defaults = {"bot_token": token, "bot_user_id": "UBOT"}
    return Installation(workspace, **defaults | fields)


def make_post(workspace: Workspace = TEAM, post_id: str = "p1", **fields) -> Post:
    """Return a post of two faces, made from a file."""
    defaults = {
        "asker_id": "U1",
        "file_id": "F2",
        "channel_id": "C1",
        "title": "party.jpg",
        "alt_text": "Two faces",
        "faces": FACES,
        "source": ImageReference(file_id="F1"),
    }
    return Post(post_id, workspace, **defaults | fields)
