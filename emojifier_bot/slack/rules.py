"""What is refused before it is queued: not wanted here, not by them, not so often."""

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
class Rules:
    """What a workspace and its people wish, and how much is too much."""

    settings: WorkspaceSettings
    allowances: RateLimiter

    def refusal(self, request: EmojifyRequest) -> Outcome | None:
        """Return why a request is not taken; where it is, it is counted."""
        if self.settings.is_off(request.channel_id):
            return Outcome(ErrorKind.CHANNEL_OFF)
        if self.left_alone({request.source.posted_by}):
            return Outcome(ErrorKind.OPTED_OUT)
        exhausted = self.allowances.take(request.workspace, request.user_id)
        return too_many(exhausted) if exhausted else None

    def left_alone(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return those of some people whose pictures are to be left alone."""
        return self.settings.opted_out({one for one in user_ids if one})

    def charge_further(self, request: EmojifyRequest, pictures: int) -> None:
        """Count pictures that a request turned out to mean besides the first."""
        if pictures:
            self.allowances.charge(request.workspace, request.user_id, pictures)

    def give_back(self, request: EmojifyRequest) -> None:
        """Count a request no longer: it came twice, or there was no room for it."""
        self.allowances.charge(request.workspace, request.user_id, -1)


def too_many(exhausted: Exhausted) -> Outcome:
    """Return what to tell who meets a limit."""
    pictures, wait = exhausted.limit.pictures, in_words(exhausted.wait_seconds)
    return Outcome(exhausted.limit.kind, {"pictures": str(pictures), "wait": wait})


def in_words(seconds: float) -> str:
    """Return a time to wait, rounded up: ``"1 second"``, ``"3 minutes"``."""
    whole = max(math.ceil(seconds), 1)
    for unit, length in (("hour", HOUR_SECONDS), ("minute", MINUTE_SECONDS)):
        if whole > length:
            return _counted(math.ceil(whole / length), unit)
    return _counted(whole, "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
