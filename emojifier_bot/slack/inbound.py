"""What every listener has at hand: queue, stores, and a way to answer one person."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from slack_bolt import BoltContext

from emojifier_bot.clock import Clock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Outcome,
    OutcomeKind,
)
from emojifier_bot.errors import EmojifierError, ErrorKind, QueueFullError
from emojifier_bot.http import check_address
from emojifier_bot.ports import JobQueue, ReplySink
from emojifier_bot.slack.authorize import CachedAuthorize
from emojifier_bot.slack.background import ANSWER_THREADS, ANSWERS_WAITING, Background
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.payloads import Payload, workspace_of
from emojifier_bot.slack.rules import Rules

logger = logging.getLogger(__name__)

#: Answers to what was queued; all others say why it was not.
ACCEPTED = frozenset({OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED_PRIVATE})
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
    rules: Rules
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

    def enqueue(self, request: EmojifyRequest, key: str) -> Outcome:
        """Queue a request, unless a rule is in the way; return what to answer.

        Raises:
            QueueError: As the queue does.
            StoreError: The database does not answer.
        """
        who = {"way": request.entrypoint, "workspace": request.workspace.id}
        refusal = self.rules.refusal(request)
        if refusal is not None:
            facts = {"action": "refuse", "kind": refusal.kind} | who
            logger.info("A request was not taken", extra=facts)
            return refusal
        new = self._queue(request, key)
        read = {"action": "enqueue", "key": key, "new": new}
        logger.info("A request was read", extra=read | who)
        return Outcome(
            OutcomeKind.ACCEPTED_PRIVATE if request.private else OutcomeKind.ACCEPTED
        )

    def _queue(self, request: EmojifyRequest, key: str) -> bool:
        """Queue a request that was counted; what is not queued anew does not count.

        Where the database does not answer nobody knows: the job may be queued.
        """
        try:
            new = self.queue.enqueue(request, key)
        except QueueFullError:
            self.rules.give_back(request)
            raise
        if not new:
            self.rules.give_back(request)
        return new

    @property
    def help_facts(self) -> dict[str, str]:
        """Return what the help names."""
        return {"themes": ", ".join(f"`{theme}`" for theme in self.themes)}

    def seal(self, secret: str | None) -> str:
        """Return a secret as it may be stored; empty for none."""
        return self.vault.seal(secret) if secret else ""

    def asker_of(self, body: Payload, context: BoltContext) -> EmojifyRequest:
        """Return who pressed something, as somebody to answer."""
        container = body.get("container") or {}
        message = body.get("message") or {}
        thread_ts = message.get("thread_ts") or container.get("thread_ts") or ""
        return EmojifyRequest(
            workspace=workspace_of(context, body),
            entrypoint=Entrypoint.TRY_ANOTHER,
            user_id=context.user_id or "",
            channel_id=context.channel_id or container.get("channel_id") or "",
            source=NO_PICTURE,
            thread_ts=thread_ts,
            sealed_response_url=self.seal(body.get("response_url")),
        )

    def tell(self, request: EmojifyRequest, kind: str, **facts: str) -> None:
        """Answer whoever asked, after the answer to Slack."""

        def task() -> None:
            try:
                self.sink.tell(request, Outcome(kind, facts))
            except EmojifierError as error:
                told = {"action": "tell", "outcome": kind, "error": error.kind}
                told["workspace"] = request.workspace.id
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
                told["workspace"] = request.workspace.id
                logger.warning("What was asked failed", extra=told)
                self.tell(request, error.kind)

        if not self.background.submit(action, careful):
            self.tell(request, ErrorKind.BUSY)

    def close(self) -> None:
        """Finish what waits for Slack."""
        self.background.close()
        self.answers.close()
