"""A Slack that kills who calls it, before it acts or before it answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.points import AFTER, BEFORE, SLACK_CALLS, KillPoints, slack_point
from tests.fakes.slack import SlackServer
from tests.fakes.slack.exchange import Reply, Request

#: Of a line in /proc/net/tcp: the caller's end, and the socket's number.
LOCAL, INODE = 1, 9


class KillingSlack(SlackServer):
    """A `SlackServer` whose calls are mined.

    What is killed before Slack acts is a request that got lost with its sender; what is
    killed after it, an answer that nobody heard.
    """

    def __init__(self, kill_points: KillPoints, **more: Any) -> None:
        super().__init__(**more)
        #: Gives the processes that may be killed.
        self.pids: Callable[[], list[int]] = list
        self._kill_points = kill_points
        # A file may be shown twice, so that it shows if the bot does it.
        self.switches.second_complete = True

    def _meet(self, request: Request, name: str, arguments: Any) -> Reply | None:
        call = SLACK_CALLS.get(name)
        if call and self._kill(request, call, BEFORE):
            return None
        reply = super()._meet(request, name, arguments)
        if call:
            self._kill(request, call, AFTER)
        return reply

    def _kill(self, request: Request, call: str, when: str) -> bool:
        if not self._kill_points.trigger(slack_point(call, when)):
            return False
        pid = owner_of(request.peer_port, self.pids())
        if pid is None:
            self._kill_points.arm(slack_point(call, when))
            return False
        os.kill(pid, signal.SIGKILL)
        return True


def owner_of(port: int, pids: list[int]) -> int | None:
    """Return which process has the socket with a local port."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = [line.split() for line in lines]
    inodes = {row[INODE] for row in found if row[LOCAL].endswith(wanted)} - {"0"}
    sockets = {f"socket:[{inode}]" for inode in inodes}
    return next((pid for pid in pids if sockets & _open_files(pid)), None)


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(link.readlink()))
    except OSError:
        pass  # it ended meanwhile, or the file did
    return found
