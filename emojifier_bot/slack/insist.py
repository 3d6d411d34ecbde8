"""Stores what Slack gives only once, also where the database has a bad moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from emojifier_bot.errors import StoreError

logger = logging.getLogger(__name__)

#: How long to wait before each further try: a database that restarts is back by then.
WAITS_SECONDS = (0.5, 2.0)
Kept = TypeVar("Kept")


def insist(
    save: Callable[[], Kept], sleep: Callable[[float], None] = time.sleep
) -> Kept:
    """Store something, several times over if need be.

    Raises:
        StoreError: The database never answered.
    """
    for wait_seconds in WAITS_SECONDS:
        try:
            return save()
        except StoreError as error:
            facts = {"action": "insist", "error": error.kind}
            logger.warning("What Slack gave is not stored yet", extra=facts)
            sleep(wait_seconds)
    return save()
