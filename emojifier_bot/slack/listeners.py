"""The listeners that queue jobs: commands, shortcuts, mentions and direct messages.

No listener calls Slack before it has acknowledged. Each makes the same
`EmojifyRequest`.

What a mention means, in this order:

1. Its own images: each of them.
2. An address in its text.
3. In a thread that a person began: the images of the message on top of the thread.
4. With no words but options: the newest image of the channel. That is the one right
   above, or the mention's own, for Slack sometimes leaves it out.
5. Among other words: its own images, which Slack may have left out; none is an answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.request import BoltRequest
from slack_bolt.response import BoltResponse

from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference, Outcome
from emojifier_bot.errors import (
    DeliveryError,
    EmojifierError,
    ErrorKind,
    FetchError,
    QueueError,
    QueueFullError,
    StoreError,
)
from emojifier_bot.slack.actions import Actions
from emojifier_bot.slack.blocks import help_blocks, home_view
from emojifier_bot.slack.commands import (
    ParsedCommand,
    ParseError,
    SettingsCommand,
    parse_command,
    parse_mention,
    run_settings_command,
)
from emojifier_bot.slack.context import ACCEPTED, NO_PICTURE, ListenerContext
from emojifier_bot.slack.manifest import SHORTCUT
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import (
    Payload,
    image_names,
    is_direct,
    is_from_person,
    is_group,
    is_repeat,
    workspace_of,
)

logger = logging.getLogger(__name__)
OK, FAILED = 200, 500
#: Events that need no installation: they end one.
UNINSTALL_EVENTS = frozenset({"app_uninstalled", "tokens_revoked"})
#: Slack sends these only once, when a user has pressed something and waits.
PRESSES = frozenset({"block_actions", "message_action", "view_submission"})
#: Operators may give the command another name.
ANY_COMMAND = re.compile("^/")


@dataclass(frozen=True, slots=True)
class Message:
    """A mention or a direct message, read."""

    event: Payload
    parsed: ParsedCommand
    #: What it asks for, without the picture.
    request: EmojifyRequest
    #: Slack delivers it again; it may have been answered before.
    is_repeat: bool


class Listeners:
    """The listeners that begin a job, and what surrounds them."""

    def __init__(self, context: ListenerContext, actions: Actions) -> None:
        self._context = context
        self._actions = actions

    def register(self, app: App) -> None:
        """Register the listeners with Bolt."""
        app.command(ANY_COMMAND)(self.command)
        app.message_shortcut(SHORTCUT)(self.shortcut)
        app.event("app_mention")(self.mention)
        app.event("message")(self.direct_message)
        app.event("app_home_opened")(self.home_opened)

    def require_installation(
        self,
        body: Payload,
        context: BoltContext,
        next: Callable[[], None],  # noqa: A002 - Bolt gives it by this name
    ) -> BoltResponse | None:
        """Pass on requests from workspaces that have installed the bot."""
        event = body.get("event") or {}
        known = (
            body.get("type") == "url_verification"
            or event.get("type") in UNINSTALL_EVENTS
            or self._context.authorize.installation(workspace_of(context, body))
        )
        if known:
            next()
            return None
        logger.warning("No installation", extra={"action": "authorize"})
        if "command" in body:
            return ephemeral_response(ErrorKind.NOT_INSTALLED)
        return BoltResponse(status=OK)

    def failed(
        self, error: Exception, body: Payload, context: BoltContext
    ) -> BoltResponse:
        """Answer after an error; Slack delivers an event again after a 500."""
        if isinstance(error, BoltUnhandledRequestError):
            return BoltResponse(status=OK)
        facts = {"action": "receive", "type": str(body.get("type") or "command")}
        if isinstance(error, EmojifierError):
            logger.warning("A request failed", extra=facts | {"error": error.kind})
        else:
            logger.error("A request failed", exc_info=error, extra=facts)
        if body.get("type") in PRESSES:
            self._actions.failed(error, body, context)
            return BoltResponse(status=OK)
        if "command" not in body:
            return BoltResponse(status=FAILED)
        kind = error.kind if isinstance(error, EmojifierError) else ErrorKind.ERROR
        return ephemeral_response(kind, **self._context.names(body, context))

    def command(self, ack: Ack, body: Payload, context: BoltContext) -> BoltResponse:
        """``/emojify``: an address, or the newest image of the channel."""
        parsed = parse_command(str(body.get("text") or ""), self._context.themes)
        names = self._context.names(body, context)
        if isinstance(parsed, ParseError):
            return ack(**ephemeral(parsed.kind, **{**names, **parsed.facts}))
        if parsed.help:
            facts = names | self._context.help_facts
            return ack(**ephemeral("help", **facts), blocks=help_blocks(**facts))
        if parsed.address:
            try:
                self._context.check_address(parsed.address)
            except FetchError as error:
                return ack(**ephemeral(error.kind, **names))
        request = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.COMMAND,
            user_id=context.user_id or "",
            channel_id=context.channel_id or "",
            source=self._address(parsed) or NO_PICTURE,
            theme=parsed.theme,
            surprise=parsed.surprise,
            private=parsed.private,
            sealed_response_url=self._context.seal(context.response_url),
            command=str(body["command"]),
            in_group=is_group(str(body.get("channel_name") or "")),
        )
        if parsed.settings:
            kind = run_settings_command(self._context, request, parsed.settings)
            return ack(**ephemeral(kind, **names)) if kind else ack()
        try:
            key = _key(request, str(body["trigger_id"]))
            outcome = self._context.enqueue(request, key)
        except QueueError as error:
            outcome = Outcome(error.kind)
        return ack(**ephemeral(outcome.kind, **{**names, **outcome.facts}))

    def shortcut(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """*Emojify faces* on a message: each of its images."""
        ack()
        message = body["message"]
        request = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.SHORTCUT,
            user_id=context.user_id or "",
            channel_id=context.channel_id or "",
            source=replace(NO_PICTURE, posted_by=str(message.get("user") or "")),
            thread_ts=str(message.get("thread_ts") or ""),
            sealed_response_url=self._context.seal(context.response_url),
            in_group=is_group(str((body.get("channel") or {}).get("name") or "")),
        )
        message_ts, images = (
            str(body["message_ts"]),
            image_names(message.get("files") or ()),
        )
        name = f"{message_ts}:{body['trigger_id']}"
        try:
            outcome = self._enqueue_each(request, images, message_ts, name)
        except QueueError as error:
            outcome = Outcome(error.kind)
        self._context.notify(request, outcome.kind, **outcome.facts)

    def mention(
        self, event: Payload, body: Payload, context: BoltContext, request: BoltRequest
    ) -> None:
        """Read a mention of the bot; the top of this module says what it means."""
        if not is_from_person(event) or _is_direct_message(event):
            return  # direct messages come as messages
        message = self._read(event, body, context, request, Entrypoint.MENTION)
        parsed = message.parsed
        if parsed.settings:
            self._run_settings(message, parsed.settings)
        elif event.get("files"):
            self._enqueue(message)
        elif parsed.help and not parsed.has_other_words:
            self._notify(message, Outcome("help", self._context.help_facts))
        else:
            source = self._meant_picture(message, context.bot_user_id or "")
            self._enqueue(message, source)

    def direct_message(
        self, event: Payload, body: Payload, context: BoltContext, request: BoltRequest
    ) -> None:
        """Read a direct message: each of its images, or an address."""
        if not is_from_person(event) or not _is_direct_message(event):
            return
        message = self._read(event, body, context, request, Entrypoint.DIRECT_MESSAGE)
        if message.parsed.settings:
            self._run_settings(message, message.parsed.settings)
        elif event.get("files"):
            self._enqueue(message)
        elif address := self._address(message.parsed, str(event["user"])):
            self._enqueue(message, address)
        elif not event.get("thread_ts"):
            self._notify(message, Outcome("help", self._context.help_facts))

    def home_opened(self, event: Payload, body: Payload, context: BoltContext) -> None:
        """Show the home tab."""
        if event.get("tab") != "home":
            return
        workspace = workspace_of(context, body)

        def task() -> None:
            try:
                self._context.client.call(
                    workspace,
                    "views.publish",
                    user_id=str(event["user"]),
                    view=home_view(
                        **self._context.names(body, context), **self._context.help_facts
                    ),
                )
            except DeliveryError as error:
                facts = {"action": "home", "error": error.kind}
                logger.warning("The home tab was not shown", extra=facts)

        self._context.background.submit("home", task)

    def _read(
        self,
        event: Payload,
        body: Payload,
        context: BoltContext,
        request: BoltRequest,
        entrypoint: Entrypoint,
    ) -> Message:
        parsed = parse_mention(str(event.get("text") or ""), self._context.themes)
        asked = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=entrypoint,
            user_id=str(event["user"]),
            channel_id=str(event["channel"]),
            source=replace(NO_PICTURE, posted_by=str(event["user"])),
            thread_ts=str(event.get("thread_ts") or ""),
            theme=parsed.theme,
            surprise=parsed.surprise,
            private=parsed.private and entrypoint is not Entrypoint.DIRECT_MESSAGE,
            reaction_ts=str(event["ts"]),
        )
        return Message(event, parsed, asked, is_repeat(request.headers))

    def _meant_picture(self, message: Message, bot_user_id: str) -> ImageReference:
        """Return the picture that a mention without images means."""
        event, parsed = message.event, message.parsed
        if address := self._address(parsed, str(event["user"])):
            return address
        top, top_by = event.get("thread_ts"), event.get("parent_user_id")
        if top and top != event["ts"] and top_by != bot_user_id:
            return ImageReference(message_ts=str(top), posted_by=str(top_by or ""))
        if not (parsed.has_other_words or top):
            return NO_PICTURE
        return ImageReference(message_ts=str(event["ts"]), posted_by=str(event["user"]))

    def _address(
        self, parsed: ParsedCommand, posted_by: str = ""
    ) -> ImageReference | None:
        if not parsed.address:
            return None
        sealed = self._context.seal(parsed.address)
        return ImageReference(sealed_address=sealed, posted_by=posted_by)

    def _enqueue(self, message: Message, source: ImageReference | None = None) -> None:
        """Queue what a message asks for; notify only of a refusal.

        Args:
            message: With images of its own if there is no source.
            source: The picture that is meant.
        """
        request, ts = message.request, message.request.reaction_ts
        try:
            if source:
                request = replace(request, source=source)
                outcome = self._context.enqueue(request, _key(request, ts))
            else:
                images = image_names(message.event["files"])
                outcome = self._enqueue_each(request, images, ts, ts)
        except QueueFullError as error:
            outcome = Outcome(error.kind)
        if outcome.kind not in ACCEPTED:
            self._notify(message, outcome)

    def _enqueue_each(
        self,
        request: EmojifyRequest,
        names: Mapping[str, str],
        message_ts: str,
        name: str,
    ) -> Outcome:
        """Queue one job for all images of a message; several answer in one thread.

        Args:
            request: What is asked for, without the pictures.
            names: What the images are called, by their ids.
            message_ts: The message's.
            name: What tells this request from others for the same images.
        """
        posted_by = request.source.posted_by
        sources = [
            ImageReference(file_id=one, posted_by=posted_by, name=names[one])
            for one in names
        ]
        if not sources:
            return Outcome(ErrorKind.NO_IMAGE)
        if len(sources) > 1 and not request.thread_ts:
            request = replace(request, thread_ts=message_ts, begins_thread=True)
        first, *further = sources
        request = replace(request, source=first, further=tuple(further))
        return self._context.enqueue(request, _key(request, f"{name}:{first.file_id}"))

    def _run_settings(self, message: Message, command: SettingsCommand) -> None:
        """Run a settings command once: a late repeat could undo a newer one."""
        if message.is_repeat:
            return
        try:
            kind = run_settings_command(self._context, message.request, command)
        except StoreError as error:
            kind = error.kind
        if kind:
            self._context.notify(message.request, kind)

    def _notify(self, message: Message, outcome: Outcome) -> None:
        """Notify once: not again when Slack repeats the event."""
        if not message.is_repeat:
            self._context.notify(message.request, outcome.kind, **outcome.facts)


def ephemeral(kind: str, **facts: str) -> dict[str, Any]:
    """Return what Slack shows only to the asker."""
    return {"response_type": "ephemeral", "text": render_message(kind, **facts)}


def ephemeral_response(kind: str, **facts: str) -> BoltResponse:
    """Return an HTTP answer that Slack shows only to the asker."""
    return BoltResponse(status=OK, body=ephemeral(kind, **facts))


def _is_direct_message(event: Payload) -> bool:
    # A mention does not name the type; ids of direct messages begin alike.
    return event.get("channel_type") == "im" or is_direct(str(event["channel"]))


def _key(request: EmojifyRequest, name: str) -> str:
    """Return what names this request: the same again is the same request."""
    workspace = request.workspace.team_id or request.workspace.enterprise_id
    return f"{workspace}:{request.channel_id}:{name}"
