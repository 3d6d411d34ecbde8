"""One line in Slack that says how far a clip is, if that takes long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from emojifier_bot.clock import Clock
from emojifier_bot.domain import EmojifyRequest
from emojifier_bot.errors import DeliveryError
from emojifier_bot.jobs.leases import Lease
from emojifier_bot.ports import ReplySink
from emojifier_bot.vision.clips.passes import Progress


class ProgressLine:
    """Tells Slack every few seconds; that it does not arrive does not matter.

    Args:
        sink: Slack.
        request: Whose clip it is.
        lease: Whoever lost it says no more.
        clock: Says when.
        seconds: When the line appears first, and how often it changes.
    """

    def __init__(
        self,
        sink: ReplySink,
        request: EmojifyRequest,
        lease: Lease,
        clock: Clock,
        seconds: float,
    ) -> None:
        self._sink, self._request, self._lease = sink, request, lease
        self._clock, self._seconds = clock, seconds
        self._next = clock.monotonic() + seconds
        self._line_ts = ""

    def __call__(self, done: int, total: int) -> None:
        """Take note that so many frames of so many are done."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + self._seconds
        self._lease.check()
        with suppress(DeliveryError):  # the client has logged it
            self._line_ts = self._sink.show_progress(
                self._request, self._line_ts, done, total
            )

    def remove(self) -> None:
        """Take the line away."""
        if self._line_ts:
            with suppress(DeliveryError):
                self._sink.remove_progress(self._request, self._line_ts)


@contextmanager
def progress_line(
    sink: ReplySink,
    request: EmojifyRequest,
    lease: Lease,
    clock: Clock,
    seconds: float,
) -> Iterator[Progress]:
    """Show how far a clip is while the block runs, if that takes so many seconds."""
    line = ProgressLine(sink, request, lease, clock, seconds)
    try:
        yield line
    finally:
        line.remove()
