"""Keeps what the fake Slack saw as counts: half an hour of pictures fills a memory."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.slack import SlackServer
from tests.fakes.slack.state import Call
from tests.threads import repeated

LOOK_SECONDS = 0.5
SERVER_ERROR = 500
COMPLETE = "files.completeUploadExternal"
#: Not called in the name of a workspace's bot, or not of Slack.
OTHERS = frozenset({"auth.test", "authorize", "website", "oauth.v2.access"})
#: What the bot calls an outage, by where it is seen.
UNREACHABLE = {"upload": "slack_unavailable"}


class Ledger:
    """Counts calls, and when each picture was shown first."""

    def __init__(self, slack: SlackServer) -> None:
        self._slack = slack
        self._lock = threading.Lock()
        #: Calls by method, and errors by method and what the bot should call them.
        self.calls: Counter[str] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        #: Seconds since the epoch, by the picture's title.
        self.shown_at: dict[str, float] = {}

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep the fake's memory small until the end of the block."""
        with repeated(self.look, LOOK_SECONDS):
            yield
        self.look()

    def look(self) -> None:
        """Count what is new, and drop what is heavy."""
        with self._lock:
            for call in self._slack.world.take_calls():
                if call.method not in OTHERS:
                    self._count(call)
            self._slack.messages()  # shows what is due
            self._drop_pictures()

    @property
    def told(self) -> int:
        """Return how many sentences reached one person alone."""
        with self._slack.world.lock:
            return sum(bool(one.only_for) for one in self._slack.world.messages)

    @property
    def results(self) -> Counter[str]:
        return Counter(file.title for _, file in self._slack.results())

    def _count(self, call: Call) -> None:
        self.calls[call.method] += 1
        if error := _error(call):
            self.errors[call.method, error] += 1
        if call.method == COMPLETE and call.ok:
            for file in _files(call):
                self.shown_at.setdefault(file["title"], call.when)

    def _drop_pictures(self) -> None:
        with self._slack.world.lock:
            bots = {one.bot_user_id for one in self._slack.world.workspaces.values()}
            for file in self._slack.world.files.values():
                if file.completed and file.user_id in bots:
                    file.data = b""


def _files(call: Call) -> list[dict[str, str]]:
    given = call.args["files"]
    files: list[dict[str, str]] = json.loads(given) if isinstance(given, str) else given
    return files


def _error(call: Call) -> str:
    """Return what the bot should call this, empty where it went well."""
    if call.method == "response" and call.status:
        return "" if call.ok else f"status_{call.status}"
    if call.method in {"upload", "download", "response"}:
        away = call.status == 0 or not call.ok
        return UNREACHABLE.get(call.method, "slack_unreachable") if away else ""
    if call.status == 0 or call.status >= SERVER_ERROR:
        return "slack_unreachable"
    return "" if call.ok else call.error
