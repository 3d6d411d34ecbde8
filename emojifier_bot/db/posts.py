"""What was posted, for the buttons under it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import POSTS, insert_for, place_of
from emojifier_bot.domain import (
    FaceSummary,
    ImageReference,
    Post,
    PostRecord,
    Workspace,
)

__all__ = ["PostLog"]


@dataclass(frozen=True, slots=True)
class PostLog:
    """The log of posts in a database. Sealed addresses stay sealed."""

    database: Database
    clock: Clock

    def record(self, post: Post) -> None:
        """Remember a post; the same post again changes nothing."""
        row = _row(post) | {"posted_at": self.clock.now()}
        with self.database.writing() as connection:
            insert = insert_for(connection, POSTS).values(row)
            connection.execute(insert.on_conflict_do_nothing())

    def find(self, workspace: Workspace, post_id: str) -> PostRecord | None:
        """Return a workspace's post, deleted or not."""
        found = sa.select(POSTS).where(_is(workspace, post_id))
        with self.database.reading() as connection:
            row = connection.execute(found).mappings().one_or_none()
        return None if row is None else _record(row)

    def count_press(self, workspace: Workspace, post_id: str) -> int:
        """Add a press of *Try another*; return the number of this one, from 1.

        Returns:
            0 where there is no such post.
        """
        update = (
            sa.update(POSTS)
            .where(_is(workspace, post_id))
            .values(presses=POSTS.c.presses + 1)
            .returning(POSTS.c.presses)
        )
        with self.database.writing() as connection:
            return connection.execute(update).scalar_one_or_none() or 0

    def mark_deleted(self, workspace: Workspace, post_id: str, user_id: str) -> bool:
        """Note who deleted it, or which post took its place, by its id.

        Returns:
            False where that was noted before, or there is no such post.
        """
        update = (
            sa.update(POSTS)
            .where(_is(workspace, post_id))
            .where(POSTS.c.deleted_at.is_(None))
            .values(deleted_by=user_id, deleted_at=self.clock.now())
        )
        with self.database.writing() as connection:
            return connection.execute(update).rowcount == 1

    def forget(self, workspace: Workspace, post_id: str) -> None:
        """Remove one post, if there is such a one."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(POSTS).where(_is(workspace, post_id)))

    def forget_before(self, moment: datetime) -> int:
        """Remove what was posted, and deleted if it was, before an aware UTC time."""
        ended = sa.func.coalesce(POSTS.c.deleted_at, POSTS.c.posted_at)
        old = sa.delete(POSTS).where(ended < moment)
        with self.database.writing() as connection:
            return connection.execute(old).rowcount


def _is(workspace: Workspace, post_id: str) -> sa.ColumnElement[bool]:
    # Whose installation serves a workspace may change while a post stands.
    place = place_of(workspace)
    return sa.and_(POSTS.c.place_id == place, POSTS.c.post_id == post_id)


def _row(post: Post) -> dict[str, Any]:
    return {
        "place_id": place_of(post.workspace),
        "post_id": post.post_id,
        "team_id": post.workspace.team_id,
        "enterprise_id": post.workspace.enterprise_id,
        "is_org_install": post.workspace.is_org_install,
        "asker_id": post.asker_id,
        "file_id": post.file_id,
        "channel_id": post.channel_id,
        "thread_ts": post.thread_ts,
        "title": post.title,
        "alt_text": post.alt_text,
        "faces": [asdict(face) for face in post.faces],
        "theme": post.theme,
        "source_file_id": post.source.file_id,
        "source_address": post.source.sealed_address,
        "source_is_newest": post.source.newest,
        "source_message_ts": post.source.message_ts,
        "source_posted_by": post.source.posted_by,
        "presses": 0,
        "deleted_by": "",
    }


def _record(row: sa.RowMapping) -> PostRecord:
    return PostRecord(
        post=_post(row),
        posted_at=row["posted_at"],
        presses=row["presses"],
        deleted_by=row["deleted_by"],
        deleted_at=row["deleted_at"],
    )


def _post(row: sa.RowMapping) -> Post:
    return Post(
        post_id=row["post_id"],
        workspace=Workspace(
            row["team_id"], row["enterprise_id"], row["is_org_install"]
        ),
        asker_id=row["asker_id"],
        file_id=row["file_id"],
        channel_id=row["channel_id"],
        title=row["title"],
        alt_text=row["alt_text"],
        faces=tuple(FaceSummary(**face) for face in row["faces"]),
        source=ImageReference(
            file_id=row["source_file_id"],
            sealed_address=row["source_address"],
            newest=row["source_is_newest"],
            message_ts=row["source_message_ts"],
            posted_by=row["source_posted_by"],
        ),
        thread_ts=row["thread_ts"],
        theme=row["theme"],
    )
