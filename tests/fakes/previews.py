"""Previews in a folder of messages, for tests of jobs without Slack."""

from __future__ import annotations

from dataclasses import dataclass, field

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.db.previews import PreviewSink
from emojifier_bot.domain import Workspace


@dataclass
class MemoryPreviews(PreviewSink):
    """A `PreviewSink` that remembers what is shown."""

    #: What each message shows, by its timestamp.
    shown: dict[str, Drawing] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def make_ready(self, draft: Draft, drawing: Drawing) -> bool:
        return drawing.file_id in draft.file_ids

    def send(self, draft: Draft, drawing: Drawing) -> str:
        assert not draft.message_ts
        ts = f"1700000000.{len(self.shown):06}"
        self.shown[ts] = drawing
        return ts

    def find(self, draft: Draft) -> str:
        found = (ts for ts, one in self.shown.items() if one.file_id in draft.file_ids)
        return next(found, "")

    def update(self, draft: Draft, drawing: Drawing) -> None:
        self.shown[draft.message_ts] = drawing

    def send_reasons(self, draft: Draft, drawing: Drawing) -> str:
        return self.send(draft, drawing)

    def delete_file(self, workspace: Workspace, file_id: str) -> None:
        assert workspace.id
        self.deleted.append(file_id)

    def remove(self, draft: Draft) -> None:
        self.deleted += draft.file_ids
        self.shown.pop(draft.message_ts or self.find(draft), None)
