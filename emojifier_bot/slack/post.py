"""Posts results to Slack in three calls, and notifies the people who asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import PurePath
from typing import Any

from emojifier_bot.db.crypto import Vault
from emojifier_bot.domain import (
    EmojifyRequest,
    Outcome,
    Post,
    ResultPicture,
    Share,
    ShareState,
    Workspace,
)
from emojifier_bot.errors import DeliveryError, ErrorKind, SlackCode, VaultError
from emojifier_bot.http import (
    TRANSFER_NETWORK,
    ServiceCall,
    post_bytes,
    post_to_service,
)
from emojifier_bot.slack.blocks import buttons_blocks, plain_comment, result_blocks
from emojifier_bot.slack.client import (
    CLIENT_ERRORS,
    Answer,
    SlackClient,
    delivery_error,
)
from emojifier_bot.slack.manifest import COMMAND
from emojifier_bot.slack.messages import (
    SILENT,
    has_elsewhere,
    mention_of,
    render_message,
    render_outcome,
)
from emojifier_bot.slack.payloads import (
    is_direct,
    may_be_between_people,
    share_of,
    shares_in,
)
from emojifier_bot.slack.resolver import address_of
from emojifier_bot.vision.alt_text import MAX_ALT_TEXT_CHARACTERS
from emojifier_bot.vision.formats import format_for

#: The reaction "seen".
SEEN = "eyes"
#: Alt text that fits if Slack counts bytes, in characters.
SHORT_ALT_TEXT_CHARACTERS = 250
#: Ends the title of a file whose message has no buttons. Slack keeps the title, so that
#: a worker that resumes the job after a crash can see it.
BARE = " (buttons in the thread)"
GONE = frozenset({ErrorKind.FILE_DELETED, ErrorKind.FILE_NOT_FOUND})
#: Refusals to join which leave it at "not in the channel".
CANNOT_JOIN = frozenset(
    {
        ErrorKind.MISSING_SCOPE,
        ErrorKind.METHOD_NOT_SUPPORTED_FOR_CHANNEL_TYPE,
        ErrorKind.CHANNEL_NOT_FOUND,
    }
)
UNKNOWN_TYPE = "application/octet-stream"
#: Uses of one response URL by one process: Slack takes five, and the web process and a
#: worker do not know of each other's.
MAX_USES = 2
#: Response URLs that are counted; most are used once.
MAX_KNOWN = 10_000
#: Names in the metrics of what is no method of Slack's.
UPLOAD, RESPONSE = "upload", "response"


@dataclass(frozen=True, slots=True)
class SlackReplySink:
    """A `ReplySink` for Slack."""

    client: SlackClient
    vault: Vault
    #: Hosts, beside Slack's own, that uploads may be sent to.
    file_hosts: frozenset[str]
    #: The slash command's name where a request does not say it.
    command: str = COMMAND
    #: How often this process used each response URL, by its sealed form.
    uses: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def add_reaction(self, request: EmojifyRequest) -> None:
        """Add the reaction "seen"; a failure does not matter."""
        with suppress(DeliveryError):  # the client has logged it
            self._react("reactions.add", request)

    def remove_reaction(self, request: EmojifyRequest) -> None:
        """Remove the reaction; left there, it would look like unfinished work.

        Raises:
            DeliveryError: Slack may do it later.
        """
        try:
            self._react("reactions.remove", request)
        except DeliveryError as error:
            if error.retryable:
                raise

    def _react(self, method: str, request: EmojifyRequest) -> None:
        workspace = request.workspace
        if request.reaction_ts and self.client.has_scope(workspace, "reactions:write"):
            self.client.call(
                workspace,
                method,
                channel=request.channel_id,
                timestamp=request.reaction_ts,
                name=SEEN,
            )

    def show_progress(
        self, request: EmojifyRequest, line_ts: str, done: int, total: int
    ) -> str:
        """Post one line, or change it; return its timestamp.

        Raises:
            DeliveryError: The bot may not post there, or Slack does not answer.
        """
        facts = {"done": str(done), "total": str(total)}
        words: dict[str, Any] = {"text": render_message("progress", **facts)}
        channel = self.target(request)
        if line_ts:
            method, words["ts"] = "chat.update", line_ts
        else:
            method = "chat.postMessage"
            is_there = channel == request.channel_id
            words["thread_ts"] = request.thread_ts if is_there else ""
        answer = self.client.call(request.workspace, method, channel=channel, **words)
        return str(answer.get("ts") or line_ts)

    def remove_progress(self, request: EmojifyRequest, line_ts: str) -> None:
        """Delete that line; one that is gone, or that Slack keeps, is fine.

        Raises:
            DeliveryError: Slack may do it later.
        """
        try:
            self.client.call(
                request.workspace,
                "chat.delete",
                channel=self.target(request),
                ts=line_ts,
            )
        except DeliveryError as error:
            if error.retryable:
                raise

    def target(self, request: EmojifyRequest) -> str:
        """Return the channel for the result.

        A request in a direct message between people is answered in the asker's direct
        messages with the bot, which cannot post in the other ones.

        Raises:
            DeliveryError: Direct messages cannot be opened.
        """
        if request.private:
            return self.client.direct_channel(request.workspace, request.user_id)
        if may_be_between_people(request):
            try:
                return self.client.direct_channel(request.workspace, request.user_id)
            except DeliveryError as error:
                if error.retryable:
                    raise
        return request.channel_id

    def upload(self, workspace: Workspace, picture: ResultPicture) -> str:
        """Send the bytes; return the id of the file.

        Raises:
            DeliveryError: The workspace, or Slack, does not accept it.
        """
        ticket = self._ticket(workspace, picture)
        kind = format_for(PurePath(picture.filename).suffix)
        with self.client.timed(UPLOAD):
            post_bytes(
                str(ticket["upload_url"]),
                picture.data,
                content_type=kind.mime_type if kind else UNKNOWN_TYPE,
                hosts=self.file_hosts,
                network=replace(TRANSFER_NETWORK, route=self.client.route),
            )
        return str(ticket["file_id"])

    def _ticket(self, workspace: Workspace, picture: ResultPicture) -> Answer:
        """Announce the upload, with as much alt text as Slack takes."""

        def announced(longest: int) -> Answer:
            return self.client.call(
                workspace,
                "files.getUploadURLExternal",
                filename=picture.filename,
                length=len(picture.data),
                alt_txt=picture.alt_text[:longest],
            )

        for longest in (MAX_ALT_TEXT_CHARACTERS, SHORT_ALT_TEXT_CHARACTERS):
            try:
                return announced(longest)
            except DeliveryError as error:
                if error.kind != ErrorKind.ALT_TXT_TOO_LARGE:
                    raise
        return announced(0)

    def complete(self, post: Post) -> None:
        """Show the file, with comment and buttons; without buttons if need be.

        Raises:
            DeliveryError: It cannot be shown there.
        """
        try:
            self._show(post, post.title, blocks=result_blocks(post))
        except DeliveryError as error:
            if error.kind != ErrorKind.INVALID_BLOCKS:
                raise
            comment = plain_comment(post)
            self._show(post, post.title + BARE, initial_comment=comment)

    def _show(self, post: Post, title: str, **words: Any) -> None:
        def show() -> None:
            self.client.call(
                post.workspace,
                "files.completeUploadExternal",
                files=[{"id": post.file_id, "title": title}],
                channel_id=post.channel_id,
                thread_ts=post.thread_ts,
                **words,
            )

        try:
            show()
        except DeliveryError as error:
            if error.kind != ErrorKind.NOT_IN_CHANNEL:
                raise
            self._join(post, error)
            show()

    def _join(self, post: Post, refused: DeliveryError) -> None:
        workspace = post.workspace
        if not self.client.has_scope(workspace, "channels:join"):
            raise refused
        try:
            self.client.call(workspace, "conversations.join", channel=post.channel_id)
        except DeliveryError as error:
            if error.kind in CANNOT_JOIN:
                raise refused from error
            raise

    def share(self, post: Post) -> Share:
        """Ask once whether the file is shown.

        Raises:
            DeliveryError: Slack refused or did not answer.
        """
        try:
            file = self._file(post)
        except DeliveryError as error:
            if error.kind not in GONE:
                raise
            deleted = error.kind == ErrorKind.FILE_DELETED
            return Share(ShareState.DELETED if deleted else ShareState.UNKNOWN)
        is_bare = str(file.get("title") or "").endswith(BARE)
        return replace(share_of(file, post.channel_id), lacks_buttons=is_bare)

    def _file(self, post: Post) -> Answer:
        answer = self.client.call(post.workspace, "files.info", file=post.file_id)
        return dict(answer.get("file") or {})

    def ensure_buttons(self, post: Post, share: Share) -> None:
        """Add the buttons in the thread where the file had to be shown without.

        Whether an earlier try added them can only be seen from who has replied: the bot
        has no permission to read messages.

        Raises:
            DeliveryError: Slack refused.
        """
        file = self._file(post)
        if not str(file.get("title") or "").endswith(BARE):
            return
        bot = self.client.installation(post.workspace).bot_user_id
        shares = shares_in(file, post.channel_id)
        repliers = shares[0].get("reply_users") if shares else None
        if not share.thread_ts and bot in (repliers or ()):
            return  # an earlier try did it
        self.client.call(
            post.workspace,
            "chat.postMessage",
            channel=post.channel_id,
            thread_ts=share.thread_ts or share.message_ts or post.thread_ts,
            text=render_message("buttons_in_thread"),
            blocks=buttons_blocks(post),
        )

    def delete(self, post: Post, button_ts: str = "") -> None:
        """Delete the file, then the messages that show it and its buttons.

        The file first: people who are in a picture want that away. What is gone
        already is fine, and so is a message that Slack does not let the bot delete.

        Raises:
            DeliveryError: Slack keeps the file, or may delete a message later.
        """
        workspace, messages = post.workspace, {button_ts}
        # Once the file is deleted Slack no longer says where it was.
        with _gone_is_fine():
            messages.add(share_of(self._file(post), post.channel_id).message_ts)
        with _gone_is_fine():
            self.client.call(workspace, "files.delete", file=post.file_id)
        for ts in sorted(messages - {""}):
            try:
                self.client.call(
                    workspace, "chat.delete", channel=post.channel_id, ts=ts
                )
            except DeliveryError as error:
                if error.retryable:
                    raise

    def notify(self, request: EmojifyRequest, outcome: Outcome) -> None:
        """Send a message to the asker only: where they asked, else in direct messages.

        Raises:
            DeliveryError: It could not be sent in any way, or a retry may succeed.
        """
        if outcome.kind in SILENT:
            return
        outcome = self._with_names(request, outcome)
        differs = has_elsewhere(outcome) and self.client.is_between_people(request)
        text = render_outcome(outcome, self._names(request), elsewhere=differs)
        if self._respond(request, text):
            return
        try:
            self._post_ephemeral(request, text)
        except DeliveryError as error:
            if error.retryable:
                raise
            self._send_direct_message(request, text, error)

    def _with_names(self, request: EmojifyRequest, outcome: Outcome) -> Outcome:
        """Return an outcome that names addresses too, to the one who gave them."""
        sources = request.sources
        if outcome.facts.get("pictures") != str(len(sources)):
            return outcome  # some of them stand for several
        named = (
            replace(
                one, name=one.name or address_of(sources[one.number - 1], self.vault)
            )
            for one in outcome.missing
        )
        return replace(outcome, missing=tuple(named))

    def _names(self, request: EmojifyRequest) -> dict[str, str]:
        """Return what the command and the bot are called where it was asked."""
        names = {"command": request.command or self.command}
        with suppress(DeliveryError):  # who is not installed has no name
            bot_user_id = self.client.installation(request.workspace).bot_user_id
            names["bot"] = mention_of(bot_user_id)
        return names

    def _respond(self, request: EmojifyRequest, text: str) -> bool:
        """Answer the interaction; False where that is not possible, or no longer."""
        sealed, uses = request.sealed_response_url, self.uses
        if not sealed or uses[sealed] >= MAX_USES:
            return False
        if len(uses) > MAX_KNOWN:
            uses.clear()
        uses[sealed] += 1
        body = {
            "text": text,
            "thread_ts": _thread_of(request) or None,
            "response_type": "ephemeral",
            "replace_original": False,
        }
        try:
            address = self.vault.unseal(request.sealed_response_url)
            with self.client.timed(RESPONSE):
                self._send(address, body)
        except (VaultError, DeliveryError):
            return False
        return True

    def _send(self, address: str, body: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json;charset=utf-8"}
        call = ServiceCall(address, headers, json.dumps(body).encode())
        seconds, route = self.client.timeout_seconds, self.client.route
        try:
            status = post_to_service(call, seconds, route=route).status
        except CLIENT_ERRORS as error:
            raise delivery_error(error) from None
        if status != HTTPStatus.OK:
            code = SlackCode(f"status_{status}")
            raise DeliveryError("Slack did not take the answer.", kind=code)

    def _post_ephemeral(self, request: EmojifyRequest, text: str) -> None:
        """Post where it was asked, visible only to the asker."""
        if not request.channel_id:
            raise DeliveryError("Nobody says where.", kind=ErrorKind.CHANNEL_NOT_FOUND)
        words = {"text": text, "thread_ts": _thread_of(request)}
        if is_direct(request.channel_id):
            self._post_message(request.workspace, channel=request.channel_id, **words)
            return
        self.client.call(
            request.workspace,
            "chat.postEphemeral",
            channel=request.channel_id,
            user=request.user_id,
            **words,
        )

    def _send_direct_message(
        self, request: EmojifyRequest, text: str, refused: DeliveryError
    ) -> None:
        if not self.client.has_scope(request.workspace, "im:write"):
            raise refused
        try:
            workspace, user_id = request.workspace, request.user_id
            channel_id = self.client.direct_channel(workspace, user_id)
            self._post_message(request.workspace, channel=channel_id, text=text)
        except DeliveryError as error:
            raise (error if error.retryable else refused) from error

    def _post_message(self, workspace: Workspace, **words: Any) -> None:
        self.client.call(workspace, "chat.postMessage", unfurl_links=False, **words)


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    """Pass over a refusal of a file that is gone."""
    try:
        yield
    except DeliveryError as error:
        if error.kind not in GONE:
            raise


def _thread_of(request: EmojifyRequest) -> str:
    """Return the thread in which it was asked; empty for the channel itself.

    An ephemeral message is not shown in a thread that has no reply yet.
    """
    return "" if request.begins_thread else request.thread_ts
