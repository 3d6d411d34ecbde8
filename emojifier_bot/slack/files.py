"""Fetches the pictures that requests mean, from Slack or from an address.

An address that a user typed is read without any token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

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
)
from emojifier_bot.http import (
    GuardedClient,
    Room,
    any_room,
)
from emojifier_bot.slack.payloads import (
    GONE_MODES,
    parse_slack_link,
)
from emojifier_bot.slack.reader import (
    MAX_LOOKUPS,
    source_error,
)
from emojifier_bot.slack.resolver import PictureResolver

#: Name in the metrics; it is no method of Slack's.
DOWNLOAD = "download"
#: Errors whose sentences are about the address that somebody gave,
_OF_THE_ADDRESS = frozenset(
    {
        ErrorKind.NOT_AN_ADDRESS,
        ErrorKind.PORT,
        ErrorKind.PRIVATE_ADDRESS,
        ErrorKind.SCHEME,
        ErrorKind.UNRESOLVABLE,
    }
)
#: and about what is there.
_OF_THE_WEBSITE = frozenset(
    {
        ErrorKind.FORBIDDEN,
        ErrorKind.HTTP_STATUS,
        ErrorKind.NOT_AN_IMAGE,
        ErrorKind.NOT_FOUND,
        ErrorKind.PAGE,
        ErrorKind.TLS,
        ErrorKind.TOO_MANY_REDIRECTS,
        ErrorKind.UNREACHABLE,
    }
)
#: By what led on to the address that failed, what of it the first is not blamed for,
_BLAMING: Mapping[str, frozenset[ErrorKind]] = {
    "redirect": _OF_THE_ADDRESS,
    "page": _OF_THE_ADDRESS | _OF_THE_WEBSITE,
}
#: and what is said instead.
_HOP_KINDS = {"redirect": ErrorKind.REDIRECTED, "page": ErrorKind.PAGE_PICTURE}


@dataclass(frozen=True, slots=True)
class SlackImageSource(PictureResolver):
    """An `ImageSource` for files in Slack and for addresses."""

    #: Reads addresses that people type.
    web: GuardedClient

    def fetch(
        self,
        workspace: Workspace,
        reference: ImageReference,
        room: Room = any_room,
    ) -> FetchedImage:
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
            try:
                fetched = self.web.get(
                    address, lambda one: self._check_address(workspace, one), room
                )
            except FetchError as error:
                if error.kind not in _BLAMING.get(error.hop, ()):
                    raise
                raise source_error(_HOP_KINDS[error.hop], error) from error
            return FetchedImage(fetched.data, fetched.name)
        file = self.reader.file(workspace, reference.file_id)
        self._check_opt_out({*reference.posters, str(file.get("user") or "")})
        self.reader.check(file)
        with self.reader.client.timed(DOWNLOAD):
            fetched = self.reader.download(workspace, file, room)
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
            raise source_error(ErrorKind.CHANNEL_OFF)
        posters = set(reference.posters)
        if reference.file_id:
            file = self.reader.file(workspace, reference.file_id)
            if file.get("mode") in GONE_MODES:
                raise source_error(ErrorKind.SOURCE_GONE)
            posters.add(str(file.get("user") or ""))
        elif reference.sealed_address:
            address = self.vault.unseal(reference.sealed_address)
            self._check_address(workspace, address)
        self._check_opt_out(posters)
        if self.reader.user(workspace, request.user_id).get("deleted"):
            raise source_error(ErrorKind.USER_DISABLED)

    def _check_opt_out(self, user_ids: Collection[str]) -> None:
        if self.settings.opted_out(user_ids):
            raise source_error(ErrorKind.OPTED_OUT)

    def _check_address(self, workspace: Workspace, address: str) -> None:
        """Refuse an address in Slack that shows a picture of who opted out.

        Files that the bot cannot see need no check: without a token Slack's hosts
        deliver only files that their owner made public.
        """
        link = parse_slack_link(address, self.reader.file_hosts)
        if link is None:
            return
        if link.is_avatar:
            raise source_error(ErrorKind.AVATAR)
        posters = set(link.named_users)
        for file_id in sorted(link.named_files)[:MAX_LOOKUPS]:
            try:
                file = self.reader.file(workspace, file_id)
            except (FetchError, DeliveryError) as error:
                if error.retryable:
                    raise
            else:
                posters.add(str(file.get("user") or ""))
        self._check_opt_out(posters)
