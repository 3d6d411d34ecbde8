"""What goes wrong at Slack while the bot is under load, in a fixed order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.slack import SlackServer
from tests.threads import repeated

#: How often something goes wrong.
EVERY_SECONDS = 2.0
#: Slack answers later than the bot waits, and then not at all.
TOO_LATE_SECONDS = 16.0
#: How long a share may take, in turns.
LATE_SECONDS = (0.0, 0.0, 1.5, 0.0, 4.0)

UPLOAD_URL, COMPLETE = "files.getUploadURLExternal", "files.completeUploadExternal"
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (UPLOAD_URL, {"status": 429, "retry_after": 1}),
    (COMPLETE, {"status": 503}),
    ("files.info", {"status": 429, "retry_after": 2}),
    ("upload", {"status": 500}),
    (COMPLETE, {"drop": True, "after": True}),
    ("files.info", {"error": "internal_error"}),
    ("response", {"status": 500}),
    ("files.info", {"slow_seconds": TOO_LATE_SECONDS, "drop": True}),
    ("download", {"status": 503}),
    (COMPLETE, {"status": 429, "retry_after": 1}),
    (UPLOAD_URL, {"status": 502}),
    ("reactions.add", {"status": 429, "retry_after": 1}),
    (COMPLETE, {"slow_seconds": TOO_LATE_SECONDS, "drop": True, "after": True}),
)


@contextmanager
def injected_faults(slack: SlackServer) -> Iterator[None]:
    """Let something go wrong again and again until the end of the block."""
    faults, late = itertools.cycle(FAULTS), itertools.cycle(LATE_SECONDS)

    def strike() -> None:
        method, fault = next(faults)
        slack.faults.add(method, **fault)
        slack.switches.share_after_seconds = next(late)

    try:
        with repeated(strike, EVERY_SECONDS):
            yield
    finally:
        slack.faults.clear()
        slack.switches.share_after_seconds = 0.0
