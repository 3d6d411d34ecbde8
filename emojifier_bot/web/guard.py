"""What is refused before Bolt sees it: whatever would make Bolt fail, or log a body.

Bolt verifies the signature itself. It takes any timestamp for a number and any
signature for ASCII, and fails where they are not.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime

from werkzeug.datastructures import Headers

logger = logging.getLogger(__name__)

#: Slack's own requests are of a few kB; a message with long blocks has some 100.
#: Flask answers 413 to larger ones.
MAX_BODY_BYTES = 1_000_000
#: How far a request's time may be from ours, as Slack asks.
MAX_AGE_SECONDS = 300
TIMESTAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
BAD_REQUEST, UNAUTHORIZED, WRONG_TYPE = 400, 401, 415
#: What Slack sends to see whether our certificate is good; it may be unsigned.
SSL_CHECK = re.compile(rb"(^|&)ssl_check=1(&|$)")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


def refused(headers: Headers, body: bytes, now: datetime) -> int | None:
    """Return the status that a request is refused with, None for one to look at.

    Args:
        headers: By names in any case.
        body: All of it.
        now: The time of day, aware.
    """
    status, reason = _refusal(headers, body, now)
    if status is None:
        return None
    facts = {"action": "guard", "status": status, "reason": reason}
    logger.info("A request was refused", extra=facts)
    return status


def _refusal(headers: Headers, body: bytes, now: datetime) -> tuple[int | None, str]:
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    timestamp = headers.get(TIMESTAMP, "")
    if content_type not in (FORM, JSON):
        return WRONG_TYPE, "content_type"
    if not _is_utf8(body):
        return BAD_REQUEST, "encoding"
    if not _TIMESTAMP.fullmatch(timestamp):
        return UNAUTHORIZED, "timestamp"
    if abs(now.timestamp() - int(timestamp)) > MAX_AGE_SECONDS:
        return UNAUTHORIZED, "age"
    if not _SIGNATURE.fullmatch(headers.get(SIGNATURE, "")):
        return UNAUTHORIZED, "signature"
    return None, ""


def is_ssl_check(headers: Headers, body: bytes) -> bool:
    """Tell whether Slack only looks at our certificate."""
    return headers.get("Content-Type", "").startswith(FORM) and bool(
        SSL_CHECK.search(body)
    )


def kind_of(headers: Headers, body: bytes) -> str:
    """Return what a request is, for the figures: as cheap as it is rough."""
    if headers.get("Content-Type", "").startswith(JSON):
        return "event"
    return "interaction" if body.startswith(b"payload=") else "command"


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
