"""One line in Slack that says how far a clip is, if that takes long."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from emojifier_bot.clock import Clock
from emojifier_bot.domain import EmojifyRequest
from emojifier_bot.errors import DeliveryError, QueueError, StoreError, VaultError
from emojifier_bot.jobs.leases import Lease
from emojifier_bot.ports import ReplySink

_EVENT = "progress_line"
#: What keeps the line from Slack, and nothing else from going on: Slack refuses it, or
#: no database answers, be it about the bot's token.
_NO_MATTER = (DeliveryError, QueueError, StoreError, VaultError, SQLAlchemyError)


class LineNote:
    """Where the line of the running job is noted, for whoever takes the job over."""

    def read(self) -> str:
        """Return its timestamp; empty where there is none."""
        return DBOS.get_event(str(DBOS.workflow_id), _EVENT, 0) or ""

    def write(self, line_ts: str) -> None:
        """Note another timestamp; empty for none."""
        DBOS.set_event(_EVENT, line_ts)


class ProgressLine:
    """Tells Slack every few seconds; that it does not arrive does not matter.

    At the end of its block the line goes.

    Args:
        sink: Slack.
        request: Whose clip it is.
        lease: Whoever lost it says no more.
        note: Knows the line of a worker that died with this job: it goes on.
        clock: Says when.
        seconds: When the line appears first, and how often it changes.
    """

    def __init__(
        self,
        sink: ReplySink,
        request: EmojifyRequest,
        lease: Lease,
        note: LineNote,
        *,
        clock: Clock,
        seconds: float,
    ) -> None:
        self._sink, self._request = sink, request
        self._lease, self._note = lease, note
        self._clock, self._seconds = clock, seconds
        self._next = clock.monotonic() + seconds
        self._line_ts = note.read()

    def __call__(self, done: int, total: int) -> None:
        """Take note that so many frames of so many are done."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + self._seconds
        self._lease.check()
        # The client has logged what Slack refuses.
        with suppress(*_NO_MATTER):
            known = self._line_ts
            self._line_ts = self._sink.show_progress(self._request, known, done, total)
            if self._line_ts != known:
                self._note.write(self._line_ts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Take the line away, also that of a worker that died with this job."""
        if self._line_ts:
            self._lease.check()
            with suppress(*_NO_MATTER):
                self._sink.remove_progress(self._request, self._line_ts)
                self._note.write("")
