"""Slack's requests before Bolt sees them: refused, answered again, or let through.

The signature is verified over the bytes as they came: nobody else's body is parsed.
Bolt verifies it once more, but only after it has parsed the body. It takes any
timestamp for a number and any signature for ASCII, and fails, or logs a body, where
they are not.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from werkzeug.datastructures import Headers

from emojifier_bot import metrics
from emojifier_bot.clock import Clock

logger = logging.getLogger(__name__)

#: Slack's own requests are of a few kB; a message with long blocks has some 100.
#: Flask answers 413 to larger ones.
MAX_BODY_BYTES = 1_000_000
#: How far a request's time may be from ours, as Slack asks.
MAX_AGE_SECONDS = 300
#: Answers are remembered for as long as a request may be early and then late.
REMEMBERED_SECONDS = 2.0 * MAX_AGE_SECONDS
#: Most answers are empty, the longest have some kB; more are forgotten, oldest first.
MOST_ANSWERS = 5_000
TIMESTAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
OK, BAD_REQUEST, UNAUTHORIZED, WRONG_TYPE = 200, 400, 401, 415
#: What Slack sends to see whether our certificate is good; it may be unsigned, and is
#: not long.
SSL_CHECK_BYTES = 4_096
SSL_CHECK = re.compile(rb"(^|&)ssl_check=1(&|$)")
#: Reasons of a refusal: Slack's time and ours differ; the signing secrets do.
AGE, WRONG_SIGNATURE = "age", "signature"
#: Where every request of Slack's may be refused, and an operator must know why.
CAUSES = {
    AGE: "A request's time is not this machine's: set the clock, or Slack is refused",
    WRONG_SIGNATURE: "A request is not signed with SLACK_SIGNING_SECRET: if Slack sent "
    "it, copy the signing secret again from the app's page Basic Information",
}
#: Anybody can send such a request, so the warning is not repeated for a while.
WARN_AGAIN_SECONDS = 3600.0
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Refusal(NamedTuple):
    """Why a request is not answered, and the status that it gets."""

    status: int
    reason: str


class Refusals:
    """Counts and logs what is refused; threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: When each cause may be warned of again.
        self._quiet_until: dict[str, float] = {}

    def note(self, refused: Refusal) -> None:
        """Count a refusal; warn if a setting or the clock may be its cause."""
        metrics.SLACK_REFUSED.labels(refused.status, refused.reason).inc()
        facts = {"action": "guard", **refused._asdict()}
        if self._is_news(refused.reason):
            logger.warning(CAUSES[refused.reason], extra=facts)
        else:
            logger.info("A request was refused", extra=facts)

    def _is_news(self, reason: str) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            if reason not in CAUSES or now < self._quiet_until.get(reason, now):
                return False
            self._quiet_until[reason] = now + WARN_AGAIN_SECONDS
            return True


def find_refusal(
    headers: Headers, body: bytes, now: datetime, secret: str
) -> Refusal | None:
    """Return why a request is refused, None for one of Slack's."""
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    timestamp = headers.get(TIMESTAMP, "")
    if content_type not in (FORM, JSON):
        return Refusal(WRONG_TYPE, "content_type")
    if not _TIMESTAMP.fullmatch(timestamp):
        return Refusal(UNAUTHORIZED, "timestamp")
    if abs(now.timestamp() - int(timestamp)) > MAX_AGE_SECONDS:
        return Refusal(UNAUTHORIZED, AGE)
    signed = b"v0:" + timestamp.encode() + b":" + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    given = headers.get(SIGNATURE, "").encode("latin-1", "replace")
    if not hmac.compare_digest(given, f"v0={digest}".encode()):
        return Refusal(UNAUTHORIZED, WRONG_SIGNATURE)
    try:
        body.decode()
    except UnicodeDecodeError:
        return Refusal(BAD_REQUEST, "encoding")
    return None


def is_ssl_check(headers: Headers, body: bytes) -> bool:
    """Return whether Slack only looks at our certificate."""
    is_form = headers.get("Content-Type", "").startswith(FORM)
    is_short = len(body) <= SSL_CHECK_BYTES
    return is_form and is_short and SSL_CHECK.search(body) is not None


def request_kind(headers: Headers, body: bytes) -> str:
    """Return what a request is, for the metrics: as cheap as it is rough."""
    if headers.get("Content-Type", "").startswith(JSON):
        return "event"
    return "interaction" if body.startswith(b"payload=") else "command"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Slack."""

    status: int
    body: bytes = b""
    content_type: str = ""


#: The answer to a request whose twin is under way; Slack tries later.
CONFLICT = Answer(409)


class ReplayCache:
    """What Slack was answered, for requests that come again under the same signature.

    Who got hold of a request could send it again while its timestamp is good. It then
    gets the answer that was given, and nothing is done twice. Slack's own second tries
    are answered like that too, unless the first try failed: failures are not
    remembered. Another process knows nothing of this; there, as ever, the names of jobs
    and the states of posts make a second time harmless. Threads may share it.
    """

    def __init__(self, clock: Clock, most: int = MOST_ANSWERS) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._under_way: set[bytes] = set()
        #: When, and what, the oldest first.
        self._answers: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()

    def answer_once(
        self, headers: Headers, body: bytes, answer: Callable[[], Answer]
    ) -> Answer:
        """Answer a request, the same one only once.

        Args:
            headers: With a timestamp and a signature.
            body: All of it.
            answer: Answers the request; what it raises is raised.
        """
        key = _key(headers, body)
        oldest = self._clock.monotonic() - REMEMBERED_SECONDS
        with self._lock:
            while self._answers and next(iter(self._answers.values()))[0] < oldest:
                self._answers.popitem(last=False)
            if key in self._answers:
                return self._answers[key][1]
            if key in self._under_way:
                return CONFLICT
            self._under_way.add(key)
        try:
            given = answer()
            # Only what went well.
            if given.status == OK:
                with self._lock:
                    self._answers[key] = (self._clock.monotonic(), given)
                    if len(self._answers) > self._most:
                        self._answers.popitem(last=False)
        finally:
            with self._lock:
                self._under_way.discard(key)
        return given


def _key(headers: Headers, body: bytes) -> bytes:
    """Return what only this request has: who knows less of it learns nothing."""
    signed = f"{headers[TIMESTAMP]}\n{headers[SIGNATURE]}\n".encode("latin-1")
    kind = headers.get("Content-Type", "").encode("latin-1", "replace")
    return hashlib.sha256(signed + kind + b"\n" + body).digest()
