"""What jobs and Slack need from each other."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from emojifier_bot.domain import (
    EmojifyRequest,
    FetchedImage,
    ImageReference,
    Outcome,
    Post,
    ResultPicture,
    Share,
    Workspace,
)
from emojifier_bot.http import Room, any_room


class JobQueue(Protocol):
    """Takes requests for the workers."""

    def enqueue(self, request: EmojifyRequest, key: str) -> bool:
        """Queue a request durably.

        Args:
            request: What was asked.
            key: Names what was asked; the same key again queues nothing.

        Returns:
            False where the key was known.

        Raises:
            QueueFullError: Too many are waiting.
            QueueError: The database does not answer.
        """
        ...

    def has_ended(self, key: str) -> bool:
        """Tell whether the job of a key has ended; False where there is none.

        Raises:
            QueueError: The database does not answer.
        """
        ...

    def forget(self, workspace: Workspace, spared: Collection[str] = ()) -> int:
        """Cancel and delete every job of a workspace that is gone; return how many.

        Args:
            workspace: Or an organisation, for all its workspaces.
            spared: Ids of workspaces whose jobs stay when an organisation's go.

        Raises:
            QueueError: The database does not answer.
        """
        ...


class ImageSource(Protocol):
    """Finds and fetches the picture of a request."""

    def resolve(self, request: EmojifyRequest) -> list[ImageReference]:
        """Return the files or addresses that a request means, at least one.

        Raises:
            FetchError: There is none, or the asker may not see it; the kind says why.
            DeliveryError: Slack refused.
        """
        ...

    def fetch(
        self,
        workspace: Workspace,
        reference: ImageReference,
        room: Room = any_room,
    ) -> FetchedImage:
        """Return the bytes of a file or an address, with room if it is large.

        Raises:
            FetchError: Refused, not reachable, gone, too big, not an image.
            DeliveryError: Slack refused.
        """
        ...

    def check_again(self, request: EmojifyRequest, reference: ImageReference) -> None:
        """Refuse a picture that may no longer be posted, right before it is.

        Raises:
            FetchError: The channel was switched off, the person of the picture opted
                out, it is gone, or the asker's account is.
            DeliveryError: Slack refused.
        """
        ...


class ReplySink(Protocol):
    """Delivers to Slack. Every method is safe to repeat.

    All raise `DeliveryError`, with whether and when a repetition may help.
    """

    def add_reaction(self, request: EmojifyRequest) -> None:
        """Put the reaction "seen" on the asker's message, where that is granted."""
        ...

    def target(self, request: EmojifyRequest) -> str:
        """Return the id of the channel that gets the result; opens a direct message."""
        ...

    def upload(self, workspace: Workspace, picture: ResultPicture) -> str:
        """Send the bytes; return the id of a file that nobody sees yet."""
        ...

    def complete(self, post: Post) -> None:
        """Show the file in its channel, with comment and buttons."""
        ...

    def share(self, post: Post) -> Share:
        """Ask once whether, and where, the file is shown."""
        ...

    def ensure_buttons(self, post: Post, share: Share) -> None:
        """Add one threaded message with the buttons where the share shows none."""
        ...

    def delete(self, post: Post, button_ts: str = "") -> None:
        """Delete the file and the messages that show it; what is gone is fine.

        Args:
            post: What was posted.
            button_ts: The message whose button was pressed, empty if none was.
        """
        ...

    def notify(self, request: EmojifyRequest, outcome: Outcome) -> None:
        """Tell the asker alone how it ended."""
        ...

    def remove_reaction(self, request: EmojifyRequest) -> None:
        """Take the reaction back."""
        ...

    def show_progress(
        self, request: EmojifyRequest, line_ts: str, done: int, total: int
    ) -> str:
        """Say how many frames of a clip are done; return the timestamp of the line.

        Args:
            request: Whose clip it is.
            line_ts: Of the line that is changed; empty for a new one.
            done: Frames that are done.
            total: All of them.
        """
        ...

    def remove_progress(self, request: EmojifyRequest, line_ts: str) -> None:
        """Delete that line; one that is gone is fine."""
        ...
