"""Previews in a folder of messages, for tests of jobs without Slack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.db.previews import PreviewSink
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import DeliveryError, ErrorKind, SlackCode


@dataclass
class MemoryPreviews(PreviewSink):
    """A `PreviewSink` that remembers what is shown, and refuses what Slack refuses."""

    #: What each message shows, by its timestamp, and on which page.
    shown: dict[str, Drawing] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    #: Files that it holds, and those that it held.
    files: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)
    #: What others do, once, while it is called by a method's name.
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)

    def make_ready(self, draft: Draft, drawing: Drawing) -> bool:
        self._let_others("make_ready")
        if drawing.file_id in self.deleted:
            raise DeliveryError("It is gone.", kind=ErrorKind.FILE_DELETED)
        self.files.add(drawing.file_id)
        return drawing.file_id in draft.file_ids

    def send(self, draft: Draft, drawing: Drawing) -> str:
        assert not draft.message_ts
        self._let_others("send")
        return self._show(draft, drawing, f"1700000000.{len(self.shown):06}")

    def find(self, draft: Draft) -> str:
        found = (ts for ts, one in self.shown.items() if one.file_id in draft.file_ids)
        return next(found, "")

    def update(self, draft: Draft, drawing: Drawing) -> None:
        self._let_others("update")
        if draft.message_ts not in self.shown:
            code = SlackCode("message_not_found")
            raise DeliveryError("No such message.", kind=code)
        self._show(draft, drawing, draft.message_ts)

    def send_reasons(self, draft: Draft, drawing: Drawing) -> str:
        self.files.add(drawing.file_id)
        return self.send(draft, drawing)

    def delete_file(self, workspace: Workspace, file_id: str) -> bool:
        assert workspace.id
        self._let_others("delete_file")
        if file_id in self.files:
            self.files.remove(file_id)
            self.deleted.append(file_id)
        return file_id in self.deleted

    def remove(self, draft: Draft) -> bool:
        gone = [self.delete_file(draft.workspace, one) for one in draft.file_ids]
        self.shown.pop(draft.message_ts or self.find(draft), None)
        return all(gone)

    def _show(self, draft: Draft, drawing: Drawing, ts: str) -> str:
        if drawing.file_id not in self.files:
            raise DeliveryError("No such file.", kind=ErrorKind.INVALID_BLOCKS)
        self.shown[ts], self.pages[ts] = drawing, draft.page
        return ts

    def _let_others(self, method: str) -> None:
        self.meanwhile.pop(method, lambda: None)()
