"""What was posted, for the buttons under it.

What is said of a result is sealed: its title for as long as the post stands, its
alternative text and its emoji until it is shown. No expression is kept beside a person.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import POSTS, insert_for
from emojifier_bot.domain import (
    FaceSummary,
    ImageReference,
    Post,
    PostRecord,
    Workspace,
    known_fields,
)
from emojifier_bot.errors import VaultError

#: What is said of a result, which no column holds as it is.
_SAID = {"title", "alt_text", "faces"}
#: Columns that hold what a post says, as it says it.
_PLAIN = ({one.name for one in fields(Post)} & {*POSTS.c.keys()}) - _SAID
#: What those columns hold that version 0.2 wrote in the clear.
_NOTHING: dict[str, Any] = {"title": "", "alt_text": "", "faces": []}
#: Fields of the reference to what it was made from, and their columns.
_SOURCE = {
    "file_id": "source_file_id",
    "sealed_address": "source_address",
    "newest": "source_is_newest",
    "message_ts": "source_message_ts",
    "posted_by": "source_posted_by",
}


@dataclass(frozen=True, slots=True)
class PostLog:
    """The log of posts in a database. Sealed addresses stay sealed."""

    database: Database
    vault: Vault
    clock: Clock

    def record(self, post: Post) -> None:
        """Remember a post; the same post again changes nothing."""
        row: dict[str, Any] = {name: getattr(post, name) for name in _PLAIN}
        row |= {column: getattr(post.source, name) for name, column in _SOURCE.items()}
        row |= asdict(post.workspace) | {
            **_NOTHING,
            "place_id": post.workspace.id,
            "sealed_words": self._sealed(
                title=post.title,
                alt_text=post.alt_text,
                faces=[_face_values(face) for face in post.faces],
            ),
            "posted_at": self.clock.now(),
            "presses": 0,
            "deleted_by": "",
        }
        with self.database.writing() as connection:
            insert = insert_for(connection, POSTS).values(row)
            connection.execute(insert.on_conflict_do_nothing())

    def find(self, workspace: Workspace, post_id: str) -> PostRecord | None:
        """Return a workspace's post, deleted or not."""
        return self._find(_is(workspace, post_id))

    def find_in_organisation(
        self, workspace: Workspace, post_id: str
    ) -> PostRecord | None:
        """Return a post that people of a workspace may see, deleted or not.

        That of another workspace of the same organisation, if they share its channel.
        """
        found = self.find(workspace, post_id)
        if found or not workspace.enterprise_id:
            return found
        theirs = POSTS.c.enterprise_id == workspace.enterprise_id
        return self._find(theirs & (POSTS.c.post_id == post_id))

    def _find(self, condition: sa.ColumnElement[bool]) -> PostRecord | None:
        found = sa.select(POSTS).where(condition).limit(1)
        with self.database.reading() as connection:
            row = connection.execute(found).mappings().one_or_none()
        return None if row is None else self._record(row)

    def forget_words(self, workspace: Workspace, post_id: str) -> None:
        """Forget what is said of a post that is shown, but for its title."""
        found = sa.select(POSTS.c.sealed_words).where(_is(workspace, post_id))
        with self.database.reading() as connection:
            said = self._opened(connection.execute(found).scalar_one_or_none() or "")
        if said.keys() > {"title"}:
            # Of one that was deleted meanwhile the title has gone too.
            stands = _is(workspace, post_id) & POSTS.c.deleted_at.is_(None)
            kept = {"sealed_words": self._sealed(title=said["title"])}
            with self.database.writing() as connection:
                connection.execute(sa.update(POSTS).where(stands).values(kept))

    def find_file(self, workspace: Workspace, file_id: str) -> PostRecord | None:
        """Return the post that a file of a workspace shows, deleted or not."""
        found = sa.select(POSTS).filter_by(place_id=workspace.id, file_id=file_id)
        with self.database.reading() as connection:
            row = connection.execute(found.limit(1)).mappings().one_or_none()
        return None if row is None else self._record(row)

    def latest(
        self, workspace: Workspace, asker_id: str, count: int
    ) -> list[PostRecord]:
        """Return somebody's newest posts that stand, the newest first."""
        rows = (
            sa.select(POSTS)
            .filter_by(place_id=workspace.id, asker_id=asker_id)
            .where(POSTS.c.deleted_at.is_(None))
            .order_by(POSTS.c.posted_at.desc())
            .limit(count)
        )
        with self.database.reading() as connection:
            found = connection.execute(rows).mappings().all()
        return [self._record(row) for row in found]

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
            .values(deleted_by=user_id, deleted_at=self.clock.now(), sealed_words="")
        )
        with self.database.writing() as connection:
            return connection.execute(update).rowcount == 1

    def forget(self, workspace: Workspace, post_id: str) -> None:
        """Remove one post, if there is such a one."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(POSTS).where(_is(workspace, post_id)))

    def forget_before(self, moment: datetime) -> int:
        """Remove what was posted, and deleted if it was, before an aware UTC time.

        What older versions of the bot kept of others in the clear goes too.
        """
        ended = sa.func.coalesce(POSTS.c.deleted_at, POSTS.c.posted_at)
        old = sa.delete(POSTS).where(ended < moment)
        in_the_clear = (POSTS.c.title != "") | (POSTS.c.alt_text != "")
        with self.database.writing() as connection:
            connection.execute(sa.update(POSTS).where(in_the_clear).values(_NOTHING))
            return connection.execute(old).rowcount

    def _record(self, row: sa.RowMapping) -> PostRecord:
        source = {name: row[column] for name, column in _SOURCE.items()}
        # Rows of version 0.2 say it in the clear.
        said = {name: row[name] for name in _SAID} | self._opened(row["sealed_words"])
        post = Post(
            workspace=Workspace(
                **{one.name: row[one.name] for one in fields(Workspace)}
            ),
            title=said["title"],
            alt_text=said["alt_text"],
            faces=tuple(
                FaceSummary(**known_fields(FaceSummary, face)) for face in said["faces"]
            ),
            source=ImageReference(**source),
            **{name: row[name] for name in _PLAIN},
        )
        noted = ("posted_at", "presses", "deleted_by", "deleted_at")
        return PostRecord(post, **{name: row[name] for name in noted})

    def _sealed(self, **said: Any) -> str:
        return self.vault.seal(json.dumps(said))

    def _opened(self, sealed: str) -> dict[str, Any]:
        """Return what was sealed; nothing where its key is lost: buttons still work."""
        try:
            return dict(json.loads(self.vault.unseal(sealed))) if sealed else {}
        except VaultError:
            return {}


def _is(workspace: Workspace, post_id: str) -> sa.ColumnElement[bool]:
    # Whose installation serves a workspace may change while a post stands.
    return sa.and_(POSTS.c.place_id == workspace.id, POSTS.c.post_id == post_id)


def _face_values(face: FaceSummary) -> dict[str, Any]:
    values = asdict(face)
    if face.count == 1:
        # Older versions of the bot, which may run beside this one, know no count.
        del values["count"]
    return values
