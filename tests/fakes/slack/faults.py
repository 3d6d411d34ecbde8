"""Misfortune on order: what goes wrong, where, and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.slack.catalogue import METHODS, codes
from tests.fakes.slack.exchange import Reply

#: Places outside the Web API that can fail too.
PLACES = frozenset({"upload", "download", "response", "authorize"})
#: Stands for every method of the Web API, not for the places.
ANY_METHOD = "*"
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500
#: How often a call that is held looks whether the server stops.
LOOK_SECONDS = 0.1
PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>{}</body></html>"


@dataclass
class Fault:
    """What happens to some calls of a method."""

    method: str
    #: Answer with this HTTP status; 429 comes with ``Retry-After``.
    status: int = 0
    #: Seconds for ``Retry-After``; None leaves the header away.
    retry_after: int | None = None
    #: Answer 200 with this code of Slack's.
    error: str = ""
    #: Answer 200 with a page in place of JSON.
    html: bool = False
    #: Wait so long, then go on.
    slow_seconds: float = 0.0
    #: Wait until somebody sets it, then go on.
    held: threading.Event | None = None
    #: Close the connection without an answer.
    drop: bool = False
    #: The call takes effect first; only its answer is lost or replaced.
    after: bool = False
    #: How many calls; None for all from now on.
    times: int | None = 1
    #: Set when the first call meets it.
    met: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.method not in METHODS and self.method not in PLACES | {ANY_METHOD}:
            raise ValueError(f"No method or place of the fake: {self.method!r}.")
        if self.error and self.method not in METHODS:
            raise ValueError("A code belongs to one method of the Web API.")
        if self.error and self.error not in codes(self.method):
            raise ValueError(f"{self.method} never answers {self.error!r}.")
        if not (self.replaces or self.slow_seconds or self.held):
            raise ValueError("A fault says what goes wrong.")

    @property
    def replaces(self) -> bool:
        """Tell whether the caller gets another answer than the real one, or none."""
        return bool(self.status or self.error or self.html or self.drop)

    def wait(self, stopping: threading.Event) -> None:
        """Keep the caller waiting, until the server stops at the latest."""
        self.met.set()
        stopping.wait(self.slow_seconds)
        while self.held and not (stopping.is_set() or self.held.wait(LOOK_SECONDS)):
            pass

    def reply(self) -> Reply | None:
        """Return what the caller gets; None for a dropped connection."""
        if self.drop:
            return None
        if self.html:
            return Reply.html(PAGE.format("Sign in to your workspace"))
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status >= SERVER_ERRORS:
            return Reply.html(PAGE.format("Something went wrong"), self.status, headers)
        limited = self.status == TOO_MANY_REQUESTS
        error = self.error or ("ratelimited" if limited else "request_timeout")
        answer = {"ok": False, "error": error}
        return Reply.json(answer, self.status or 200, headers)


class Faults:
    """The faults in waiting, first come, first served; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, method: str, **what: Any) -> Fault:
        """Order a fault: ``add("files.info", status=429, retry_after=1, times=2)``.

        Raises:
            ValueError: Slack never does that: an unknown method, or a code that is
                not in the method's list.
        """
        fault = Fault(method, **what)
        with self._lock:
            self._waiting.append(fault)
        return fault

    def take(self, method: str) -> Fault | None:
        """Return the fault that this call meets, and count it."""
        with self._lock:
            names = {method} if method in PLACES else {method, ANY_METHOD}
            fault = next((one for one in self._waiting if one.method in names), None)
            if fault and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
            return fault

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    @property
    def waiting(self) -> list[Fault]:
        with self._lock:
            return list(self._waiting)
