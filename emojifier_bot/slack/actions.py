"""The buttons under a result: *Delete*, for everybody, and *Try another*, for one."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from slack_bolt import Ack, App, BoltContext

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    Outcome,
    Post,
    PostRecord,
)
from emojifier_bot.errors import EmojifierError, ErrorKind, QueueError, VaultError
from emojifier_bot.slack.blocks import (
    DELETE,
    DELETE_CONFIRMED,
    TRY_ANOTHER,
    WHY,
    delete_confirmation_view,
)
from emojifier_bot.slack.context import ACCEPTED, LatestByName, ListenerContext
from emojifier_bot.slack.payloads import Payload


class Actions:
    """Listeners for the buttons. Anybody may delete a picture: they may be in it."""

    def __init__(self, context: ListenerContext) -> None:
        self._context = context
        #: Jobs that were promised here; nobody needs a second notice of one.
        self._accepted = LatestByName()

    def register(self, app: App) -> None:
        """Register the listeners with Bolt."""
        app.action(DELETE)(self.delete)
        app.action(TRY_ANOTHER)(self.try_another)
        app.action(WHY)(self.why)
        app.view(DELETE_CONFIRMED)(self.delete_confirmed)

    def delete(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Delete for the asker at once; ask anybody else whether they are sure."""
        ack()
        asker = self._context.asker_of(body, context)
        record = self._find_post(asker, _post_id(body))
        if record is None:
            return
        if record.post.asker_id == asker.user_id:
            self.delete_post(asker, record.post)
        else:
            self._ask(asker, record.post.post_id, str(body.get("trigger_id")))

    def delete_confirmed(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Delete the post after it was confirmed in the window."""
        ack()
        post_id, asker = self._pending(body, context)
        record = self._find_post(asker, post_id)
        if record is not None:
            self.delete_post(asker, record.post)

    def failed(self, error: Exception, body: Payload, context: BoltContext) -> None:
        """Notify the user that it did not work; they get no other answer."""
        asker = self._context.asker_of(body, context)
        if body.get("type") == "view_submission":
            # Of another window, they hear of it in a direct message.
            with suppress(VaultError, ValueError):
                _, asker = self._pending(body, context)
        kind: str = ErrorKind.ERROR
        if isinstance(error, EmojifierError) and not isinstance(error, VaultError):
            kind = error.kind
        self._context.notify(asker, kind)

    def try_another(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Queue a new job from what the post was made from; for the asker only."""
        ack()
        asker = self._context.asker_of(body, context)
        record = self._find_post(asker, _post_id(body))
        if record is None:
            return
        if record.post.asker_id != asker.user_id:
            self._context.notify(asker, ErrorKind.NOT_ASKER)
            return
        self.redo(asker, record)

    def redo(
        self, asker: EmojifyRequest, record: PostRecord, words: tuple[str, ...] = ()
    ) -> None:
        """Queue the job that puts another version in the place of a post.

        Args:
            asker: Whose post it is, and where to answer.
            record: The post.
            words: What is asked for its faces.
        """
        workspace, post_id = record.post.workspace, record.post.post_id
        press = self._context.posts.count_press(workspace, post_id)
        if not press:
            self._context.notify(asker, ErrorKind.POST_GONE)
            return
        again = replace(
            asker,
            workspace=workspace,
            channel_id=record.post.channel_id,
            source=record.post.source,
            thread_ts=record.post.thread_ts,
            theme=record.post.theme,
            surprise=True,
            words=words,
            replaces_post_id=post_id,
            press=press,
        )
        outcome, key = Outcome(ErrorKind.BUSY), ""
        try:
            if key := self._context.next_key(post_id):
                outcome = self._context.enqueue(again, key)
        except QueueError as error:
            outcome = Outcome(error.kind)
        if outcome.kind in ACCEPTED and not self._accepted.is_new(1, key):
            return  # they press again while it is under way
        self._context.notify(asker, outcome.kind, **outcome.facts)

    def why(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """Queue a job that tells whoever presses why the faces got their emoji."""
        ack()
        asker = self._context.asker_of(body, context)
        record = self._find_post(asker, _post_id(body))
        if record is None:
            return
        who = (record.post.workspace, record.post.asker_id)
        request = replace(
            asker,
            workspace=record.post.workspace,
            # Whoever asked for the picture may want no emotions named.
            reading=self._context.preferences.reading(*who),
            entrypoint=Entrypoint.WHY,
            channel_id=record.post.channel_id,
            source=record.post.source,
            theme=record.post.theme,
            private=True,
        )
        try:
            key = f"{record.post.post_id}:why:{body.get('trigger_id')}"
            outcome = self._context.enqueue(request, key)
        except QueueError as error:
            outcome = Outcome(error.kind)
        self._context.notify(asker, outcome.kind, **outcome.facts)

    def _pending(
        self, body: Payload, context: BoltContext
    ) -> tuple[str, EmojifyRequest]:
        """Return the post that the window asked about, and who confirmed it.

        Raises:
            VaultError: It is not what the bot wrote into the window.
        """
        sealed = str(body["view"]["private_metadata"])
        asked = json.loads(self._context.vault.unseal(sealed))
        asker = EmojifyRequest.from_dict(asked["asker"])
        return asked["post_id"], replace(asker, user_id=context.user_id or "")

    def _find_post(self, asker: EmojifyRequest, post_id: str) -> PostRecord | None:
        """Return a post that still exists; else notify the user and return None.

        Somebody of another workspace may be in the picture: one of the same
        organisation, whose own is what Slack names. Of the installation that serves it,
        what Slack says now counts.
        """
        posts, here = self._context.posts, asker.workspace
        record = posts.find_in_organisation(here, post_id)
        while record is not None and record.deleted_by:
            # *Try another* may have put one in its place just now.
            successor = posts.find(record.post.workspace, record.deleted_by)
            if successor is None:
                break
            record = successor
        if record is None:
            self._context.notify(asker, ErrorKind.POST_FORGOTTEN)
            return None
        there = replace(here, team_id=record.post.workspace.team_id)
        post = replace(record.post, workspace=there)
        if not record.deleted_by:
            return replace(record, post=post)

        def task() -> None:
            # A message whose picture is gone may still stand: it has the button.
            self._context.sink.delete(post, asker.button_ts)
            self._context.notify(asker, ErrorKind.POST_GONE)

        self._context.run_later(asker, "delete_post", task)
        return None

    def delete_post(self, asker: EmojifyRequest, post: Post) -> None:
        """Delete a post, and notify whoever asked for that."""

        def task() -> None:
            deleted = self._delete_with_successors(asker, post)
            kind = "post_deleted" if deleted else ErrorKind.POST_GONE
            self._context.notify(asker, kind)

        self._context.run_later(asker, "delete_post", task)

    def _delete_with_successors(self, asker: EmojifyRequest, post: Post) -> bool:
        """Delete a post, or its successor; False if somebody else deleted it meanwhile.

        A successor is what *Try another* put in its place just now.
        """
        posts, button_ts = self._context.posts, asker.button_ts
        while True:
            self._context.sink.delete(post, button_ts)
            if posts.mark_deleted(post.workspace, post.post_id, asker.user_id):
                return True
            gone = posts.find(post.workspace, post.post_id)
            successor = gone and posts.find(post.workspace, gone.deleted_by)
            if not successor:
                return False
            post, button_ts = successor.post, ""

    def _ask(self, asker: EmojifyRequest, post_id: str, trigger_id: str) -> None:
        asked = json.dumps({"post_id": post_id, "asker": asker.to_dict()})

        def task() -> None:
            self._context.client.call(
                asker.workspace,
                "views.open",
                trigger_id=trigger_id,
                view=delete_confirmation_view(self._context.seal(asked)),
            )

        self._context.run_later(asker, "confirm_deletion", task)


def _post_id(body: Payload) -> str:
    return str(body["actions"][0].get("value") or "")
