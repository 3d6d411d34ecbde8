"""Stores what Slack gives only once, also where the database has a bad moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from emojifier_bot.errors import QueueError, StoreError

logger = logging.getLogger(__name__)

#: How long to wait before each further try, while somebody looks at a browser.
WAITS_SECONDS = (0.5, 2.0)
#: And where nobody does: a database that restarts is back by then.
PATIENT_WAITS_SECONDS = (0.5, 2.0, 5.0, 10.0, 15.0)
Kept = TypeVar("Kept")


def insist(
    save: Callable[[], Kept],
    sleep: Callable[[float], None] = time.sleep,
    waits_seconds: Sequence[float] | None = None,
) -> Kept:
    """Store something, several times over if need be.

    Args:
        save: What stores it.
        sleep: Waits.
        waits_seconds: How long before each further try; `WAITS_SECONDS` by default.

    Raises:
        StoreError: The database never answered.
        QueueError: That of the queue.
    """
    for wait_seconds in WAITS_SECONDS if waits_seconds is None else waits_seconds:
        try:
            return save()
        except (StoreError, QueueError) as error:
            facts = {"action": "insist", "error": error.kind}
            logger.warning("What Slack gave is not stored yet", extra=facts)
            sleep(wait_seconds)
    return save()
