"""Shows previews in the asker's direct messages, and takes them away again.

The copy with numbers is a file that is shown nowhere: an image block of the message
names it, which Slack shows only to who sees the message. Changing the message's blocks
changes the picture in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import DeliveryError, ErrorKind
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.payloads import share_of
from emojifier_bot.slack.post import GONE
from emojifier_bot.slack.preview_blocks import (
    PreviewId,
    preview_blocks,
    preview_text,
    preview_view,
    reasons_blocks,
)
from emojifier_bot.vision.types import EmojiTheme

logger = logging.getLogger(__name__)

#: Messages that are looked through for one that may have been sent.
MOST_MESSAGES = 50
#: Refusals of a message that is gone.
MESSAGE_GONE = frozenset({"message_not_found", "channel_not_found"})
#: And of a window that is.
WINDOW_CLOSED = frozenset({"not_found"})


@dataclass(frozen=True, slots=True)
class SlackPreviews:
    """A `PreviewSink` for Slack."""

    client: SlackClient
    #: Returns a theme by its name.
    theme: Callable[[str], EmojiTheme]
    #: Names of the themes that may be chosen.
    themes: Sequence[str]
    #: Seals what a window names.
    seal: Callable[[str], str]

    def make_ready(self, draft: Draft, drawing: Drawing) -> bool:
        """Complete the upload once; tell whether Slack knows what kind of file it is.

        Raises:
            DeliveryError: Slack refused.
        """
        workspace, file_id = draft.workspace, drawing.file_id
        try:
            file = self._file(workspace, file_id)
        except DeliveryError as error:
            if error.kind != ErrorKind.FILE_NOT_FOUND:
                raise
            files = [{"id": file_id, "title": "Preview"}]
            self.client.call(workspace, "files.completeUploadExternal", files=files)
            file = self._file(workspace, file_id)
        return str(file.get("mimetype") or "").startswith("image/")

    def _file(self, workspace: Workspace, file_id: str) -> dict[str, object]:
        answer = self.client.call(workspace, "files.info", file=file_id)
        return dict(answer.get("file") or {})

    def send(self, draft: Draft, drawing: Drawing) -> str:
        """Send the message; return its timestamp."""
        answer = self.client.call(
            draft.workspace,
            "chat.postMessage",
            channel=draft.channel_id,
            text=preview_text(draft),
            blocks=self._blocks(draft, drawing),
            unfurl_links=False,
        )
        return str(answer["ts"])

    def send_reasons(self, draft: Draft, drawing: Drawing) -> str:
        """Share the cards in the direct messages; a second time changes nothing.

        Returns:
            The timestamp of the message; empty while Slack does not say it.
        """
        workspace, file_id = draft.workspace, drawing.file_id
        files = [{"id": file_id, "title": "Why these emoji"}]
        try:
            self.client.call(
                workspace,
                "files.completeUploadExternal",
                files=files,
                channel_id=draft.channel_id,
                blocks=reasons_blocks(draft, drawing),
            )
        except DeliveryError as error:
            if error.kind != ErrorKind.FILE_NOT_FOUND:
                raise
        # Raises if it is not there: then it was not an earlier try that did it.
        return share_of(self._file(workspace, file_id), draft.channel_id).message_ts

    def find(self, draft: Draft) -> str:
        """Return the timestamp of the message if it was sent; its blocks name it."""
        answer = self.client.call(
            draft.workspace,
            "conversations.history",
            channel=draft.channel_id,
            limit=MOST_MESSAGES,
        )
        wanted = PreviewId.of(draft).block_id("head")
        for message in answer.get("messages") or ():
            blocks = message.get("blocks") or ()
            if any(one.get("block_id") == wanted for one in blocks):
                return str(message["ts"])
        return ""

    def update(self, draft: Draft, drawing: Drawing) -> None:
        """Redraw the message in its place, and its window if one is open."""
        self.client.call(
            draft.workspace,
            "chat.update",
            channel=draft.channel_id,
            ts=draft.message_ts,
            text=preview_text(draft),
            blocks=self._blocks(draft, drawing),
        )
        if not draft.view_id:
            return
        metadata = self.seal(PreviewId.of(draft).block_id(drawing.version))
        theme = self._theme(drawing)
        view = preview_view(metadata, draft, drawing, theme, self.themes)
        try:
            self.client.call(
                draft.workspace, "views.update", view_id=draft.view_id, view=view
            )
        except DeliveryError as error:
            if error.kind not in WINDOW_CLOSED:
                facts = {"action": "update_window", "error": error.kind}
                logger.warning("a preview's window is not redrawn", extra=facts)

    def _blocks(self, draft: Draft, drawing: Drawing) -> list[dict[str, object]]:
        theme = self._theme(drawing)
        return preview_blocks(draft, drawing, theme, self.themes)

    def _theme(self, drawing: Drawing) -> EmojiTheme:
        return self.theme(str(drawing.plan["theme"]))

    def delete_file(self, workspace: Workspace, file_id: str) -> bool:
        """Delete a file; tell whether it is gone, or not there, perhaps not yet."""
        try:
            self.client.call(workspace, "files.delete", file=file_id)
        except DeliveryError as error:
            if error.kind not in GONE:
                raise
            return error.kind == ErrorKind.FILE_DELETED
        return True

    def remove(self, draft: Draft) -> bool:
        """Delete the files, then the message; tell whether every file is gone."""
        gone = [self.delete_file(draft.workspace, one) for one in draft.file_ids]
        ts = draft.message_ts
        if not ts and draft.is_sent and draft.channel_id:
            ts = self.find(draft)
        if not ts:
            return all(gone)
        try:
            self.client.call(
                draft.workspace, "chat.delete", channel=draft.channel_id, ts=ts
            )
        except DeliveryError as error:
            if error.kind not in MESSAGE_GONE:
                raise
        return all(gone)
