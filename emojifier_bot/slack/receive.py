"""Every way in: verify, read, check what can be checked at once, queue, answer.

No listener calls Slack before it has answered. All end as the same `EmojifyRequest`.

What a mention means, in this order:

1. Its own images: each of them.
2. An address in its text.
3. In a thread that a person began: the images of the message on top of the thread.
4. With nothing else in it but wishes: the newest image of the channel. That is the
   one right above, or the mention's own, for Slack sometimes leaves it out.
5. Among other words: its own images, which Slack may have left out; none is told.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
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
from emojifier_bot.slack import replies
from emojifier_bot.slack.blocks import help_blocks, home_view
from emojifier_bot.slack.buttons import Buttons
from emojifier_bot.slack.comments import is_direct
from emojifier_bot.slack.inbound import ACCEPTED, NO_PICTURE, Inbound
from emojifier_bot.slack.manifest import SHORTCUT
from emojifier_bot.slack.options import (
    Misread,
    Order,
    Overheard,
    overhear,
    parse_options,
)
from emojifier_bot.slack.orders import Orders
from emojifier_bot.slack.payloads import (
    Payload,
    image_ids,
    is_from_person,
    was_heard,
    workspace_of,
)

logger = logging.getLogger(__name__)
OK, FAILED = 200, 500
#: What needs no installation: it ends one, or only asks whether somebody is there.
FOR_STRANGERS = frozenset({"app_uninstalled", "tokens_revoked"})
#: What comes once only, from somebody who pressed something and waits.
PRESSES = frozenset({"block_actions", "message_action", "view_submission"})
#: Any command of the app's is for us, whatever an operator called it.
ANY_COMMAND = re.compile("^/")


class Listeners:
    """The listeners that begin a job, and what surrounds them."""

    def __init__(self, inbound: Inbound, buttons: Buttons) -> None:
        """Keep what is at hand."""
        self._inbound = inbound
        self._buttons = buttons
        self._orders = Orders(inbound)

    def register(self, app: App) -> None:
        """Put the listeners into Bolt's list."""
        app.command(ANY_COMMAND)(self.command)
        app.message_shortcut(SHORTCUT)(self.shortcut)
        app.event("app_mention")(self.mention)
        app.event("message")(self.message)
        app.event("app_home_opened")(self.home_opened)

    def refuse_strangers(
        self,
        body: Payload,
        context: BoltContext,
        next: Callable[[], None],  # noqa: A002 - Bolt gives it by this name
    ) -> BoltResponse | None:
        """Pass on what comes from where the bot is installed."""
        event = body.get("event") or {}
        known = (
            body.get("type") == "url_verification"
            or event.get("type") in FOR_STRANGERS
            or self._inbound.authorize.installation(workspace_of(context, body))
        )
        if known:
            next()
            return None
        logger.warning("No installation", extra={"action": "authorize"})
        return (
            alone(ErrorKind.NOT_INSTALLED)
            if "command" in body
            else BoltResponse(status=OK)
        )

    def failed(
        self, error: Exception, body: Payload, context: BoltContext
    ) -> BoltResponse:
        """Answer where something went wrong; Slack sends an event again after 500."""
        if isinstance(error, BoltUnhandledRequestError):
            return BoltResponse(status=OK)
        facts = {"action": "receive", "type": str(body.get("type") or "command")}
        if isinstance(error, EmojifierError):
            logger.warning("A request failed", extra=facts | {"error": error.kind})
        else:
            logger.error("A request failed", exc_info=error, extra=facts)
        if body.get("type") in PRESSES:
            self._buttons.failed(error, body, context)
            return BoltResponse(status=OK)
        if "command" not in body:
            return BoltResponse(status=FAILED)
        return alone(error.kind if isinstance(error, EmojifierError) else "error")

    def command(self, ack: Ack, body: Payload, context: BoltContext) -> BoltResponse:
        """``/emojify``: an address, or the newest image of the channel."""
        read = parse_options(str(body.get("text") or ""), self._inbound.themes)
        if isinstance(read, Misread):
            return ack(**said(read.kind, **read.facts))
        if read.help:
            facts = self._inbound.help_facts
            return ack(**said("help", **facts), blocks=help_blocks(**facts))
        if refused := self._refused(read.address):
            return ack(**said(refused))
        request = EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.COMMAND,
            user_id=context.user_id or "",
            channel_id=context.channel_id or "",
            source=self._address(read.address) or NO_PICTURE,
            theme=read.theme,
            surprise=read.surprise,
            private=read.private,
            sealed_response_url=self._inbound.seal(context.response_url),
        )
        if read.order:
            kind = self._orders.obey(request, read.order)
            return ack(**said(kind)) if kind else ack()
        key = _key(request, str(body["trigger_id"]))
        outcome = _queued(lambda: self._inbound.enqueue(request, key))
        return ack(**said(outcome.kind, **outcome.facts))

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
            sealed_response_url=self._inbound.seal(context.response_url),
        )
        message_ts, ids = str(body["message_ts"]), image_ids(message.get("files") or ())
        name = f"{message_ts}:{body['trigger_id']}"
        outcome = _queued(lambda: self._each(request, ids, message_ts, name))
        self._inbound.tell(request, outcome.kind, **outcome.facts)

    def mention(
        self, event: Payload, body: Payload, context: BoltContext, request: BoltRequest
    ) -> None:
        """Read a mention of the bot; the top of this module says what it means."""
        if not is_from_person(event) or _is_direct(event):
            return  # direct messages come as messages
        heard = overhear(str(event.get("text") or ""), self._inbound.themes)
        asked = self._written(event, body, context, heard, Entrypoint.MENTION)
        once = not was_heard(request.headers)
        if heard.wishes.order:
            self._obey(asked, heard.wishes.order, once=once)
        elif event.get("files"):
            self._images_of(event, asked, once=once)
        elif heard.wishes.help and heard.nothing_else:
            self._tell(asked, Outcome("help"), once=once)
        else:
            source = self._meant(event, heard, context.bot_user_id or "")
            self._enqueue_told(replace(asked, source=source), once=once)

    def message(
        self, event: Payload, body: Payload, context: BoltContext, request: BoltRequest
    ) -> None:
        """Read a direct message: each of its images, or an address."""
        if not is_from_person(event) or not _is_direct(event):
            return
        heard = overhear(str(event.get("text") or ""), self._inbound.themes)
        asked = self._written(event, body, context, heard, Entrypoint.DIRECT_MESSAGE)
        once = not was_heard(request.headers)
        address = self._address(heard.wishes.address, str(event["user"]))
        if heard.wishes.order:
            self._obey(asked, heard.wishes.order, once=once)
        elif event.get("files"):
            self._images_of(event, asked, once=once)
        elif address:
            self._enqueue_told(replace(asked, source=address), once=once)
        elif not event.get("thread_ts"):
            self._tell(asked, Outcome("help"), once=once)

    def home_opened(self, event: Payload, body: Payload, context: BoltContext) -> None:
        """Show the home tab."""
        if event.get("tab") != "home":
            return
        workspace = workspace_of(context, body)

        def task() -> None:
            try:
                self._inbound.client.call(
                    workspace,
                    "views.publish",
                    user_id=str(event["user"]),
                    view=home_view(**self._inbound.help_facts),
                )
            except DeliveryError as error:
                facts = {"action": "home", "error": error.kind}
                logger.warning("The home tab was not shown", extra=facts)

        self._inbound.background.submit("home", task)

    def _written(
        self,
        event: Payload,
        body: Payload,
        context: BoltContext,
        heard: Overheard,
        entrypoint: Entrypoint,
    ) -> EmojifyRequest:
        """Return what a message asks for, but for the picture."""
        wishes = heard.wishes
        return EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=entrypoint,
            user_id=str(event["user"]),
            channel_id=str(event["channel"]),
            source=replace(NO_PICTURE, posted_by=str(event["user"])),
            thread_ts=str(event.get("thread_ts") or ""),
            theme=wishes.theme,
            surprise=wishes.surprise,
            private=wishes.private and entrypoint is not Entrypoint.DIRECT_MESSAGE,
            reaction_ts=str(event["ts"]),
        )

    def _meant(
        self, event: Payload, heard: Overheard, bot_user_id: str
    ) -> ImageReference:
        """Return the picture that a mention without images means."""
        address = self._address(heard.wishes.address, str(event["user"]))
        if address:
            return address
        top, top_by = event.get("thread_ts"), event.get("parent_user_id")
        if top and top != event["ts"] and top_by != bot_user_id:
            return ImageReference(message_ts=str(top), posted_by=str(top_by or ""))
        if heard.nothing_else and not top:
            return NO_PICTURE
        return ImageReference(message_ts=str(event["ts"]), posted_by=str(event["user"]))

    def _images_of(self, event: Payload, asked: EmojifyRequest, *, once: bool) -> None:
        ids, ts = image_ids(event["files"]), str(event["ts"])
        self._told(asked, lambda: self._each(asked, ids, ts, ts), once=once)

    def _enqueue_told(self, asked: EmojifyRequest, *, once: bool) -> None:
        key = _key(asked, asked.reaction_ts)
        self._told(asked, lambda: self._inbound.enqueue(asked, key), once=once)

    def _told(
        self, asked: EmojifyRequest, enqueue: Callable[[], Outcome], *, once: bool
    ) -> None:
        """Queue what a message asks for; tell only why that is not done."""
        try:
            outcome = enqueue()
        except QueueFullError as error:
            outcome = Outcome(error.kind)
        if outcome.kind not in ACCEPTED:
            self._tell(asked, outcome, once=once)

    def _each(
        self, request: EmojifyRequest, ids: tuple[str, ...], message_ts: str, name: str
    ) -> Outcome:
        """Queue a job for each image; several answer in one thread."""
        if len(ids) > 1 and not request.thread_ts:
            request = replace(request, thread_ts=message_ts, begins_thread=True)
        outcome, posted_by = Outcome(ErrorKind.NO_IMAGE), request.source.posted_by
        for file_id in ids:
            source = ImageReference(file_id=file_id, posted_by=posted_by)
            one = replace(request, source=source)
            outcome = self._inbound.enqueue(one, _key(request, f"{name}:{file_id}"))
            if outcome.kind not in ACCEPTED:
                break
            # One of them is enough to take the reaction back.
            request = replace(request, reaction_ts="")
        return outcome

    def _obey(self, asked: EmojifyRequest, order: Order, *, once: bool) -> None:
        """Obey it once: what comes again late could undo what was said meanwhile.

        So where the database does not answer, who said it must hear that.
        """
        if not once:
            return
        try:
            kind = self._orders.obey(asked, order)
        except StoreError as error:
            kind = error.kind
        if kind:
            self._inbound.tell(asked, kind)

    def _tell(self, asked: EmojifyRequest, outcome: Outcome, *, once: bool) -> None:
        """Tell it once: not when Slack sends an event again."""
        if once:
            help_facts = self._inbound.help_facts if outcome.kind == "help" else {}
            self._inbound.tell(asked, outcome.kind, **help_facts, **outcome.facts)

    def _refused(self, address: str) -> str:
        """Return the kind of refusal that an address meets at sight; empty for none."""
        try:
            if address:
                self._inbound.check_address(address)
        except FetchError as error:
            return error.kind
        return ""

    def _address(self, address: str, posted_by: str = "") -> ImageReference | None:
        if not address:
            return None
        sealed = self._inbound.seal(address)
        return ImageReference(sealed_address=sealed, posted_by=posted_by)


def said(kind: str, **facts: str) -> dict[str, Any]:
    """Return what Slack shows the asker alone."""
    return {"response_type": "ephemeral", "text": replies.say(kind, **facts)}


def alone(kind: str) -> BoltResponse:
    """Return an answer that Slack shows the asker alone."""
    return BoltResponse(status=OK, body=said(kind))


def _queued(enqueue: Callable[[], Outcome]) -> Outcome:
    """Return what to answer somebody who waits, whatever the queue says."""
    try:
        return enqueue()
    except QueueError as error:
        return Outcome(error.kind)


def _is_direct(event: Payload) -> bool:
    # A mention does not name the type; ids of direct messages begin alike.
    return event.get("channel_type") == "im" or is_direct(str(event["channel"]))


def _key(request: EmojifyRequest, name: str) -> str:
    """Return what names this request: the same again is the same request."""
    workspace = request.workspace.team_id or request.workspace.enterprise_id
    return f"{workspace}:{request.channel_id}:{name}"
