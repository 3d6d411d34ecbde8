"""Finds and fetches the picture of a request: in Slack, or at an address.

The bot's token is sent only to Slack's file hosts; an address that a user typed is read
without any token.

What an address in Slack names is taken from Slack, as if it had been pointed at there,
if the asker can see it: it is theirs, or shown in the conversation in which they ask,
or in a public channel, which a member of the workspace may read and a guest may not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import (
    EmojifyRequest,
    FetchedImage,
    ImageReference,
    Workspace,
)
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
    GuardedClient,
    fetch_error,
    get_with_token,
)
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.manifest import REQUIRED_SCOPES
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import (
    ANYWHERE,
    GONE_MODES,
    HIDDEN_BY_LIMIT,
    STUB,
    Payload,
    ShownPicture,
    SlackLink,
    image_ids,
    is_listed_in,
    may_be_image,
    no_picture_kind,
    parse_slack_link,
    pictures_of,
    public_teams,
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
#: What lets the bot read messages: in its direct messages always, in channels only
#: where the operator asks for more than the manifest does.
HISTORY_SCOPES = {"D": ("im:history",), "G": ("groups:history", "mpim:history")}
CHANNEL_HISTORY_SCOPES = ("channels:history", "groups:history")
#: People who see only some of a workspace's public channels, or none.
GUESTS = ("is_restricted", "is_ultra_restricted", "is_stranger")
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
    ErrorKind.PROXY: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.TLS: ErrorKind.SLACK_UNREACHABLE,
    ErrorKind.UNKNOWN_ISSUER: ErrorKind.SLACK_UNREACHABLE,
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
    #: Knows what the bot's own results were made from.
    posts: PostLog

    def resolve(self, request: EmojifyRequest) -> list[ImageReference]:
        """Return the pictures that a request means.

        No channel is joined to look: only what is to be posted is a reason to join.

        Raises:
            FetchError: There is none, and its kind says why; or the asker may not see
                it.
            DeliveryError: Slack refused.
            VaultError: The address cannot be decrypted any more.
        """
        source = request.source
        if source.sealed_address:
            link = self._slack_link(source.sealed_address)
            return [source] if link is None else self._of_link(request, link)
        if source.file_id:
            return [self._original(request.workspace, source)]
        if source.newest:
            found = self._newest(request)
        elif source.in_thread:
            found = self._of_thread(request)
        else:
            found = self._of_message(request)
        return self._charged(request, found)

    def _charged(
        self, request: EmojifyRequest, found: list[ImageReference]
    ) -> list[ImageReference]:
        """Count the pictures beside the first, which the listener has counted."""
        if further := len(found) - 1:
            self.limiter.charge(request.workspace, request.user_id, further)
        return found

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
            self._check_opt_out(reference.posters)
            # Each redirect too: it may lead to a file in Slack.
            fetched = self.web.get(
                address, lambda one: self._check_address(workspace, one)
            )
            return FetchedImage(fetched.data, fetched.name)
        file = self._file(workspace, reference.file_id)
        self._check_opt_out({*reference.posters, str(file.get("user") or "")})
        self._check(file)
        with self.client.timed(DOWNLOAD):
            fetched = self._download(workspace, file)
        return FetchedImage(fetched.data, str(file.get("name") or fetched.name))

    def check_again(self, request: EmojifyRequest, reference: ImageReference) -> None:
        """Refuse a picture that may no longer be posted, right before it is.

        Raises:
            FetchError: ``channel_off``, ``opted_out``, ``source_gone`` or, where the
                bot may see that, ``user_disabled``.
            DeliveryError: Slack refused.
        """
        workspace = request.workspace
        if self.settings.is_off(request.channel_id):
            raise _error(ErrorKind.CHANNEL_OFF)
        posters = set(reference.posters)
        if reference.file_id:
            file = self._file(workspace, reference.file_id)
            if file.get("mode") in GONE_MODES:
                raise _error(ErrorKind.SOURCE_GONE)
            posters.add(str(file.get("user") or ""))
        elif reference.sealed_address:
            address = self.vault.unseal(reference.sealed_address)
            self._check_address(workspace, address)
        self._check_opt_out(posters)
        if self._user(workspace, request.user_id).get("deleted"):
            raise _error(ErrorKind.USER_DISABLED)

    def _user(self, workspace: Workspace, user_id: str) -> Payload:
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

    def _check_opt_out(self, user_ids: Collection[str]) -> None:
        if self.settings.opted_out(user_ids):
            raise _error(ErrorKind.OPTED_OUT)

    def _check_address(self, workspace: Workspace, address: str) -> None:
        """Refuse an address in Slack that shows a picture of who opted out.

        Files that the bot cannot see need no check: without a token Slack's hosts
        deliver only files that their owner made public.
        """
        link = parse_slack_link(address, self.file_hosts)
        if link is None:
            return
        if link.is_avatar:
            raise _error(ErrorKind.AVATAR)
        posters = set(link.named_users)
        for file_id in sorted(link.named_files)[:MAX_LOOKUPS]:
            try:
                file = self._file(workspace, file_id)
            except (FetchError, DeliveryError) as error:
                if error.retryable:
                    raise
            else:
                posters.add(str(file.get("user") or ""))
        self._check_opt_out(posters)

    def _slack_link(self, sealed_address: str) -> SlackLink | None:
        """Return what an address names in Slack; None for what anybody may fetch."""
        address = self.vault.unseal(sealed_address)
        link = parse_slack_link(address, self.file_hosts)
        is_web = link is not None and link.is_public and not link.file_id
        return None if is_web else link

    def _of_link(
        self, request: EmojifyRequest, link: SlackLink
    ) -> list[ImageReference]:
        """Return the pictures of a file's or a message's link, if the asker sees them.

        Raises:
            FetchError: As `resolve`; ``slack_link`` for what is neither.
        """
        source, workspace = request.source, request.workspace
        if link.file_id:
            try:
                file = self._file(workspace, link.file_id)
            except FetchError:
                if link.is_public:
                    return [source]  # without a token, as anybody
                raise
            self._check_sight(request, [file])
            name = str(file.get("name") or "")
            shown = replace(source, sealed_address="", file_id=link.file_id, name=name)
            return [self._made_from(workspace, link.file_id) or shown]
        if not link.message_ts:
            raise _error(ErrorKind.SLACK_LINK)
        elsewhere = "" if link.channel_id == request.channel_id else link.channel_id
        linked = ImageReference(message_ts=link.message_ts, channel_id=elsewhere)
        asked = replace(request, source=linked)
        found = [
            self._made_from(workspace, one.file_id) or one
            for one in self._of_message(asked, link.thread_ts)
        ]
        return self._charged(request, found)

    def _check_sight(self, request: EmojifyRequest, files: list[Payload]) -> None:
        """Refuse files that the asker may not be able to see.

        Raises:
            FetchError: ``may_not_see``.
        """
        is_member: bool | None = None
        for file in files:
            if request.user_id == file.get("user"):
                continue
            if is_listed_in(file, request.channel_id):
                continue
            if request.workspace.team_id in public_teams(file):
                is_member = self._is_member(request) if is_member is None else is_member
                if is_member:
                    continue
            raise _error(ErrorKind.MAY_NOT_SEE)

    def _is_member(self, request: EmojifyRequest) -> bool:
        """Return whether the asker is known to be a full member of the workspace."""
        workspace = request.workspace
        user = self._user(workspace, request.user_id)
        grid = user.get("enterprise_user") or {}
        teams = {user.get("team_id"), *(grid.get("teams") or ())}
        return workspace.team_id in teams and not any(map(user.get, GUESTS))

    def _original(
        self, workspace: Workspace, reference: ImageReference
    ) -> ImageReference:
        """Return what a result of the bot was made from; any other file as it is."""
        bot = self.client.installation(workspace).bot_user_id
        if bot not in reference.posters:
            return reference
        return self._made_from(workspace, reference.file_id) or reference

    def _made_from(self, workspace: Workspace, file_id: str) -> ImageReference | None:
        record = self.posts.find_file(workspace, file_id)
        return record.post.source if record else None

    def _newest(self, request: EmojifyRequest) -> list[ImageReference]:
        """Return the newest picture that no bot posted, in a list.

        Raises:
            FetchError: There is none, and its kind says why.
        """
        seen = _Seen()
        images = self._pages_from_both_ends(request, "images")
        # Slack does not count what it has no type for among the images.
        newest_files = islice(self._pages_from_both_ends(request, ""), 1)
        for files in chain(images, newest_files):
            if found := self._first_usable(request, files, seen):
                return [found]
        # Slack passes on mentions and direct messages only from where the bot is.
        if seen.any or request.entrypoint not in ANYWHERE:
            raise _error(seen.kind or ErrorKind.NO_IMAGE_IN_CHANNEL)
        raise _error(ErrorKind.CHANNEL_NOT_SEEN)

    def _first_usable(
        self, request: EmojifyRequest, files: list[Payload], seen: _Seen
    ) -> ImageReference | None:
        """Return the newest of some files of a channel that may be used."""
        channel_id, workspace = request.channel_id, request.workspace
        usable = _images_among(files)
        opted_out = self._opted_out_among(usable, channel_id)
        for file in sorted(usable, key=_created, reverse=True):
            seen.any = True
            # One of them uploaded it, or only they shared it there.
            shared_by = sharers_in(file, channel_id)
            theirs = file.get("user") in opted_out or (
                shared_by and shared_by <= opted_out
            )
            if theirs:
                seen.opted_out = True
            elif _is_external(file):
                seen.external = True
            elif not self._is_bots(workspace, file):
                return ImageReference(file_id=str(file["id"]))
            elif request.source.again and (
                original := self._made_from(workspace, str(file["id"]))
            ):
                return original
            else:
                seen.bots = True
        return None

    def _opted_out_among(self, files: list[Payload], channel_id: str) -> frozenset[str]:
        sharers = [sharers_in(file, channel_id) for file in files]
        uploaders = {str(file.get("user") or "") for file in files}
        return self.settings.opted_out(uploaders.union(*sharers))

    def _of_thread(self, request: EmojifyRequest) -> list[ImageReference]:
        """Return the pictures of the newest message of a thread that shows some.

        Those of people count before the bot's own results, which stand for what they
        were made from; with *again* it is the other way round.

        Raises:
            FetchError: There is none, and its kind says why.
        """
        top, channel_id = request.source.message_ts, request.channel_id
        messages = self._read_messages(request, top)
        if messages is None:
            since = float(top) - UPLOADED_BEFORE_SECONDS
            pages = self._pages_from_both_ends(request, "", since)
            files = _images_among(file for page in pages for file in page)
            files.sort(key=_created, reverse=True)
            files = self._with_shares(request.workspace, channel_id, files)
            messages = list(_messages_with(files, channel_id, top))
        found, seen = self._newest_of(request, messages)
        if not found:
            raise _error(seen.kind or ErrorKind.NO_IMAGE_IN_THREAD)
        return found

    def _newest_of(
        self, request: EmojifyRequest, messages: list[Payload]
    ) -> tuple[list[ImageReference], _Seen]:
        """Return the pictures of the newest of some messages that shows some."""
        workspace, seen = request.workspace, _Seen()
        bot = self.client.installation(workspace).bot_user_id
        of_people: list[ImageReference] = []
        of_results: list[ImageReference] = []
        for message in sorted(messages, key=_sent, reverse=True):
            pictures = pictures_of(message)
            is_later = _sent(message) > float(request.reaction_ts or "inf")
            if is_later or not pictures:
                continue
            if message.get("user") == bot:
                seen.bots = True
                made_from = (self._made_from(workspace, p.file_id) for p in pictures)
                of_results = of_results or list(filter(None, made_from))
            elif self.settings.opted_out({u for p in pictures for u in p.posted_by}):
                seen.opted_out = True
            else:
                of_people = of_people or self._references_to(pictures)
        if request.source.again:
            return of_results or of_people, seen
        return of_people or of_results, seen

    def _references_to(self, pictures: Iterable[ShownPicture]) -> list[ImageReference]:
        return [reference_to(picture, self.vault.seal) for picture in pictures]

    def _read_messages(
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

    def _pages_from_both_ends(
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

    def _of_message(
        self, request: EmojifyRequest, thread_ts: str = ""
    ) -> list[ImageReference]:
        """Return the pictures of one message, in the order in which they came.

        Args:
            request: Its source is the message.
            thread_ts: Top of the thread that the message is in, if it is in one.

        Raises:
            FetchError: It shows none, and its kind says why; or the asker may not see
                them.
        """
        source, is_linked = request.source, bool(request.source.channel_id)
        ts = source.message_ts
        # Of another conversation the bot cannot know whether the asker may read it.
        read = None if is_linked else self._read_messages(request, thread_ts or ts, ts)
        if read:
            found, seen = self._newest_of(replace(request, reaction_ts=""), read)
            kind = seen.kind or no_picture_kind(read[0])
        else:
            files = self._shown_near(request, source.channel_id or request.channel_id)
            if is_linked:
                self._check_sight(request, files)
            found = [
                ImageReference(
                    file_id=str(file["id"]),
                    posted_by=source.posted_by,
                    name=str(file.get("name") or ""),
                )
                for file in files
            ]
            kind = ErrorKind.MESSAGE_NOT_SEEN
        if found:
            return found
        is_own = ts == request.reaction_ts
        raise _error(ErrorKind.UNCLEAR if is_own else kind)

    def _shown_near(self, request: EmojifyRequest, channel_id: str) -> list[Payload]:
        """Return the image files of a message, which may be in another channel."""
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
        near = _images_among(answer.get("files") or ())
        near.sort(key=lambda file: abs(_created(file)[0] - sent))
        files = self._with_shares(request.workspace, channel_id, near[:MAX_LOOKUPS])
        shares = [[one.get("ts") for one in shares_in(f, channel_id)] for f in files]
        if any(shares):
            shown = [f for f, ts in zip(files, shares, strict=True) if message_ts in ts]
        else:
            shown = [f for f in files if abs(_created(f)[0] - sent) < NEAR_SECONDS]
        return sorted(shown, key=_created)

    def _with_shares(
        self, workspace: Workspace, channel_id: str, files: list[Payload]
    ) -> list[Payload]:
        """Return some files, the first of them with where they are shown."""
        without = [one for one in files if not shares_in(one, channel_id)]
        asked = {str(one["id"]) for one in without[:MAX_LOOKUPS]}
        return [
            self._file(workspace, str(one["id"])) if one["id"] in asked else one
            for one in files
        ]

    def _is_bots(self, workspace: Workspace, file: Payload) -> bool:
        """Return whether a bot posted a file, as far as that is known."""
        user_id = str(file.get("user") or "")
        installation = self.client.installation(workspace)
        if user_id == installation.bot_user_id or file.get("bot_id"):
            return True
        if file.get("display_as_bot"):
            return True
        return bool(self._user(workspace, user_id).get("is_bot"))

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
        if file.get("mode") == HIDDEN_BY_LIMIT:
            raise _error(ErrorKind.HIDDEN_BY_LIMIT)
        if file.get("mode") in GONE_MODES:
            raise _error(ErrorKind.SOURCE_GONE)
        if _is_external(file):
            raise _error(ErrorKind.EXTERNAL_FILE)
        if file.get("file_access") == STUB:
            raise _error(ErrorKind.CONNECT_FILE)
        if not may_be_image(file):
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
                network=replace(TRANSFER_NETWORK, route=self.client.route),
            )
        except FetchError as error:
            kind = _FILE_HOST_KINDS.get(error.kind) or error.kind
            if kind == ErrorKind.LOGIN_PAGE and not self.client.has_scope(
                workspace, "files:read"
            ):
                kind = ErrorKind.MISSING_SCOPE
            raise _error(kind, error) from error


@dataclass(slots=True)
class _Seen:
    """What was passed over in a search."""

    any: bool = False
    opted_out: bool = False
    bots: bool = False
    external: bool = False

    @property
    def kind(self) -> ErrorKind | None:
        """Return why nothing was found; None where nothing was passed over."""
        if self.opted_out:
            return ErrorKind.OPTED_OUT
        if self.bots:
            return ErrorKind.ONLY_BOTS
        return ErrorKind.EXTERNAL_FILE if self.external else None


def reference_to(picture: ShownPicture, seal: Callable[[str], str]) -> ImageReference:
    """Return where a picture that a message shows is found again."""
    return ImageReference(
        file_id=picture.file_id,
        sealed_address="" if picture.file_id else seal(picture.address),
        posted_by=" ".join(picture.posted_by),
        name=picture.name,
    )


def _messages_with(
    files: Iterable[Payload], channel_id: str, top: str
) -> Iterator[Payload]:
    """Yield the messages of a thread that show some files, as far as they are known."""
    shown: dict[tuple[str, str], list[Payload]] = {}
    for file in sorted(files, key=_created):
        for share in shares_in(file, channel_id):
            if top in (share.get("thread_ts"), share.get("ts")):
                by = share.get("share_user_id") or file.get("user")
                shown.setdefault((str(share.get("ts")), str(by)), []).append(file)
    for (ts, by), held in shown.items():
        yield {"type": "message", "ts": ts, "user": by, "files": held}


def _images_among(files: Iterable[Payload]) -> list[Payload]:
    files = list(files)
    ids = set(image_ids(files))
    return [file for file in files if file.get("id") in ids]


def _sent(message: Payload) -> float:
    return float(message.get("ts") or 0)


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
