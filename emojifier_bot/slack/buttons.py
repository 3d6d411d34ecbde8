"""The buttons under a result: *Delete*, for everybody, and *Try another*, for one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from slack_bolt import Ack, App, BoltContext

from emojifier_bot.domain import EmojifyRequest, Post, PostRecord, Way
from emojifier_bot.errors import QueueError
from emojifier_bot.slack.blocks import (
    DELETE,
    DELETE_CONFIRMED,
    TRY_ANOTHER,
    delete_confirmation_view,
)
from emojifier_bot.slack.inbound import NO_PICTURE, Inbound
from emojifier_bot.slack.payloads import Payload, workspace_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What the window before a deletion remembers of the press that opened it."""

    post_id: str
    channel_id: str
    thread_ts: str
    sealed_response_url: str
    #: Where the button was pressed; a window's answer may name another workspace.
    team_id: str = ""

    def to_metadata(self) -> str:
        """Return it as text for Slack to keep."""
        return json.dumps(asdict(self))

    @classmethod
    def from_metadata(cls, text: str) -> Asked:
        """Read what `to_metadata` returned."""
        return cls(**json.loads(text))


class Buttons:
    """Listeners for presses. The picture's people have a say: anyone may delete."""

    def __init__(self, inbound: Inbound) -> None:
        """Keep what is at hand."""
        self._inbound = inbound

    def register(self, app: App) -> None:
        """Put the listeners into Bolt's list."""
        app.action(DELETE)(self.delete)
        app.action(TRY_ANOTHER)(self.try_another)
        app.view(DELETE_CONFIRMED)(self.delete_confirmed)

    def delete(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Delete for the asker at once; ask anybody else whether they are sure."""
        ack()
        post_id, asker = _post_id(body), self._asker(body, context)
        record = self._standing(asker, post_id)
        if record is None:
            return
        if record.post.asker_id == asker.user_id:
            self._delete(asker, record.post)
        else:
            self._ask(asker, post_id, str(body.get("trigger_id")))

    def delete_confirmed(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Delete what somebody was asked about and is sure of."""
        ack()
        asked = Asked.from_metadata(body["view"]["private_metadata"])
        here = workspace_of(context, body)
        asker = EmojifyRequest(
            workspace=replace(here, team_id=asked.team_id or here.team_id),
            way=Way.TRY_ANOTHER,
            user_id=context.user_id or "",
            channel_id=asked.channel_id,
            source=NO_PICTURE,
            thread_ts=asked.thread_ts,
            sealed_response_url=asked.sealed_response_url,
        )
        record = self._standing(asker, asked.post_id)
        if record is not None:
            self._delete(asker, record.post)

    def try_another(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Queue a new job from what the post was made from; for the asker only."""
        ack()
        post_id, asker = _post_id(body), self._asker(body, context)
        record = self._standing(asker, post_id)
        if record is None:
            return
        if record.post.asker_id != asker.user_id:
            self._inbound.tell(asker, "not_asker")
            return
        press = self._inbound.posts.count_press(asker.workspace, post_id)
        if not press:
            self._inbound.tell(asker, "post_gone")
            return
        again = replace(
            asker,
            channel_id=record.post.channel_id,
            source=record.post.source,
            thread_ts=record.post.thread_ts,
            theme=record.post.theme,
            surprise=True,
            replaces_post_id=post_id,
            press=press,
        )
        try:
            kind = self._inbound.enqueue(again, f"{post_id}:{press}")
        except QueueError as error:
            kind = error.kind
        self._inbound.tell(asker, kind)

    def _standing(self, asker: EmojifyRequest, post_id: str) -> PostRecord | None:
        """Return a post that nobody deleted; else tell that it is gone or forgotten."""
        record = self._inbound.posts.find(asker.workspace, post_id)
        if record is not None and not record.deleted_by:
            return record
        self._inbound.tell(asker, "post_gone" if record else "post_forgotten")
        return None

    def _delete(self, asker: EmojifyRequest, post: Post) -> None:
        def task() -> None:
            self._inbound.sink.delete(post)
            first = self._inbound.posts.mark_deleted(
                asker.workspace, post.post_id, asker.user_id
            )
            self._inbound.tell(asker, "post_deleted" if first else "post_gone")

        self._inbound.after_answer(asker, "delete_post", task)

    def _ask(self, asker: EmojifyRequest, post_id: str, trigger_id: str) -> None:
        asked = Asked(
            post_id,
            asker.channel_id,
            asker.thread_ts,
            asker.sealed_response_url,
            asker.workspace.team_id,
        )

        def task() -> None:
            self._inbound.client.call(
                asker.workspace,
                "views.open",
                trigger_id=trigger_id,
                view=delete_confirmation_view(asked.to_metadata()),
            )

        self._inbound.after_answer(asker, "confirm_deletion", task)

    def _asker(self, body: Payload, context: BoltContext) -> EmojifyRequest:
        """Return who pressed, as somebody to answer."""
        container = body.get("container") or {}
        message = body.get("message") or {}
        thread_ts = message.get("thread_ts") or container.get("thread_ts") or ""
        return EmojifyRequest(
            workspace=workspace_of(context, body),
            way=Way.TRY_ANOTHER,
            user_id=context.user_id or "",
            channel_id=context.channel_id or container.get("channel_id") or "",
            source=NO_PICTURE,
            thread_ts=thread_ts,
            sealed_response_url=self._inbound.seal(body.get("response_url")),
        )


def _post_id(body: Payload) -> str:
    return str(body["actions"][0].get("value") or "")
