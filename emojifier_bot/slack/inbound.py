"""What every listener has at hand: queue, stores, and a way to answer one person."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from emojifier_bot.domain import EmojifyRequest, ImageReference, Outcome
from emojifier_bot.errors import EmojifierError
from emojifier_bot.net import check_address
from emojifier_bot.ports import (
    Clock,
    InstallationStore,
    JobQueue,
    PostLog,
    ReplySink,
    Vault,
)
from emojifier_bot.slack.authorize import CachedAuthorize
from emojifier_bot.slack.background import ANSWER_THREADS, ANSWERS_WAITING, Background
from emojifier_bot.slack.client import SlackClient

logger = logging.getLogger(__name__)

#: A request that only says whom to answer and where names a picture all the same.
NO_PICTURE = ImageReference(newest=True)


@dataclass(frozen=True, slots=True)
class Inbound:
    """The other side of the listeners. What calls Slack runs after the answer to it."""

    queue: JobQueue
    posts: PostLog
    installations: InstallationStore
    authorize: CachedAuthorize
    sink: ReplySink
    vault: Vault
    clock: Clock
    client: SlackClient
    #: Names of the themes that may be asked for.
    themes: tuple[str, ...]
    #: Raises a `FetchError` for an address that can be refused at sight.
    check_address: Callable[[str], None] = check_address
    #: For what is asked of Slack, and for sentences; the latter is left when the
    #: former has no place, to say so.
    background: Background = field(default_factory=Background)
    answers: Background = field(
        default_factory=lambda: Background(ANSWER_THREADS, ANSWERS_WAITING)
    )

    def enqueue(self, request: EmojifyRequest, key: str) -> str:
        """Queue a request; return the kind of what to answer.

        Raises:
            QueueError: As the queue does.
        """
        new = self.queue.enqueue(request, key)
        facts = {"action": "enqueue", "way": request.way, "key": key, "new": new}
        logger.info("A request was read", extra=facts)
        return "accepted_private" if request.private else "accepted"

    @property
    def help_facts(self) -> dict[str, str]:
        """Return what the help names."""
        return {"themes": ", ".join(f"`{theme}`" for theme in self.themes)}

    def seal(self, secret: str | None) -> str:
        """Return a secret as it may be stored; empty for none."""
        return self.vault.seal(secret) if secret else ""

    def tell(self, request: EmojifyRequest, kind: str, **facts: str) -> None:
        """Answer whoever asked, after the answer to Slack."""

        def task() -> None:
            try:
                self.sink.tell(request, Outcome(kind, facts))
            except EmojifierError as error:
                told = {"action": "tell", "outcome": kind, "error": error.kind}
                logger.warning("An answer was not delivered", extra=told)

        self.answers.submit("tell", task)

    def after_answer(
        self, request: EmojifyRequest, action: str, task: Callable[[], None]
    ) -> None:
        """Run what asks something of Slack; tell the asker where it cannot be done."""

        def careful() -> None:
            try:
                task()
            except EmojifierError as error:
                told = {"action": action, "error": error.kind}
                logger.warning("What was asked failed", extra=told)
                self.tell(request, error.kind)

        if not self.background.submit(action, careful):
            self.tell(request, "busy")

    def close(self) -> None:
        """Finish what waits for Slack."""
        self.background.close()
        self.answers.close()
