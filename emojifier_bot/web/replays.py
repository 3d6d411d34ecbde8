"""What Slack was answered, for requests that come again under the same signature.

Who got hold of a request could send it again while its timestamp is good. It then gets
the answer that was given, and nothing is done twice. Slack's own second tries are
answered like that too, unless the first try failed: failures are not remembered.
Another process knows nothing of this; there, as ever, the names of jobs and the states
of posts make a second time harmless.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.datastructures import Headers

from emojifier_bot.clock import Clock
from emojifier_bot.web.guard import MAX_AGE_SECONDS, SIGNATURE, TIMESTAMP

#: Answers are remembered for as long as a request may be early and then late.
REMEMBERED_SECONDS = 2.0 * MAX_AGE_SECONDS
#: Most answers are empty, the longest have some kB; more are forgotten, oldest first.
MOST_ANSWERS = 5_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Slack."""

    status: int
    body: bytes = b""
    content_type: str = ""


#: What a request is told that comes while its twin is under way; Slack tries later.
CONFLICT = Answer(409)


class Answered:
    """Answers by request; threads may share it."""

    def __init__(self, clock: Clock, most: int = MOST_ANSWERS) -> None:
        """Begin with nothing remembered."""
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._under_way: set[bytes] = set()
        #: When, and what, the oldest first.
        self._given: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()

    def once(
        self, headers: Headers, body: bytes, answer: Callable[[], Answer]
    ) -> Answer:
        """Answer a request, the same one only once.

        Args:
            headers: With a timestamp and a signature, not verified yet.
            body: All of it.
            answer: Verifies the request and answers it; what it raises is raised.
        """
        name = _name(headers, body)
        with self._lock:
            self._forget_old()
            if name in self._given:
                return self._given[name][1]
            if name in self._under_way:
                return CONFLICT
            self._under_way.add(name)
        try:
            given = answer()
            self._remember(name, given)
        finally:
            with self._lock:
                self._under_way.discard(name)
        return given

    def _remember(self, name: bytes, given: Answer) -> None:
        # Only what was verified and went well: of others' requests nothing is kept.
        if given.status != 200:  # noqa: PLR2004 - OK
            return
        with self._lock:
            self._given[name] = (self._clock.monotonic(), given)
            if len(self._given) > self._most:
                self._given.popitem(last=False)

    def _forget_old(self) -> None:
        long_ago = self._clock.monotonic() - REMEMBERED_SECONDS
        while self._given and next(iter(self._given.values()))[0] < long_ago:
            self._given.popitem(last=False)


def _name(headers: Headers, body: bytes) -> bytes:
    """Return what only this request has: who knows less of it learns nothing."""
    signed = f"{headers[TIMESTAMP]}\n{headers[SIGNATURE]}\n".encode("latin-1")
    kind = headers.get("Content-Type", "").encode("latin-1", "replace")
    return hashlib.sha256(signed + kind + b"\n" + body).digest()
