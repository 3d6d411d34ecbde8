"""Previews that somebody has before them: what they chose, sealed, for an hour.

A draft holds a plan and where the picture is found; never the picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from emojifier_bot.clock import Clock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.engine import Database
from emojifier_bot.db.tables import DRAFTS, insert_for
from emojifier_bot.domain import EmojifyRequest, Workspace, known_fields
from emojifier_bot.errors import VaultError

#: How long a preview is kept after the last change.
LIFETIME = timedelta(hours=1)
#: Who takes an expired draft has so long to remove what Slack holds of it; then
#: somebody else may try.
REMOVAL_TIME, NO_TIME = timedelta(minutes=5), timedelta()
#: Expired drafts that are taken at a time.
MOST_TAKEN = 20

Plan = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a draft's plan that Slack shows."""

    #: The draft's version that it shows.
    version: int
    plan: Plan = field(repr=False)
    #: SHA-256 of what *Post* puts into the channel: without numbers.
    digest: str
    #: The copy with numbers.
    file_id: str
    alt_text: str
    notes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Drawing:
        """Read one from JSON types."""
        parts = known_fields(cls, values)
        return cls(**parts | {"notes": tuple(parts.get("notes", ()))})


@dataclass(frozen=True, slots=True)
class Draft:
    """One picture that only its asker sees until they post it."""

    draft_id: str
    #: What was asked, for this picture alone: where *Post* puts it.
    request: EmojifyRequest
    #: What the picture is called.
    name: str = ""
    #: Decisions for the faces, as JSON types; None before they are read.
    plan: Plan | None = field(default=None, repr=False)
    #: Counts the changes.
    version: int = 1
    #: The newest that a job has begun to draw since the first: later ones wait for one
    #: job together.
    begun: int = 0
    #: Which page of the faces is shown, from 0.
    page: int = 0
    #: The message that shows it, in the asker's direct messages.
    channel_id: str = ""
    message_ts: str = ""
    #: The message may be there although its timestamp is not known.
    is_sent: bool = False
    #: The window that shows it too, open or closed by now.
    view_id: str = ""
    #: What the message shows, and what it is to show once Slack has the picture.
    drawing: Drawing | None = None
    upcoming: Drawing | None = None
    #: Every file of it that Slack may hold.
    file_ids: tuple[str, ...] = ()

    @property
    def workspace(self) -> Workspace:
        """Return whose installation shows it."""
        return self.request.workspace

    @property
    def asker_id(self) -> str:
        """Return who alone may see and change it."""
        return self.request.user_id

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Return what the message shows, and what it is to show."""
        return tuple(one for one in (self.drawing, self.upcoming) if one)

    @property
    def shown(self) -> Drawing | None:
        """Return what the message shows, also while that is not noted yet."""
        return self.drawing or self.upcoming

    @property
    def drawn_id(self) -> str:
        """Return the newest drawing's file if it has every change; else nothing."""
        newest = self.upcoming or self.drawing
        return newest.file_id if newest and newest.version >= self.version else ""

    def drawn(self, version: str) -> Drawing | None:
        """Return the drawing of a version: shown, perhaps before that is noted."""
        return next((d for d in self.drawings if str(d.version) == version), None)

    @property
    def looks(self) -> tuple[object, ...]:
        """Return what its message, and its window, must be redrawn for."""
        return self.shown and self.shown.file_id, self.page, self.view_id

    def with_upcoming(self, drawing: Drawing) -> Draft:
        """Return it with a drawing to be shown, unless a newer one is there.

        The plan is what was drawn where nothing has changed since.
        """
        others = (one.version for one in self.drawings)
        is_newest = drawing.version >= max(others, default=0)
        return replace(
            self,
            plan=drawing.plan if drawing.version == self.version else self.plan,
            upcoming=drawing if is_newest else self.upcoming,
            file_ids=(*self.file_ids, drawing.file_id),
        )

    def without(self, *file_ids: str) -> Draft:
        """Return it without some files, which Slack does not hold any more."""
        left = tuple(one for one in self.file_ids if one not in file_ids)
        return replace(self, file_ids=left)

    def without_upcoming(self, file_id: str) -> Draft:
        """Return it without the drawing of a file, where that is the next to be shown.

        The file stays among those that Slack may hold.
        """
        is_next = self.upcoming is not None and self.upcoming.file_id == file_id
        return replace(self, upcoming=None) if is_next else self

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        # Not `asdict`, which copies the plans, face by face.
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("drawing", "upcoming"):
            if drawing := values[name]:
                values[name] = {
                    one.name: getattr(drawing, one.name) for one in fields(drawing)
                }
        return values | {"request": self.request.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Draft:
        """Read one from JSON types, perhaps those of a newer version of the bot."""
        parts = known_fields(cls, values)
        parts["request"] = EmojifyRequest.from_dict(parts["request"])
        parts["file_ids"] = tuple(parts.get("file_ids", ()))
        for name in ("drawing", "upcoming"):
            if drawing := parts.get(name):
                parts[name] = Drawing.from_dict(drawing)
        return cls(**parts)


@dataclass(frozen=True, slots=True)
class DraftStore:
    """Drafts in a database, sealed."""

    database: Database
    vault: Vault
    clock: Clock

    def begin(self, draft: Draft) -> None:
        """Keep a new draft; one that is there already stays as it is."""
        workspace = draft.workspace
        row = {
            "place_id": workspace.id,
            "draft_id": draft.draft_id,
            "enterprise_id": workspace.enterprise_id,
            "content": self._sealed(draft),
        } | self._until()
        with self.database.writing() as connection:
            insert = insert_for(connection, DRAFTS).values(row)
            connection.execute(insert.on_conflict_do_nothing())

    def find(self, workspace: Workspace, draft_id: str) -> Draft | None:
        """Return a draft that has not expired."""
        is_it = _stands(workspace, draft_id, self.clock.now())
        found = sa.select(DRAFTS.c.content).where(is_it)
        with self.database.reading() as connection:
            content = connection.execute(found).scalar_one_or_none()
        return None if content is None else self._opened(content)

    def change(
        self, workspace: Workspace, draft_id: str, change: Callable[[Draft], Draft]
    ) -> Draft | None:
        """Change a draft, and let its hour begin anew; nobody else does meanwhile.

        Returns:
            What it is now; None where it is not there any more.
        """
        is_it = _stands(workspace, draft_id, self.clock.now())
        row = sa.select(DRAFTS.c.content).where(is_it)
        with self.database.writing() as connection:
            content = connection.execute(row.with_for_update()).scalar_one_or_none()
            if content is None:
                return None
            changed = change(self._opened(content))
            values = {"content": self._sealed(changed)} | self._until()
            update = sa.update(DRAFTS).where(_is(workspace, draft_id))
            connection.execute(update.values(values))
        return changed

    def end(self, workspace: Workspace, draft_id: str) -> Draft | None:
        """Let a draft expire now; return it, or None where it is not there any more."""
        now = self.clock.now()
        ended = sa.update(DRAFTS).where(_stands(workspace, draft_id, now))
        with self.database.writing() as connection:
            values = ended.values(expires_at=now, removable_at=now)
            content = connection.execute(
                values.returning(DRAFTS.c.content)
            ).scalar_one_or_none()
        return None if content is None else self._opened(content)

    def take_expired(self) -> list[Draft]:
        """Return some drafts that have expired; nobody else gets them for a while."""
        now, key = self.clock.now(), sa.tuple_(*DRAFTS.primary_key)
        expired = (
            sa.select(*DRAFTS.primary_key)
            .where(DRAFTS.c.removable_at <= now)
            .limit(MOST_TAKEN)
            .with_for_update(skip_locked=True)
        )
        taken = (
            sa.update(DRAFTS)
            .where(key.in_(expired))
            .values(removable_at=now + REMOVAL_TIME)
            .returning(DRAFTS)
        )
        found: list[Draft] = []
        with self.database.writing() as connection:
            for row in connection.execute(taken).mappings().all():
                try:
                    found.append(self._opened(row["content"]))
                except VaultError:
                    # Its key is lost, and with it what Slack holds of it.
                    its = (row[one.name] == one for one in DRAFTS.primary_key)
                    connection.execute(sa.delete(DRAFTS).where(*its))
        return found

    def forget(
        self, workspace: Workspace, draft_id: str, expired_for: timedelta = NO_TIME
    ) -> None:
        """Remove a draft that expired so long ago, if there is such a one."""
        is_it = _is(workspace, draft_id)
        if expired_for:
            is_it &= DRAFTS.c.expires_at <= self.clock.now() - expired_for
        with self.database.writing() as connection:
            connection.execute(sa.delete(DRAFTS).where(is_it))

    def _until(self) -> dict[str, datetime]:
        end = self.clock.now() + LIFETIME
        return {"expires_at": end, "removable_at": end}

    def _sealed(self, draft: Draft) -> str:
        return self.vault.seal(json.dumps(draft.to_dict()))

    def _opened(self, content: str) -> Draft:
        return Draft.from_dict(json.loads(self.vault.unseal(content)))


def _is(workspace: Workspace, draft_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(DRAFTS.c.place_id == workspace.id, DRAFTS.c.draft_id == draft_id)


def _stands(
    workspace: Workspace, draft_id: str, now: datetime
) -> sa.ColumnElement[bool]:
    return sa.and_(_is(workspace, draft_id), DRAFTS.c.expires_at > now)
