"""Reactions to a result do something for the person who asked for it.

They are heard only where the optional permission ``reactions:read`` is granted.
"""

from __future__ import annotations

from collections.abc import Iterator

from slack_bolt import App, BoltContext

from emojifier_bot.domain import EmojifyRequest, Entrypoint, PostRecord
from emojifier_bot.errors import DeliveryError
from emojifier_bot.slack.actions import Actions
from emojifier_bot.slack.context import NO_PICTURE, ListenerContext
from emojifier_bot.slack.payloads import Payload, shares_in, workspace_of

#: The names of 🔁 and ❌.
AGAIN, DELETE = "repeat", "x"
#: The newest results of a person that are looked through.
MOST_LOOKUPS = 10


class Reactions:
    """The listener for reactions; others than the asker's mean nothing to the bot."""

    def __init__(self, context: ListenerContext, actions: Actions) -> None:
        self._context = context
        self._actions = actions

    def register(self, app: App) -> None:
        """Register the listener with Bolt."""
        app.event("reaction_added")(self.added)

    def added(self, event: Payload, body: Payload, context: BoltContext) -> None:
        """Redraw with 🔁 or an emoji of the theme, delete with ❌."""
        item, name = event.get("item") or {}, str(event.get("reaction") or "")
        is_ours = event.get("item_user") == context.bot_user_id
        if not is_ours or item.get("type") != "message" or not self._means(name):
            return
        asker = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.TRY_ANOTHER,
            user_id=str(event["user"]),
            channel_id=str(item["channel"]),
            source=NO_PICTURE,
            button_ts=str(item["ts"]),
        )
        self._context.run_later(asker, "reaction", lambda: self._act(asker, name))

    def _means(self, name: str) -> bool:
        themes = map(self._context.theme, self._context.themes)
        known = {emoji.name for theme in themes for emoji in theme.emoji}
        return name in {AGAIN, DELETE} | known

    def _act(self, asker: EmojifyRequest, name: str) -> None:
        record = next(self._shown_in(asker), None)
        if record is None:
            return
        if name == DELETE:
            self._actions.delete_post(asker, record.post)
        elif name == AGAIN:
            self._actions.redo(asker, record)
        else:
            theme = self._context.theme(record.post.theme)
            if name in {emoji.name for emoji in theme.emoji}:
                self._actions.redo(asker, record, ("everyone", name))

    def _shown_in(self, asker: EmojifyRequest) -> Iterator[PostRecord]:
        """Yield the asker's own result that the message shows, if it shows one.

        Which message shows a post is not stored; Slack knows it.
        """
        workspace, ts = asker.workspace, asker.button_ts
        latest = self._context.posts.latest(workspace, asker.user_id, MOST_LOOKUPS)
        for record in latest:
            if record.post.channel_id != asker.channel_id:
                continue
            try:
                answer = self._context.client.call(
                    workspace, "files.info", file=record.post.file_id
                )
            except DeliveryError as error:
                if error.retryable:
                    raise
                continue
            file = answer.get("file") or {}
            if any(one.get("ts") == ts for one in shares_in(file, asker.channel_id)):
                yield record
