"""What the fake saw: every call, and everything that a correct bot would not send."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request and what was answered."""

    #: A method of the Web API, or ``upload``, ``download``, ``response``,
    #: ``authorize``, ``website``.
    method: str
    args: Mapping[str, Any]
    token: str
    #: Whose token it is; empty for an organisation's, or where it is not known.
    team_id: str
    #: Seconds since the epoch by the server's clock.
    when: float
    #: 0 where the connection was dropped.
    status: int
    #: The JSON object, else the first characters of the page.
    answer: Any
    #: The headers that came, names in small letters.
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether it was done, as far as the caller could see."""
        if isinstance(self.answer, Mapping) and "ok" in self.answer:
            return bool(self.answer["ok"])
        return 200 <= self.status < 400

    @property
    def error(self) -> str:
        """Return Slack's code; empty where it was done or was no JSON."""
        known = isinstance(self.answer, Mapping)
        return str(self.answer.get("error", "")) if known else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a correct bot would never send."""

    #: ``unknown_argument``, ``token_leak``, ``upload_order`` and the like.
    kind: str
    method: str
    what: str


class Records:
    """Keeps calls and problems; safe to use from any thread."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._calls: list[Call] = []
        self._problems: list[Problem] = []

    def call(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()

    def problem(self, kind: str, method: str, what: str) -> None:
        with self._changed:
            self._problems.append(Problem(kind, method, what))
            self._changed.notify_all()

    @property
    def calls(self) -> list[Call]:
        with self._changed:
            return list(self._calls)

    @property
    def problems(self) -> list[Problem]:
        with self._changed:
            return list(self._problems)

    def matching(self, wanted: Callable[[Call], bool]) -> list[Call]:
        return [call for call in self.calls if wanted(call)]

    def take(self) -> list[Call]:
        """Return the calls so far and forget them; for runs of many hours."""
        with self._changed:
            taken, self._calls = self._calls, []
            return taken

    def clear(self) -> None:
        with self._changed:
            self._calls.clear()
            self._problems.clear()
