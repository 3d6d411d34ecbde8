"""Decides which requests are refused: switched off, opted out, over a limit."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from emojifier_bot.db.rate_limits import RateLimiter
from emojifier_bot.db.workspace_settings import WorkspaceSettings
from emojifier_bot.domain import EmojifyRequest, Exhausted, Outcome
from emojifier_bot.errors import ErrorKind

MINUTE_SECONDS, HOUR_SECONDS = 60, 3600


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Checks the settings of workspaces and people, and the rate limits."""

    settings: WorkspaceSettings
    limiter: RateLimiter

    def refusal(self, request: EmojifyRequest) -> Outcome | None:
        """Return why a request is refused; one that is not is counted."""
        if self.settings.is_off(request.channel_id):
            return Outcome(ErrorKind.CHANNEL_OFF)
        if self.opted_out({request.source.posted_by}):
            return Outcome(ErrorKind.OPTED_OUT)
        exhausted = self.limiter.take(request.workspace, request.user_id)
        return limit_reached(exhausted) if exhausted else None

    def opted_out(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return those of some people who have opted out with their pictures."""
        return self.settings.opted_out({one for one in user_ids if one})

    def charge_further(self, request: EmojifyRequest, pictures: int) -> None:
        """Count pictures that a request turned out to mean besides the first."""
        if pictures:
            self.limiter.charge(request.workspace, request.user_id, pictures)

    def refund(self, request: EmojifyRequest) -> None:
        """Count a request no longer: it came twice, or the queue was full."""
        self.limiter.charge(request.workspace, request.user_id, -1)


def limit_reached(exhausted: Exhausted) -> Outcome:
    """Return the answer to a request over a limit."""
    pictures, wait = exhausted.limit.pictures, duration(exhausted.wait_seconds)
    return Outcome(exhausted.limit.kind, {"pictures": str(pictures), "wait": wait})


def duration(seconds: float) -> str:
    """Return a time in words, rounded up: ``"1 second"``, ``"3 minutes"``."""
    count, unit = max(math.ceil(seconds), 1), "second"
    for longer, length in (("hour", HOUR_SECONDS), ("minute", MINUTE_SECONDS)):
        if count > length:
            count, unit = math.ceil(count / length), longer
            break
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
