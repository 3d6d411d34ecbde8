"""Finds and fetches the picture of a request: in Slack, or at an address.

The bot's token is sent only to Slack's file hosts; an address that a user typed is read
without any token.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.domain import EmojifyRequest, FetchedImage, ImageReference, Workspace
from emojifier_bot.errors import (
    DeliveryError,
    ErrorKind,
    FetchError,
    ImageError,
    SlackCode,
)
from emojifier_bot.http import Fetched, GuardedClient, fetch_error, get_with_token
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import (
    GONE_MODES,
    STUB,
    Payload,
    image_ids,
    is_direct,
    parse_file_link,
    sharers_in,
    shares_in,
)
from emojifier_bot.vision.formats import is_web_page, sniff

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
#: Refusals to join which mean that nothing can be read or posted there.
CLOSED = frozenset({ErrorKind.CHANNEL_NOT_FOUND, ErrorKind.IS_ARCHIVED})
#: Name in the metrics; it is no method of Slack's.
DOWNLOAD = "download"

#: What a refusal of Slack's means for the picture that was pointed at.
_SOURCE_KINDS: Mapping[str, ErrorKind] = {
    ErrorKind.FILE_DELETED: ErrorKind.SOURCE_GONE,
    ErrorKind.FILE_NOT_FOUND: ErrorKind.SOURCE_GONE,
    ErrorKind.NOT_VISIBLE: ErrorKind.HIDDEN_FILE,
}
#: What an error at Slack's file hosts means; the usual kinds are about websites.
_FILE_HOST_KINDS: Mapping[str, ErrorKind] = {
    ErrorKind.NOT_FOUND: ErrorKind.SOURCE_GONE,
    ErrorKind.FORBIDDEN: ErrorKind.HIDDEN_FILE,
    ErrorKind.HTTP_STATUS: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.TIMEOUT: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.UNREACHABLE: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.UNRESOLVABLE: ErrorKind.SLACK_UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class SlackImageSource:
    """An `ImageSource` for files in Slack and for addresses."""

    client: SlackClient
    vault: Vault
    #: Reads addresses that people type.
    web: GuardedClient
    #: Hosts (``host`` or ``host:port``) that may receive the token.
    file_hosts: frozenset[str]
    #: Largest picture that is read.
    max_bytes: int
    #: Knows who has opted out.
    settings: WorkspaceSettings
    limiter: RateLimiter

    def resolve(self, request: EmojifyRequest) -> list[ImageReference]:
        """Return the pictures that a request means; enters a public channel first.

        Raises:
            FetchError: ``no_image``.
            DeliveryError: Slack refused.
        """
        source = request.source
        if source.sealed_address:
            return [source]
        self._join(request.workspace, request.channel_id)
        if source.file_id:
            return [source]
        found = self._newest(request) if source.newest else self._of_message(request)
        if not found:
            raise _error(ErrorKind.NO_IMAGE)
        if further := len(found) - 1:
            self.limiter.charge(request.workspace, request.user_id, further)
        return [
            ImageReference(
                file_id=str(file["id"]),
                posted_by=source.posted_by,
                name=str(file.get("name") or ""),
            )
            for file in found
        ]

    def fetch(self, workspace: Workspace, reference: ImageReference) -> FetchedImage:
        """Return the bytes of a file or an address.

        Raises:
            FetchError: Refused, not reachable, gone, too big, not an image; or
                ``opted_out``: the person who posted it has opted out.
            DeliveryError: Slack refused.
            VaultError: The address cannot be decrypted any more.
        """
        if reference.sealed_address:
            address = self.vault.unseal(reference.sealed_address)
            self._check_opt_out({reference.posted_by})
            # Each redirect too: it may lead to a file in Slack.
            fetched = self.web.get(
                address, lambda one: self._check_opt_out(self._posters(workspace, one))
            )
            return FetchedImage(fetched.data, fetched.name)
        file = self._file(workspace, reference.file_id)
        self._check_opt_out({reference.posted_by, str(file.get("user") or "")})
        self._check(file)
        with self.client.timed(DOWNLOAD):
            fetched = self._download(workspace, file)
        return FetchedImage(fetched.data, str(file.get("name") or fetched.name))

    def _join(self, workspace: Workspace, channel_id: str) -> None:
        """Join a public channel: what it shows can be read only from inside."""
        if is_direct(channel_id) or not self.client.has_scope(
            workspace, "channels:join"
        ):
            return
        try:
            self.client.call(workspace, "conversations.join", channel=channel_id)
        except DeliveryError as error:
            if error.retryable or error.kind in CLOSED:
                raise

    def _check_opt_out(self, user_ids: Collection[str]) -> None:
        if self.settings.opted_out(user_ids):
            raise _error(ErrorKind.OPTED_OUT)

    def _posters(self, workspace: Workspace, address: str) -> set[str]:
        """Return who posted the file in Slack that an address names, if it names one.

        Files that the bot cannot see need no check: without a token Slack's hosts
        deliver only files that their owner made public.
        """
        named = parse_file_link(address, self.file_hosts)
        if named is None:
            return set()
        try:
            file = self._file(workspace, named.file_id)
        except (FetchError, DeliveryError) as error:
            if error.retryable:
                raise
            return {named.user_id}
        return {named.user_id, str(file.get("user") or "")}

    def _newest(self, request: EmojifyRequest) -> list[Payload]:
        """Return the newest picture that no bot posted, in a list; empty for none."""
        channel_id, skipped = request.channel_id, frozenset[str]()
        for files in self._pages_from_both_ends(request):
            usable = [f for f in files if image_ids([f]) and not _is_external(f)]
            sharers = [sharers_in(file, channel_id) for file in usable]
            uploaders = {str(file.get("user") or "") for file in usable}
            opted_out = self.settings.opted_out(uploaders.union(*sharers))
            skipped |= opted_out
            for file in sorted(usable, key=_created, reverse=True):
                # One of them uploaded it, or only they shared it there.
                shared_by = sharers_in(file, channel_id)
                theirs = file.get("user") in opted_out or (
                    shared_by and shared_by <= opted_out
                )
                if not (theirs or self._is_bots(request.workspace, file)):
                    return [file]
        if skipped:
            raise _error(ErrorKind.OPTED_OUT)
        return []

    def _pages_from_both_ends(self, request: EmojifyRequest) -> Iterator[list[Payload]]:
        """Yield a channel's images from both ends of Slack's list, page by page.

        Its order is not documented: the newest may be at either end.
        """
        first, pages = self._page(request, 1)
        for number in range(1, min(MAX_PAGES, (pages + 1) // 2) + 1):
            near = first if number == 1 else self._page(request, number)[0]
            mirrored = pages + 1 - number
            far = [] if mirrored == number else self._page(request, mirrored)[0]
            yield [*near, *far]

    def _page(self, request: EmojifyRequest, number: int) -> tuple[list[Payload], int]:
        """Return one page of a channel's images, and how many pages there are."""
        answer = self.client.call(
            request.workspace,
            "files.list",
            channel=request.channel_id,
            types="images",
            count=PAGE_FILES,
            page=number,
        )
        pages = int((answer.get("paging") or {}).get("pages") or 1)
        return list(answer.get("files") or ()), pages

    def _of_message(self, request: EmojifyRequest) -> list[Payload]:
        """Return the pictures of one message, in the order in which they came."""
        workspace, channel_id = request.workspace, request.channel_id
        message_ts, sent = request.source.message_ts, float(request.source.message_ts)
        answer = self.client.call(
            workspace,
            "files.list",
            channel=channel_id,
            user=request.source.posted_by,
            types="images",
            ts_from=f"{sent - UPLOADED_BEFORE_SECONDS:.0f}",
            ts_to=f"{sent + UPLOADED_AFTER_SECONDS:.0f}",
            count=PAGE_FILES,
        )
        near = [file for file in answer.get("files") or () if image_ids([file])]
        near.sort(key=lambda file: abs(_created(file)[0] - sent))
        files = [
            one if shares_in(one, channel_id) else self._file(workspace, str(one["id"]))
            for one in near[:MAX_LOOKUPS]
        ]
        shares = [[one.get("ts") for one in shares_in(f, channel_id)] for f in files]
        if any(shares):
            shown = [f for f, ts in zip(files, shares, strict=True) if message_ts in ts]
        else:
            shown = [f for f in files if abs(_created(f)[0] - sent) < NEAR_SECONDS]
        return sorted(shown, key=_created)

    def _is_bots(self, workspace: Workspace, file: Payload) -> bool:
        """Return whether a bot posted a file, as far as that is known."""
        user_id = str(file.get("user") or "")
        installation = self.client.installation(workspace)
        if user_id == installation.bot_user_id or file.get("bot_id"):
            return True
        if file.get("display_as_bot"):
            return True
        if "users:read" not in installation.scopes:
            return False
        try:
            answer = self.client.call(workspace, "users.info", user=user_id)
        except DeliveryError as error:
            if error.retryable:
                raise
            return False  # a user of another organisation
        return bool((answer.get("user") or {}).get("is_bot"))

    def _file(self, workspace: Workspace, file_id: str) -> Payload:
        try:
            answer = self.client.call(workspace, "files.info", file=file_id)
        except DeliveryError as error:
            if error.kind not in _SOURCE_KINDS:
                raise
            raise _error(_SOURCE_KINDS[error.kind]) from error
        return dict(answer.get("file") or {})

    def _check(self, file: Payload) -> None:
        """Refuse a file by its description, before it is fetched."""
        if file.get("mode") in GONE_MODES:
            raise _error(ErrorKind.SOURCE_GONE)
        if _is_external(file):
            raise _error(ErrorKind.EXTERNAL_FILE)
        if file.get("file_access") == STUB:
            raise _error(ErrorKind.CONNECT_FILE)
        kind = str(file.get("mimetype") or "")
        if kind and not kind.startswith("image/"):
            raise _error(ErrorKind.NOT_AN_IMAGE)
        if int(file.get("size") or 0) > self.max_bytes:
            raise _error(ErrorKind.TOO_LARGE)

    def _download(self, workspace: Workspace, file: Payload) -> Fetched:
        address = file.get("url_private") or file.get("url_private_download") or ""
        installation = self.client.installation(workspace)
        try:
            return get_with_token(
                str(address),
                token=installation.bot_token,
                hosts=self.file_hosts,
                max_bytes=self.max_bytes,
                check_body=partial(check_picture, page_kind=ErrorKind.LOGIN_PAGE),
            )
        except FetchError as error:
            kind = _FILE_HOST_KINDS.get(error.kind) or error.kind
            if kind == ErrorKind.LOGIN_PAGE and not self.client.has_scope(
                workspace, "files:read"
            ):
                kind = ErrorKind.MISSING_SCOPE
            raise _error(kind, error) from error


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
    try:
        sniff(data)
    except ImageError as error:
        if error.kind == ErrorKind.NOT_AN_IMAGE:
            raise FetchError(error.message, kind=error.kind) from error


def _error(kind: ErrorKind | SlackCode, cause: FetchError | None = None) -> FetchError:
    return FetchError(
        render_message(kind),
        kind=kind,
        retryable=cause is not None and cause.retryable,
        retry_after_seconds=cause.retry_after_seconds if cause else None,
    )


def _created(file: Payload) -> tuple[float, str]:
    return float(file.get("created") or 0), str(file.get("id"))


def _is_external(file: Payload) -> bool:
    return file.get("mode") == "external" or bool(file.get("is_external"))
