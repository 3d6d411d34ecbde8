"""Finds out which pictures a request means.

What an address in Slack names is taken from Slack, as if it had been pointed at there,
if the asker can see it: it is theirs, or shown in the conversation in which they ask,
or in a public channel, which a member of the workspace may read and a guest may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice

from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.policy import RateLimiter, WorkspaceSettings
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import (
    EmojifyRequest,
    ImageReference,
    Workspace,
)
from emojifier_bot.errors import (
    ErrorKind,
    FetchError,
    VaultError,
)
from emojifier_bot.slack.payloads import (
    ANYWHERE,
    Payload,
    ShownPicture,
    SlackLink,
    is_direct,
    is_listed_in,
    no_picture_kind,
    parse_slack_link,
    pictures_of,
    public_teams,
    sharers_in,
)
from emojifier_bot.slack.reader import (
    UPLOADED_BEFORE_SECONDS,
    SlackReader,
    created,
    images_among,
    is_external,
    messages_with,
    sent_at,
    source_error,
)


@dataclass(frozen=True, slots=True)
class PictureResolver:
    """Finds the pictures of requests, in Slack or at addresses."""

    reader: SlackReader
    vault: Vault
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

    def _slack_link(self, sealed_address: str) -> SlackLink | None:
        """Return what an address names in Slack; None for what anybody may fetch."""
        address = self.vault.unseal(sealed_address)
        link = parse_slack_link(address, self.reader.file_hosts)
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
                file = self.reader.file(workspace, link.file_id)
            except FetchError as error:
                if link.is_public:
                    return [source]  # without a token, as anybody
                if error.kind == ErrorKind.SOURCE_NOT_SEEN:
                    raise self._not_seen(workspace, link) from error
                raise
            self._check_sight(request, [file])
            name = str(file.get("name") or "")
            shown = replace(source, sealed_address="", file_id=link.file_id, name=name)
            return [self._made_from(workspace, link.file_id) or shown]
        if not link.message_ts:
            raise source_error(ErrorKind.SLACK_LINK)
        elsewhere = "" if link.channel_id == request.channel_id else link.channel_id
        linked = ImageReference(message_ts=link.message_ts, channel_id=elsewhere)
        asked = replace(request, source=linked)
        try:
            found = self._of_message(asked, link.thread_ts)
        except FetchError as error:
            if error.kind == ErrorKind.CHANNEL_NOT_SEEN:
                raise self._not_seen(workspace, link) from error
            raise
        originals = [self._made_from(workspace, one.file_id) or one for one in found]
        return self._charged(request, originals)

    def _not_seen(self, workspace: Workspace, link: SlackLink) -> FetchError:
        """Return why the bot does not see what a link leads to."""
        if self.reader.is_of_another(workspace, link):
            return source_error(ErrorKind.OTHER_WORKSPACE)
        return source_error(ErrorKind.LINK_NOT_SEEN)

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
                is_member = (
                    self.reader.is_member(request) if is_member is None else is_member
                )
                if is_member:
                    continue
            raise source_error(ErrorKind.MAY_NOT_SEE)

    def _original(
        self, workspace: Workspace, reference: ImageReference
    ) -> ImageReference:
        """Return what a result of the bot was made from; any other file as it is."""
        bot = self.reader.client.installation(workspace).bot_user_id
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
        images = self.reader.pages_from_both_ends(request, "images,videos")
        # Slack does not count what it has no type for among the images, and its
        # reference names no type for videos.
        newest_files = islice(self.reader.pages_from_both_ends(request, ""), 1)
        for files in chain(images, newest_files):
            if found := self._first_usable(request, files, seen):
                return [found]
        # Slack passes on mentions and direct messages only from where the bot is.
        if seen.any or request.entrypoint not in ANYWHERE or self._is_own(request):
            raise source_error(seen.kind or ErrorKind.NO_IMAGE_IN_CHANNEL)
        raise source_error(ErrorKind.CHANNEL_NOT_SEEN)

    def _is_own(self, request: EmojifyRequest) -> bool:
        """Return whether a request comes from the asker's direct messages with me."""
        may_be = is_direct(request.channel_id)
        return may_be and not self.reader.client.is_between_people(request)

    def _first_usable(
        self, request: EmojifyRequest, files: list[Payload], seen: _Seen
    ) -> ImageReference | None:
        """Return the newest of some files of a channel that may be used."""
        channel_id, workspace = request.channel_id, request.workspace
        usable = images_among(files)
        opted_out = self._opted_out_among(usable, channel_id)
        for file in sorted(usable, key=created, reverse=True):
            seen.any = True
            # One of them uploaded it, or only they shared it there.
            shared_by = sharers_in(file, channel_id)
            theirs = file.get("user") in opted_out or (
                shared_by and shared_by <= opted_out
            )
            if theirs:
                seen.opted_out = True
            elif is_external(file):
                seen.external = True
            elif not self.reader.is_bots(workspace, file):
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
        messages = self.reader.messages(request, top)
        if messages is None:
            since = float(top) - UPLOADED_BEFORE_SECONDS
            pages = self.reader.pages_from_both_ends(request, "", since)
            files = images_among(file for page in pages for file in page)
            files.sort(key=created, reverse=True)
            files = self.reader.with_shares(request.workspace, channel_id, files)
            messages = list(messages_with(files, channel_id, top))
        found, seen = self._newest_of(request, messages)
        if not found:
            raise source_error(seen.kind or ErrorKind.NO_IMAGE_IN_THREAD)
        return found

    def _newest_of(
        self, request: EmojifyRequest, messages: list[Payload]
    ) -> tuple[list[ImageReference], _Seen]:
        """Return the pictures of the newest of some messages that shows some."""
        workspace, seen = request.workspace, _Seen()
        bot = self.reader.client.installation(workspace).bot_user_id
        of_people: list[ImageReference] = []
        of_results: list[ImageReference] = []
        for message in sorted(messages, key=sent_at, reverse=True):
            pictures = pictures_of(message)
            is_later = sent_at(message) > float(request.reaction_ts or "inf")
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
        read = None if is_linked else self.reader.messages(request, thread_ts or ts, ts)
        if read:
            found, seen = self._newest_of(replace(request, reaction_ts=""), read)
            kind = seen.kind or no_picture_kind(read[0])
        else:
            channel_id = source.channel_id or request.channel_id
            all_files = self.reader.files_of_message(request, channel_id)
            files = images_among(all_files)
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
            kind = no_picture_kind({"files": all_files})
        if found:
            return found
        if ts == request.reaction_ts:
            raise source_error(ErrorKind.UNCLEAR)
        if not read and kind == ErrorKind.NO_IMAGE:
            sees = self.reader.sees_files_of(request, channel_id)
            kind = ErrorKind.MESSAGE_NOT_SEEN if sees else ErrorKind.CHANNEL_NOT_SEEN
        raise source_error(kind)


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


def address_of(reference: ImageReference, vault: Vault) -> str:
    """Return the address that somebody typed; empty for a file, or where it is lost."""
    with suppress(VaultError):
        sealed = reference.sealed_address
        return vault.unseal(sealed) if sealed else ""
    return ""


def reference_to(picture: ShownPicture, seal: Callable[[str], str]) -> ImageReference:
    """Return where a picture that a message shows is found again."""
    return ImageReference(
        file_id=picture.file_id,
        sealed_address="" if picture.file_id else seal(picture.address),
        posted_by=" ".join(picture.posted_by),
        name=picture.name,
    )
