"""Reads what Slack has: files, lists of files, messages, and who somebody is.

The bot's token is sent only to Slack's file hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from emojifier_bot.domain import EmojifyRequest, Workspace
from emojifier_bot.errors import (
    DeliveryError,
    ErrorKind,
    FetchError,
    ImageError,
    SlackCode,
)
from emojifier_bot.http import (
    TRANSFER_NETWORK,
    Fetched,
    Room,
    any_room,
    fetch_error,
    get_with_token,
)
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.manifest import REQUIRED_SCOPES
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import (
    GONE_MODES,
    HIDDEN_BY_LIMIT,
    STUB,
    Payload,
    SlackLink,
    image_ids,
    may_be_image,
    shares_in,
)
from emojifier_bot.vision.formats import is_web_page, sniff, video_format

#: Files on one page of a list, and pages that are looked at from either end.
PAGE_FILES, MAX_PAGES = 100, 3
#: A picture is uploaded before its message is sent: up to so long, in seconds,
UPLOADED_BEFORE_SECONDS = 600.0
#: while clocks differ by this much at most.
UPLOADED_AFTER_SECONDS = 60.0
#: Where Slack does not say which message shows a file: most time between the two.
NEAR_SECONDS = 120.0
#: Files around a message that are asked about one by one.
MAX_LOOKUPS = 10
#: What lets the bot read messages: in its direct messages always, in channels only
#: where the operator asks for more than the manifest does.
HISTORY_SCOPES = {"D": ("im:history",), "G": ("groups:history", "mpim:history")}
CHANNEL_HISTORY_SCOPES = ("channels:history", "groups:history")
#: People who see only some of a workspace's public channels, or none.
GUESTS = ("is_restricted", "is_ultra_restricted", "is_stranger")

#: What a refusal of Slack's means for the picture that was pointed at.
_SOURCE_KINDS: Mapping[str, ErrorKind] = {
    ErrorKind.FILE_DELETED: ErrorKind.SOURCE_GONE,
    ErrorKind.FILE_NOT_FOUND: ErrorKind.SOURCE_NOT_SEEN,
    ErrorKind.NOT_VISIBLE: ErrorKind.HIDDEN_FILE,
}
#: What an error at Slack's file hosts means; the usual kinds are about websites.
_FILE_HOST_KINDS: Mapping[str, ErrorKind] = {
    ErrorKind.NOT_FOUND: ErrorKind.SOURCE_GONE,
    ErrorKind.FORBIDDEN: ErrorKind.HIDDEN_FILE,
    ErrorKind.HTTP_STATUS: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.TIMEOUT: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.PROXY: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.TLS: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.UNKNOWN_ISSUER: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.UNREACHABLE: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.UNRESOLVABLE: ErrorKind.SLACK_UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class SlackReader:
    """Slack's files and messages, as far as the bot may see them."""

    client: SlackClient
    #: Hosts (``host`` or ``host:port``) that may receive the token.
    file_hosts: frozenset[str]
    #: Largest picture that is read.
    max_bytes: int

    def file(self, workspace: Workspace, file_id: str) -> Payload:
        """Return what Slack says of a file.

        Raises:
            FetchError: It is gone, or the bot cannot see it.
            DeliveryError: Slack refused.
        """
        try:
            answer = self.client.call(workspace, "files.info", file=file_id)
        except DeliveryError as error:
            if error.kind not in _SOURCE_KINDS:
                raise
            raise source_error(_SOURCE_KINDS[error.kind]) from error
        return dict(answer.get("file") or {})

    def check(self, file: Payload) -> None:
        """Refuse a file by its description, before it is fetched.

        Raises:
            FetchError: Its kind says why.
        """
        if file.get("mode") == HIDDEN_BY_LIMIT:
            raise source_error(ErrorKind.HIDDEN_BY_LIMIT)
        if file.get("mode") in GONE_MODES:
            raise source_error(ErrorKind.SOURCE_GONE)
        if is_external(file):
            raise source_error(ErrorKind.EXTERNAL_FILE)
        if file.get("file_access") == STUB:
            raise source_error(ErrorKind.CONNECT_FILE)
        if not may_be_image(file):
            raise source_error(ErrorKind.NOT_AN_IMAGE)
        if int(file.get("size") or 0) > self.max_bytes:
            raise source_error(ErrorKind.TOO_LARGE)

    def download(
        self, workspace: Workspace, file: Payload, room: Room = any_room
    ) -> Fetched:
        """Return the bytes of a file that `file` described, with room if it is large.

        Raises:
            FetchError: Slack does not deliver it, or it is no picture.
        """
        address = file.get("url_private") or file.get("url_private_download") or ""
        installation = self.client.installation(workspace)
        try:
            return get_with_token(
                str(address),
                token=installation.bot_token,
                hosts=self.file_hosts,
                max_bytes=self.max_bytes,
                check_body=partial(check_picture, page_kind=ErrorKind.LOGIN_PAGE),
                network=replace(TRANSFER_NETWORK, route=self.client.route),
                room=room,
            )
        except FetchError as error:
            kind = _FILE_HOST_KINDS.get(error.kind) or error.kind
            if kind == ErrorKind.LOGIN_PAGE and not self.client.has_scope(
                workspace, "files:read"
            ):
                kind = ErrorKind.MISSING_SCOPE
            raise source_error(kind, error) from error

    def messages(
        self, request: EmojifyRequest, top: str, only: str = ""
    ) -> list[Payload] | None:
        """Read a thread, or one message, where the bot may: in direct messages.

        In channels it may not, unless the operator has asked for more than the manifest
        does.

        Args:
            request: Asked in the conversation.
            top: The thread's first message, or any message outside of threads.
            only: The one message that is wanted.

        Returns:
            None where the bot may not read, or Slack refuses.
        """
        workspace, channel_id = request.workspace, request.channel_id
        granted = self.client.installation(workspace).scopes or REQUIRED_SCOPES
        needed = HISTORY_SCOPES.get(channel_id[:1], CHANNEL_HISTORY_SCOPES)
        if not set(needed).intersection(granted):
            return None
        limits = {"oldest": only, "latest": only, "inclusive": True} if only else {}
        messages: list[Payload] = []
        cursor = ""
        try:
            for _ in range(MAX_PAGES):
                answer = self.client.call(
                    workspace,
                    "conversations.replies",
                    channel=channel_id,
                    ts=top,
                    limit=PAGE_FILES,
                    cursor=cursor,
                    **limits,
                )
                messages += answer.get("messages") or ()
                cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
                if not cursor:
                    break
        except DeliveryError:
            return None  # the client has logged it; the list of files may do
        return [one for one in messages if only in ("", one.get("ts"))]

    def pages_from_both_ends(
        self, request: EmojifyRequest, types: str, since: float = 0.0
    ) -> Iterator[list[Payload]]:
        """Yield a channel's files from both ends of Slack's list, page by page.

        Its order is not documented: the newest may be at either end.
        """
        first, pages = self._page(request, types, since, 1)
        for number in range(1, min(MAX_PAGES, (pages + 1) // 2) + 1):
            near = (
                first if number == 1 else self._page(request, types, since, number)[0]
            )
            mirrored = pages + 1 - number
            is_middle = mirrored == number
            far = [] if is_middle else self._page(request, types, since, mirrored)[0]
            yield [*near, *far]

    def _page(
        self, request: EmojifyRequest, types: str, since: float, number: int
    ) -> tuple[list[Payload], int]:
        """Return one page of a channel's files, and how many pages there are."""
        answer = self.client.call(
            request.workspace,
            "files.list",
            channel=request.channel_id,
            types=types,
            ts_from=f"{since:.0f}" if since else "",
            count=PAGE_FILES,
            page=number,
        )
        pages = int((answer.get("paging") or {}).get("pages") or 1)
        return list(answer.get("files") or ()), pages

    def files_of_message(
        self, request: EmojifyRequest, channel_id: str
    ) -> list[Payload]:
        """Return the files of a message, which may be in another channel."""
        message_ts, sent = request.source.message_ts, float(request.source.message_ts)
        answer = self.client.call(
            request.workspace,
            "files.list",
            channel=channel_id,
            user=request.source.posted_by,
            ts_from=f"{sent - UPLOADED_BEFORE_SECONDS:.0f}",
            ts_to=f"{sent + UPLOADED_AFTER_SECONDS:.0f}",
            count=PAGE_FILES,
        )
        near = sorted(
            answer.get("files") or (),
            key=lambda file: (abs(created(file)[0] - sent), not may_be_image(file)),
        )
        files = self.with_shares(request.workspace, channel_id, near[:MAX_LOOKUPS])
        shares = [[one.get("ts") for one in shares_in(f, channel_id)] for f in files]
        if any(shares):
            shown = [f for f, ts in zip(files, shares, strict=True) if message_ts in ts]
        else:
            shown = [f for f in files if abs(created(f)[0] - sent) < NEAR_SECONDS]
        return sorted(shown, key=created)

    def sees_files_of(self, request: EmojifyRequest, channel_id: str) -> bool:
        """Return whether the bot sees any file of a channel."""
        answer = self.client.call(
            request.workspace, "files.list", channel=channel_id, count=1
        )
        return bool(answer.get("files"))

    def with_shares(
        self, workspace: Workspace, channel_id: str, files: list[Payload]
    ) -> list[Payload]:
        """Return some files, the first of them with where they are shown."""
        without = [one for one in files if not shares_in(one, channel_id)]
        asked = {str(one["id"]) for one in without[:MAX_LOOKUPS]}
        return [
            self.file(workspace, str(one["id"])) if one["id"] in asked else one
            for one in files
        ]

    def user(self, workspace: Workspace, user_id: str) -> Payload:
        """Return what Slack says of a user; nothing where the bot may not see that."""
        if "users:read" not in self.client.installation(workspace).scopes:
            return {}
        try:
            answer = self.client.call(workspace, "users.info", user=user_id)
        except DeliveryError as error:
            if error.retryable:
                raise
            return {}  # a user of another organisation
        return dict(answer.get("user") or {})

    def is_member(self, request: EmojifyRequest) -> bool:
        """Return whether the asker is known to be a full member of the workspace."""
        workspace = request.workspace
        user = self.user(workspace, request.user_id)
        grid = user.get("enterprise_user") or {}
        teams = {user.get("team_id"), *(grid.get("teams") or ())}
        return workspace.team_id in teams and not any(map(user.get, GUESTS))

    def is_of_another(self, workspace: Workspace, link: SlackLink) -> bool:
        """Return whether a link leads into a workspace that the bot does not see.

        Those of one organisation see some of each other's files.
        """
        if workspace.enterprise_id:
            return False
        if link.team_id:
            return link.team_id != workspace.team_id
        answer = self.client.call(workspace, "auth.test")
        own = urlsplit(str(answer.get("url") or "")).hostname
        return bool(link.home and own and own != link.home)

    def is_bots(self, workspace: Workspace, file: Payload) -> bool:
        """Return whether a bot posted a file, as far as that is known."""
        user_id = str(file.get("user") or "")
        installation = self.client.installation(workspace)
        if user_id == installation.bot_user_id or file.get("bot_id"):
            return True
        if file.get("display_as_bot"):
            return True
        return bool(self.user(workspace, user_id).get("is_bot"))


def check_picture(data: bytes, page_kind: ErrorKind = ErrorKind.PAGE) -> None:
    """Refuse bytes that are no picture.

    A picture that cannot be read passes: the decoder reports it more exactly.

    Raises:
        FetchError: ``empty``, ``not_an_image`` or, for a web page, ``page_kind``.
    """
    if not data:
        raise FetchError(
            "There is an empty file at this address. Give another one.",
            kind=ErrorKind.EMPTY,
        )
    if is_web_page(data):
        raise fetch_error(page_kind)
    if video_format(data):
        return
    try:
        sniff(data)
    except ImageError as error:
        if error.kind == ErrorKind.NOT_AN_IMAGE:
            raise FetchError(error.message, kind=error.kind) from error


def messages_with(
    files: Iterable[Payload], channel_id: str, top: str
) -> Iterator[Payload]:
    """Yield the messages of a thread that show some files, as far as they are known."""
    shown: dict[tuple[str, str], list[Payload]] = {}
    for file in sorted(files, key=created):
        for share in shares_in(file, channel_id):
            if top in (share.get("thread_ts"), share.get("ts")):
                by = share.get("share_user_id") or file.get("user")
                shown.setdefault((str(share.get("ts")), str(by)), []).append(file)
    for (ts, by), held in shown.items():
        yield {"type": "message", "ts": ts, "user": by, "files": held}


def images_among(files: Iterable[Payload]) -> list[Payload]:
    """Return those of some files that are images."""
    files = list(files)
    ids = set(image_ids(files))
    return [file for file in files if file.get("id") in ids]


def source_error(
    kind: ErrorKind | SlackCode, cause: FetchError | None = None
) -> FetchError:
    """Return the error of a kind that ends the search for a picture, or its fetch."""
    return FetchError(
        render_message(kind),
        kind=kind,
        retryable=cause is not None and cause.retryable,
        retry_after_seconds=cause.retry_after_seconds if cause else None,
    )


def created(file: Payload) -> tuple[float, str]:
    """Return what sorts files by the time of their upload."""
    return float(file.get("created") or 0), str(file.get("id"))


def sent_at(message: Payload) -> float:
    """Return when a message was sent, in seconds since 1970."""
    return float(message.get("ts") or 0)


def is_external(file: Payload) -> bool:
    """Return whether a file is only linked into Slack."""
    return file.get("mode") == "external" or bool(file.get("is_external"))
