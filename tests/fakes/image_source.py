"""A channel with pictures in it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from emojifier_bot.domain import EmojifyRequest, FetchedImage, ImageReference, Workspace
from emojifier_bot.errors import ErrorKind, FetchError, SlackCode
from emojifier_bot.http import Room, any_room
from emojifier_bot.ports import ImageSource


class FakeImageSource(ImageSource):
    """An `ImageSource` that knows files and messages by their ids."""

    def __init__(
        self,
        pictures: dict[str, bytes],
        messages: dict[str, list[str]] | None = None,
        name: str = "party.png",
        meet: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Keep the pictures.

        Args:
            pictures: Bytes by file id.
            messages: File ids by the timestamp of the message that holds them.
            name: What every file is called.
            meet: Called before each fetch with the word ``fetch``.
        """
        self._pictures = pictures
        self._messages = messages or {}
        self._name, self._meet = name, meet
        self._errors: list[Exception] = []
        self._refusals: list[Exception] = []
        self._lock = threading.Lock()
        #: Fetched ids, in order.
        self.fetched: list[str] = []

    def plan(self, *errors: Exception) -> None:
        """Let the next fetches fail."""
        self._errors += errors

    def refuse(self, *errors: Exception) -> None:
        """Let the next checks before a post fail."""
        self._refusals += errors

    def check_again(self, request: EmojifyRequest, reference: ImageReference) -> None:
        del request, reference
        with self._lock:
            if self._refusals:
                raise self._refusals.pop(0)

    def resolve(self, request: EmojifyRequest) -> list[ImageReference]:
        reference = request.source
        if reference.file_id or reference.sealed_address:
            return [reference]
        names = self._messages.get(reference.message_ts, [])
        if reference.newest:
            names = list(self._pictures)[-1:]
        if not names:
            raise FetchError("There is no image.", kind=ErrorKind.NO_IMAGE)
        return [ImageReference(file_id=name) for name in names]

    def fetch(
        self,
        workspace: Workspace,
        reference: ImageReference,
        room: Room = any_room,
    ) -> FetchedImage:
        del workspace, room
        self._meet("fetch")
        with self._lock:
            name = reference.file_id or reference.sealed_address
            self.fetched.append(name)
            if self._errors:
                raise self._errors.pop(0)
        if name not in self._pictures:
            raise FetchError("It is gone.", kind=SlackCode("gone"))
        return FetchedImage(self._pictures[name], self._name)
