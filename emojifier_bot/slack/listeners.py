"""The listeners that queue jobs: commands, shortcuts, mentions and direct messages.

No listener calls Slack before it has acknowledged. Each makes the same
`EmojifyRequest`.

What a mention or a direct message means, in this order:

1. A settings command, such as ``opt out``.
2. The pictures that it shows: its files, and those of messages that it forwards; and
   each address in its text. A preview of a link counts where no address does.
3. Thanks: a reaction answers them. A question about the bot: the help does, or what is
   said of privacy.
4. With no words but options, or with words that ask for "this one": in a thread its
   newest picture, else the newest one of the channel. That is the one right above, or
   the mention's own, for Slack sometimes leaves it out.
5. Among other words: its own images, which Slack may have left out.

Whatever else a person says to the bot gets an answer, too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
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
from emojifier_bot.slack.blocks import help_blocks
from emojifier_bot.slack.commands import (
    KEEPING_AWAY,
    ParsedCommand,
    ParseError,
    SettingsCommand,
    parse_command,
    parse_mention,
    run_settings_command,
)
from emojifier_bot.slack.context import (
    ACCEPTED,
    NO_PICTURE,
    LatestByName,
    ListenerContext,
    digest,
)
from emojifier_bot.slack.manifest import SHORTCUT
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import (
    Payload,
    ShownPicture,
    addresses_beside,
    as_edited,
    channel_name_of,
    encodable,
    is_direct,
    is_from_person,
    is_group,
    is_repeat,
    no_picture_kind,
    pictures_of,
    workspace_of,
)
from emojifier_bot.slack.resolver import reference_to
from emojifier_bot.slack.words import OtherWords

logger = logging.getLogger(__name__)
OK, FAILED = 200, 500
#: Events that need no installation: they end one.
UNINSTALL_EVENTS = frozenset({"app_uninstalled", "tokens_revoked"})
#: Slack sends these only once, when a user has pressed something and waits.
PRESSES = frozenset({"block_actions", "message_action", "view_submission"})
#: Operators may give the command another name.
ANY_COMMAND = re.compile("^/")
#: The reaction to thanks.
WELCOME, ALREADY_THERE = "blush", "already_reacted"


@dataclass(frozen=True, slots=True)
class Message:
    """A mention or a direct message, read."""

    event: Payload
    parsed: ParsedCommand | ParseError
    #: What it asks for, without the picture.
    request: EmojifyRequest
    #: Slack delivers it again; it may have been answered before.
    is_repeat: bool

    @property
    def options(self) -> ParsedCommand:
        """Return what is asked for; nothing where that cannot be understood."""
        if isinstance(self.parsed, ParseError):
            return ParsedCommand()
        return self.parsed

    @property
    def name(self) -> str:
        """Return what names it among all messages, by all that it asks for.

        One that is edited comes again: it is a new request only if it asks for more.
        """
        asked, ts = self.options, self.request.reaction_ts
        if asked.other_words not in {OtherWords.UNCLEAR, OtherWords.AGAINST}:
            asked = replace(asked, other_words=OtherWords.NONE)
        if asked == ParsedCommand():
            return ts
        return f"{ts}:{digest(repr(asked), *asked.addresses)}"


class Listeners:
    """The listeners that begin a job, and what surrounds them."""

    def __init__(self, context: ListenerContext, actions: Actions) -> None:
        self._context = context
        self._actions = actions
        #: What this process has done: Slack repeats what it believes to be lost.
        self._answers, self._orders = LatestByName(), LatestByName()

    def register(self, app: App) -> None:
        """Register the listeners with Bolt."""
        app.command(ANY_COMMAND)(self.command)
        app.message_shortcut(SHORTCUT)(self.shortcut)
        app.event("app_mention")(self.mention)
        app.event("message")(self.direct_message)

    def require_installation(
        self,
        body: Payload,
        context: BoltContext,
        request: BoltRequest,
        next: Callable[[], None],  # noqa: A002 - Bolt gives it by this name
    ) -> BoltResponse | None:
        """Pass on requests from workspaces that have installed the bot."""
        request.body = encodable(request.body)
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
        if parsed.help or parsed.other_words is OtherWords.QUESTION:
            facts = names | self._context.help_facts
            return ack(**ephemeral("help", **facts), blocks=help_blocks(**facts))
        if parsed.is_answered:
            return ack(**ephemeral(parsed.other_words, **names))
        try:
            for address in parsed.addresses:
                self._context.check_address(address)
        except FetchError as error:
            return ack(**ephemeral(error.kind, **names))
        request = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.COMMAND,
            user_id=context.user_id or "",
            channel_id=context.channel_id or "",
            source=replace(NO_PICTURE, again=parsed.again),
            theme=parsed.theme,
            surprise=parsed.surprise,
            words=parsed.words,
            private=parsed.private,
            preview=parsed.preview,
            at_once=parsed.now,
            channel_name=channel_name_of(str(body.get("channel_name") or "")),
            sealed_response_url=self._context.seal(context.response_url),
            command=str(body["command"]),
            in_group=is_group(str(body.get("channel_name") or "")),
        )
        if parsed.settings:
            kind = run_settings_command(self._context, request, parsed.settings)
            return ack(**ephemeral(kind, **names)) if kind else ack()
        trigger = str(body["trigger_id"])
        sources = self._addresses(parsed.addresses) or [request.source]
        try:
            outcome = self._enqueue_all(request, sources, trigger)
        except QueueError as error:
            outcome = Outcome(error.kind)
        return ack(**ephemeral(outcome.kind, **{**names, **outcome.facts}))

    def shortcut(self, ack: Ack, body: Payload, context: BoltContext) -> None:
        """*Emojify faces* on a message: each of its images."""
        ack()
        message = body["message"]
        channel_name = str((body.get("channel") or {}).get("name") or "")
        request = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.SHORTCUT,
            user_id=context.user_id or "",
            channel_id=context.channel_id or "",
            source=NO_PICTURE,
            thread_ts=str(message.get("thread_ts") or ""),
            sealed_response_url=self._context.seal(context.response_url),
            in_group=is_group(channel_name),
            channel_name=channel_name_of(channel_name),
        )
        message_ts, author = str(body["message_ts"]), str(message.get("user") or "")
        name = f"{message_ts}:{body['trigger_id']}"
        outcome = Outcome(no_picture_kind(message))
        try:
            if sources := self._shown(pictures_of(message), author):
                outcome = self._enqueue_all(request, sources, name, message_ts)
        except QueueError as error:
            outcome = Outcome(error.kind)
        self._context.notify(request, outcome.kind, **outcome.facts)

    def mention(
        self, event: Payload, body: Payload, context: BoltContext, request: BoltRequest
    ) -> None:
        """Read a mention of the bot; the top of this module says what it means."""
        if not is_from_person(event) or _is_direct_message(event):
            return  # direct messages come as messages
        self._answer(self._read(event, body, context, request, Entrypoint.MENTION))

    def direct_message(
        self, event: Payload, body: Payload, context: BoltContext, request: BoltRequest
    ) -> None:
        """Read a direct message, which means what a mention does."""
        event = as_edited(event)
        if not is_from_person(event) or not _is_direct_message(event):
            return
        entrypoint = Entrypoint.DIRECT_MESSAGE
        self._answer(self._read(event, body, context, request, entrypoint))

    def _answer(self, message: Message) -> None:
        event, parsed = message.event, message.parsed
        if isinstance(parsed, ParseError):
            self._notify(message, Outcome(parsed.kind, parsed.facts))
            return
        if parsed.settings:
            self._run_settings(message, parsed.settings)
            return
        kind = no_picture_kind(event)
        if sources := self._named_sources(message, parsed):
            self._enqueue(message, sources)
        elif kind != ErrorKind.NO_IMAGE:
            self._notify(message, Outcome(kind))
        elif parsed.other_words in {OtherWords.AGAINST, OtherWords.PRIVACY}:
            self._notify(message, Outcome(parsed.other_words))
        elif parsed.other_words is OtherWords.THANKS:
            self._welcome(message)
        elif self._wants_help(message, parsed):
            self._notify(message, Outcome("help", self._context.help_facts))
        else:
            self._enqueue(message, [self._meant_picture(message, parsed)])

    def _named_sources(
        self, message: Message, parsed: ParsedCommand
    ) -> list[ImageReference]:
        """Return the pictures that a message shows, and those that it names."""
        event, author = message.event, message.request.user_id
        shown = [p for p in pictures_of(event) if p.file_id or not parsed.addresses]
        beside = addresses_beside(event, shown, parsed.addresses)
        return [*self._shown(shown, author), *self._addresses(beside, author)]

    def _wants_help(self, message: Message, parsed: ParsedCommand) -> bool:
        """Return whether a message without a picture is best answered by the help."""
        if parsed.other_words is OtherWords.REQUEST:
            return False
        if parsed.help or parsed.other_words is OtherWords.QUESTION:
            return True
        if message.request.entrypoint is not Entrypoint.DIRECT_MESSAGE:
            return False
        # Whatever else is said in a direct message is said to the bot.
        return parsed == ParsedCommand(other_words=parsed.other_words)

    def _meant_picture(self, message: Message, parsed: ParsedCommand) -> ImageReference:
        """Return the picture that a message without pictures means."""
        event, top = message.event, str(message.event.get("thread_ts") or "")
        ts, again = str(event["ts"]), parsed.again
        if parsed.other_words is OtherWords.UNCLEAR:
            return ImageReference(message_ts=ts, posted_by=str(event["user"]))
        if top and top != ts:
            return ImageReference(message_ts=top, in_thread=True, again=again)
        return replace(NO_PICTURE, again=again)

    def _welcome(self, message: Message) -> None:
        """Answer thanks with a reaction, or in words where there can be none."""
        request, client = message.request, self._context.client

        def task() -> None:
            try:
                if client.has_scope(request.workspace, "reactions:write"):
                    client.call(
                        request.workspace,
                        "reactions.add",
                        channel=request.channel_id,
                        timestamp=request.reaction_ts,
                        name=WELCOME,
                    )
                    return
            except DeliveryError as error:
                if error.kind == ALREADY_THERE:
                    return
            self._notify(message, Outcome("thanks"))

        self._context.run_later(request, "welcome", task)

    def _read(
        self,
        event: Payload,
        body: Payload,
        context: BoltContext,
        request: BoltRequest,
        entrypoint: Entrypoint,
    ) -> Message:
        parsed = parse_mention(str(event.get("text") or ""), self._context.themes)
        options = parsed if isinstance(parsed, ParsedCommand) else ParsedCommand()
        asked = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=entrypoint,
            user_id=str(event["user"]),
            channel_id=str(event["channel"]),
            source=replace(NO_PICTURE, posted_by=str(event["user"])),
            thread_ts=str(event.get("thread_ts") or ""),
            theme=options.theme,
            surprise=options.surprise,
            words=options.words,
            private=options.private and entrypoint is not Entrypoint.DIRECT_MESSAGE,
            preview=options.preview,
            at_once=options.now,
            reaction_ts=str(event["ts"]),
        )
        return Message(event, parsed, asked, is_repeat(request.headers))

    def _addresses(
        self, addresses: Iterable[str], posted_by: str = ""
    ) -> list[ImageReference]:
        return [
            ImageReference(sealed_address=self._context.seal(one), posted_by=posted_by)
            for one in addresses
        ]

    def _shown(
        self, pictures: Iterable[ShownPicture], author: str
    ) -> list[ImageReference]:
        found = (reference_to(one, self._context.seal) for one in pictures)
        return [replace(one, posted_by=one.posted_by or author) for one in found]

    def _enqueue(self, message: Message, sources: Sequence[ImageReference]) -> None:
        """Queue what a message asks for; notify only of a refusal."""
        request = message.request
        name = f"{message.name}:{sources[0].file_id}".rstrip(":")
        try:
            outcome = self._enqueue_all(request, sources, name, request.reaction_ts)
        except QueueFullError as error:
            outcome = Outcome(error.kind)
        if outcome.kind not in ACCEPTED:
            self._notify(message, outcome)

    def _enqueue_all(
        self,
        request: EmojifyRequest,
        sources: Sequence[ImageReference],
        name: str,
        message_ts: str = "",
    ) -> Outcome:
        """Queue one job for some pictures; several answer in one thread.

        Args:
            request: What is asked for, without the pictures.
            sources: Where they are; at least one.
            name: What tells this request from others.
            message_ts: Of the message that asks; empty for a command, which has none.
        """
        if len(sources) > 1 and message_ts and not request.thread_ts:
            request = replace(request, thread_ts=message_ts, begins_thread=True)
        first, *further = sources
        request = replace(request, source=first, further=tuple(further))
        request = self._context.as_chosen(request)
        return self._context.enqueue(request, _key(request, name))

    def _run_settings(self, message: Message, command: SettingsCommand) -> None:
        """Run a settings command once, even if Slack delivers it again.

        A late repeat that this process has not done before may have been lost: what
        keeps the bot away is done then, for it can do no harm. The contrary could undo
        a newer order, which another process has done; it must be said again.
        """
        request = message.request
        time, who = float(request.reaction_ts), (request.workspace.id, request.user_id)
        is_new = self._orders.is_new(time, *who)
        if message.is_repeat and not is_new:
            return
        kind = str(ErrorKind.LATE_ORDER)
        if command in KEEPING_AWAY or not message.is_repeat:
            try:
                kind = run_settings_command(self._context, request, command)
            except StoreError as error:
                kind = error.kind
        if kind:
            self._context.notify(request, kind)

    def _notify(self, message: Message, outcome: Outcome) -> None:
        """Notify once: not again when Slack repeats what was answered here."""
        request = message.request
        named = (request.workspace.id, request.channel_id, message.name)
        is_new = self._answers.is_new(float(request.reaction_ts), *named)
        if is_new or not message.is_repeat:
            self._context.notify(request, outcome.kind, **outcome.facts)


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
