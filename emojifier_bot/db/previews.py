"""Drafts, and what Slack holds of them: shown, redrawn, taken away.

Every file is in the draft before it is completed, and the message before it is sent, so
whatever dies in between, what Slack holds can be found and removed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, Protocol

from emojifier_bot.db.drafts import (
    NO_TIME,
    REMOVAL_TIME,
    Draft,
    DraftStore,
    Drawing,
)
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import DeliveryError, EmojifierError, ErrorKind

logger = logging.getLogger(__name__)


class PreviewSink(Protocol):
    """Shows previews in Slack; every method may raise `DeliveryError`."""

    def make_ready(self, draft: Draft, drawing: Drawing) -> bool:
        """Complete the upload, seen by nobody; tell whether Slack can show it yet."""
        ...

    def send(self, draft: Draft, drawing: Drawing) -> str:
        """Send the message to the asker; return its timestamp."""
        ...

    def find(self, draft: Draft) -> str:
        """Return the timestamp of a message that may have been sent; empty if not."""
        ...

    def update(self, draft: Draft, drawing: Drawing) -> None:
        """Redraw the message in its place."""
        ...

    def send_reasons(self, draft: Draft, drawing: Drawing) -> str:
        """Show a file of reasons, once; return its message's timestamp if known."""
        ...

    def delete_file(self, workspace: Workspace, file_id: str) -> bool:
        """Delete a file; tell whether it is gone: who completes it may be late."""
        ...

    def remove(self, draft: Draft) -> bool:
        """Delete all that Slack holds of a preview; what is gone is fine.

        Returns:
            Whether every file is gone: who completes one may be late.
        """
        ...


@dataclass(frozen=True, slots=True)
class Previews:
    """Drafts, and what shows them."""

    drafts: DraftStore
    sink: PreviewSink

    def drawing(self, workspace: Workspace, draft_id: str, digest: str) -> Drawing:
        """Return what a preview shows, or is about to, to post that.

        Raises:
            DeliveryError: It is gone, or shows something else than ``digest`` now.
        """
        draft = self.drafts.find(workspace, draft_id)
        if draft is None:
            raise DeliveryError("The preview is gone.", kind=ErrorKind.PREVIEW_GONE)
        for drawing in draft.drawings:
            if drawing.digest == digest:
                return drawing
        raise DeliveryError(
            "The preview shows something else now.", kind=ErrorKind.PREVIEW_CHANGED
        )

    def take_away(self, draft: Draft) -> None:
        """Remove a preview that has ended, and forget it.

        What Slack is just taking of it cannot be removed yet: the draft stays for a
        while, and `sweep` removes it again.

        Raises:
            DeliveryError: Slack may do it later; the draft stays until then.
        """
        is_gone = True
        try:
            is_gone = self.sink.remove(draft)
        except DeliveryError as error:
            if error.retryable:
                raise
            facts = {"action": "remove_preview", "error": error.kind}
            logger.warning("a preview is left behind", extra=facts)
        ended_for = NO_TIME if is_gone else REMOVAL_TIME
        self.drafts.forget(draft.workspace, draft.draft_id, ended_for)

    def discard(self, workspace: Workspace, draft_id: str) -> None:
        """End a preview and take it away; one that is gone is fine."""
        draft = self.drafts.end(workspace, draft_id)
        if draft is not None:
            self.take_away(draft)

    def sweep(self) -> None:
        """Take away the previews whose hour is over."""
        for draft in self.drafts.take_expired():
            try:
                self.take_away(draft)
            except EmojifierError as error:
                facts = {"action": "sweep_previews", "error": error.kind}
                logger.warning("a preview is not removed yet", extra=facts)

    def make_ready(self, draft: Draft, drawing: Drawing) -> bool:
        """Have Slack hold an upcoming drawing; tell whether it can be shown now.

        One that a newer one has replaced meanwhile need not be waited for.
        """
        workspace, is_ready = draft.workspace, True
        try:
            is_ready = self.sink.make_ready(draft, drawing)
        except DeliveryError:
            if self._is_upcoming(draft, drawing):
                raise
        if self.drafts.find(workspace, draft.draft_id) is None:
            # Somebody discarded the preview before Slack held this.
            self.sink.delete_file(workspace, drawing.file_id)
        return is_ready

    def show(self, draft: Draft, channel_id: str, ready_id: str) -> None:
        """Show the upcoming drawing of a draft, if it is ready; older files go.

        Another one is for the job that drew it to show.

        Args:
            draft: With an upcoming drawing, or none any more.
            channel_id: The asker's direct messages.
            ready_id: The file that Slack can show.
        """
        drawing = draft.upcoming
        if drawing is None or drawing.file_id != ready_id:
            self.tidy(draft)  # what an earlier try has left
            return
        draft = replace(draft, channel_id=channel_id)
        ts = draft.message_ts
        if not ts and draft.is_sent:
            ts = self.sink.find(draft)
        if ts:
            draft = replace(draft, message_ts=ts)
            try:
                self.sink.update(draft, drawing)
            except DeliveryError:
                if self._is_upcoming(draft, drawing):
                    raise
                return  # whoever has replaced it shows the newer one
        else:
            self._change(draft, channel_id=channel_id, is_sent=True)
            ts = self.sink.send(draft, drawing)
        shown = replace(draft, message_ts=ts, is_sent=True, drawing=drawing)
        now = self.drafts.change(
            draft.workspace, draft.draft_id, lambda one: _shown(one, shown, drawing)
        )
        if now is None:
            self.sink.remove(shown)  # somebody discarded it meanwhile
            return
        if now.looks != shown.looks:
            self.redraw(now)  # another worker, or a press, was faster
        self.tidy(now)

    def redraw(self, draft: Draft) -> None:
        """Redraw the message as its draft has it, until that has not changed meanwhile.

        So whoever is last leaves the newest, in whatever order Slack is called.

        Raises:
            DeliveryError: Slack refused what the draft still has.
        """
        while draft.shown is not None and draft.message_ts:
            refused = None
            try:
                self.sink.update(draft, draft.shown)
            except DeliveryError as error:
                refused = error
            now = self.drafts.find(draft.workspace, draft.draft_id)
            if now is None:
                return
            if now.looks == draft.looks:
                if refused:
                    raise refused
                return
            draft = now

    def show_reasons(self, draft: Draft) -> None:
        """Show the upcoming drawing, which is no picture with menus but reasons."""
        drawing = draft.upcoming
        if drawing is None:
            return
        ts = self.sink.send_reasons(draft, drawing)
        shown = replace(draft, message_ts=ts)
        self.drafts.change(
            draft.workspace, draft.draft_id, lambda one: _shown(one, shown, drawing)
        )

    def tidy(self, draft: Draft) -> None:
        """Delete the files that a draft neither shows nor is about to."""
        used = {one.file_id for one in draft.drawings}
        gone = [
            one
            for one in draft.file_ids
            if one not in used and self.sink.delete_file(draft.workspace, one)
        ]
        if gone:
            self.drafts.change(
                draft.workspace, draft.draft_id, lambda one: one.without(*gone)
            )

    def _is_upcoming(self, draft: Draft, drawing: Drawing) -> bool:
        """Tell whether a drawing is still the one to be shown next."""
        now = self.drafts.find(draft.workspace, draft.draft_id)
        next_one = now.upcoming if now else None
        return next_one is not None and next_one.file_id == drawing.file_id

    def _change(self, draft: Draft, **values: Any) -> None:
        self.drafts.change(
            draft.workspace, draft.draft_id, lambda one: replace(one, **values)
        )


def _shown(draft: Draft, shown: Draft, drawing: Drawing) -> Draft:
    """Return a draft whose message shows a drawing, unless it shows a newer one."""
    if draft.drawing is not None and draft.drawing.version > drawing.version:
        return draft
    return replace(
        draft,
        channel_id=shown.channel_id,
        message_ts=shown.message_ts,
        is_sent=True,
        drawing=drawing,
        upcoming=None if draft.upcoming == drawing else draft.upcoming,
    )
