"""What jobs and Slack need from each other and from the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from emojifier_bot.domain import (
    EmojifyRequest,
    Exhausted,
    FetchedImage,
    ImageReference,
    Installation,
    Job,
    JobState,
    Outcome,
    Post,
    PostRecord,
    ResultPicture,
    Share,
    Workspace,
)


class Vault(Protocol):
    """Seals secrets before they are stored, and opens them again."""

    def seal(self, plain: str) -> str:
        """Return a text that is safe to store."""
        ...

    def unseal(self, sealed: str) -> str:
        """Return the secret.

        Raises:
            VaultError: It was sealed with a key that is not at hand, or changed.
        """
        ...


class InstallationStore(Protocol):
    """Remembers who installed the bot, with tokens encrypted."""

    def save(self, installation: Installation) -> None:
        """Keep it, in place of an older one of the same workspace."""
        ...

    def find(self, workspace: Workspace) -> Installation | None:
        """Return a workspace's own, else its organisation's, else None."""
        ...

    def replace_tokens(self, installation: Installation, spent_refresh: str) -> bool:
        """Keep rotated tokens if nobody was faster.

        Returns:
            False where the stored refresh token is not the one that was spent.
        """
        ...

    def delete(self, workspace: Workspace) -> bool:
        """Forget the installation and every row of that workspace."""
        ...

    def all(self) -> list[Installation]:
        """Return all of them, oldest first."""
        ...

    def holders(self) -> frozenset[str]:
        """Return the ids of the workspaces and organisations that have one."""
        ...


class OAuthStates(Protocol):
    """One-time states of installations under way."""

    def issue(self) -> str:
        """Return a new state, good for ten minutes."""
        ...

    def consume(self, state: str) -> bool:
        """Return whether it was issued, is fresh and was not used; it is used now."""
        ...


class PostLog(Protocol):
    """Remembers what was posted, for the buttons under it."""

    def record(self, post: Post) -> None:
        """Remember a post; the same post again changes nothing."""
        ...

    def find(self, workspace: Workspace, post_id: str) -> PostRecord | None:
        """Return a workspace's post, deleted or not."""
        ...

    def count_press(self, workspace: Workspace, post_id: str) -> int:
        """Add a press of *Try another*; return the number of this one, from 1.

        Returns:
            0 where there is no such post.
        """
        ...

    def mark_deleted(self, workspace: Workspace, post_id: str, user_id: str) -> bool:
        """Note who deleted it, or which post took its place, by its id.

        Returns:
            False where that was noted before, or there is no such post.
        """
        ...

    def forget(self, workspace: Workspace, post_id: str) -> None:
        """Remove one post, if there is such a one."""
        ...

    def forget_before(self, moment: datetime) -> int:
        """Remove what was posted, and deleted if it was, before an aware UTC time.

        Returns:
            How many rows.
        """
        ...


class WorkspaceSettings(Protocol):
    """Remembers where the bot is switched off, and whose pictures it leaves alone."""

    def switch(
        self, workspace: Workspace, channel_id: str, user_id: str, *, off: bool
    ) -> None:
        """Switch the bot off in a channel, or on again, for one workspace."""
        ...

    def is_off(self, channel_id: str) -> bool:
        """Tell whether any workspace that shares a channel has it switched off."""
        ...

    def opt(self, workspace: Workspace, user_id: str, *, out: bool) -> None:
        """Note that somebody's pictures are to be left alone, or no longer."""
        ...

    def opted_out(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return those of some people whose pictures are to be left alone."""
        ...


class Allowances(Protocol):
    """Counts what people ask for, for all processes together."""

    def take(self, workspace: Workspace, user_id: str) -> Exhausted | None:
        """Count one picture; where a limit is used up, nothing is counted.

        Returns:
            The limit that is in the way, None for none.
        """
        ...

    def charge(self, workspace: Workspace, user_id: str, pictures: int) -> None:
        """Count pictures whatever the limits are; a negative number gives some back."""
        ...


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


class JobAdmin(Protocol):
    """Shows and steers jobs, for operators."""

    def list(self, state: JobState | None, limit: int) -> list[Job]:
        """Return jobs, newest first, without their steps."""
        ...

    def show(self, job_id: str) -> Job | None:
        """Return one job with its steps."""
        ...

    def retry(self, job_id: str) -> bool:
        """Run a failed or cancelled job again; False where it is neither."""
        ...

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that has not ended; False where it has."""
        ...


class ImageSource(Protocol):
    """Finds and fetches the picture of a request."""

    def resolve(self, request: EmojifyRequest) -> list[ImageReference]:
        """Return the files or addresses that a request means, at least one.

        Raises:
            FetchError: There is none (``no_image``), or Slack would not say.
            DeliveryError: Slack refused.
        """
        ...

    def fetch(self, workspace: Workspace, reference: ImageReference) -> FetchedImage:
        """Return the bytes of a file or an address.

        Raises:
            FetchError: Refused, not reachable, gone, too big, not an image.
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

    def delete(self, post: Post) -> None:
        """Delete the file; one that is gone already is fine."""
        ...

    def tell(self, request: EmojifyRequest, outcome: Outcome) -> None:
        """Tell the asker alone how it ended."""
        ...

    def remove_reaction(self, request: EmojifyRequest) -> None:
        """Take the reaction back."""
        ...


class BotTokens(Protocol):
    """Knows the token to speak to a workspace with, fresh where tokens rotate."""

    def installation(self, workspace: Workspace) -> Installation:
        """Return a workspace's installation, its token good for two hours at least.

        Raises:
            DeliveryError: ``not_installed``, or the refresh failed.
        """
        ...
