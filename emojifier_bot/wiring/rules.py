"""Who wants no pictures, and how many are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emojifier_bot.errors import ErrorKind

if TYPE_CHECKING:
    from emojifier_bot.clock import Clock
    from emojifier_bot.config import Settings
    from emojifier_bot.db.engine import Database
    from emojifier_bot.slack.rules import Rules

DAY_SECONDS = 24 * 3600


def make_rules(settings: Settings, database: Database, clock: Clock) -> Rules:
    """Build what knows who wants no pictures, and how many are too many."""
    from emojifier_bot.db.rate_limits import RateLimiter
    from emojifier_bot.db.workspace_settings import WorkspaceSettings
    from emojifier_bot.domain import Limit
    from emojifier_bot.slack.rules import HOUR_SECONDS, MINUTE_SECONDS, Rules

    limits = (
        Limit(
            ErrorKind.USER_LIMIT,
            settings.user_per_minute,
            MINUTE_SECONDS,
            is_personal=True,
        ),
        Limit(
            ErrorKind.WORKSPACE_HOUR_LIMIT, settings.workspace_per_hour, HOUR_SECONDS
        ),
        Limit(ErrorKind.WORKSPACE_DAY_LIMIT, settings.workspace_per_day, DAY_SECONDS),
    )
    used = tuple(limit for limit in limits if limit.pictures)
    return Rules(WorkspaceSettings(database, clock), RateLimiter(database, clock, used))
