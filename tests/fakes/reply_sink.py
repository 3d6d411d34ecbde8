"""A Slack that is told when to fail, and that outlives the worker it fails.

All it knows lies in files of one folder, so that a test and the processes it starts see
the same: what was called, what is shown, and which faults are still to come.
"""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emojifier_bot.domain import (
    EmojifyRequest,
    Outcome,
    Post,
    ResultPicture,
    Share,
    ShareState,
    Workspace,
)
from emojifier_bot.errors import DeliveryError, SlackCode
from emojifier_bot.ports import ReplySink

#: Nothing is done, and the caller is told so.
REFUSE = "refuse"
#: It is done, but the answer gets lost.
LOSE = "lose"
#: The process is killed before or after it is done.
KILL_BEFORE, KILL_AFTER = "kill before", "kill after"
#: It is done after a while.
SLOW = "slow"
#: It is done once the test lets go of it.
HELD = "held"


@dataclass(frozen=True)
class Fault:
    """What happens to one call."""

    how: str = REFUSE
    kind: str = "net"
    retryable: bool = True
    retry_after_seconds: float | None = None
    seconds: float = 0.0


class FakeReplySink(ReplySink):
    """A `ReplySink` in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        shown_after: int = 0,
        twice: bool = False,
        lacks_buttons: bool = False,
    ) -> None:
        """Begin with what the folder holds.

        Args:
            shown_after: Questions after which a share appears.
            twice: Take a second completion of a file, and show it again.
            lacks_buttons: Show every file without its buttons.
        """
        self.folder = folder
        self._shown_after = shown_after
        self._twice = twice
        self._lacks_buttons = lacks_buttons
        for name in ("faults", "files", "shown"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def plan(self, method: str, *faults: Fault) -> None:
        """Let the next calls of a method go wrong, one fault for each."""
        for fault in faults:
            number = len(list((self.folder / "faults").iterdir()))
            path = self.folder / "faults" / f"{method}.{number:04}"
            _write(path, json.dumps(asdict(fault)))

    def meet(self, method: str) -> None:
        """Let a planned fault happen to what is no call of Slack's."""
        fault = self._next_fault(method)
        if fault is not None:
            self._before(method, fault)

    def let_go(self) -> None:
        """Let what is held, and what will be, go on."""
        (self.folder / "let go").touch()

    def calls(self, method: str = "") -> list[dict[str, Any]]:
        """Return what was called, in order."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        calls = [json.loads(line) for line in lines]
        return [one for one in calls if method in ("", one["method"])]

    def told(self) -> list[str]:
        """Return how the asker was told that jobs ended."""
        return [one["kind"] for one in self.calls("notify")]

    def shown(self) -> list[dict[str, Any]]:
        """Return every post in the channels, a file twice if it is there twice."""
        paths = sorted((self.folder / "shown").iterdir())
        return [json.loads(path.read_text()) for path in paths]

    def remove(self, file_id: str) -> None:
        """Delete a file, as somebody in the channel may."""
        _write(self.folder / "files" / file_id, "deleted")
        for path in (self.folder / "shown").glob(f"{file_id}.*"):
            path.unlink()

    def add_reaction(self, request: EmojifyRequest) -> None:
        self._call("add_reaction", {"ts": request.reaction_ts})

    def target(self, request: EmojifyRequest) -> str:
        self._call("target", {"private": request.private})
        return f"D{request.user_id}" if request.private else request.channel_id

    def upload(self, workspace: Workspace, picture: ResultPicture) -> str:
        file_id = f"F{uuid.uuid4().hex[:10]}"

        def store() -> None:
            assert picture.data
            assert len(picture.alt_text) <= 1000
            _write(self.folder / "files" / file_id, "uploaded")
            (self.folder / f"{file_id}.bin").write_bytes(picture.data)

        facts = {"file_id": file_id, "filename": picture.filename}
        self._call("upload", facts | {"team": workspace.team_id}, store)
        return file_id

    def complete(self, post: Post) -> None:
        def show() -> None:
            path = self.folder / "files" / post.file_id
            if not path.exists():
                raise DeliveryError("No such file.", kind=SlackCode("file_not_found"))
            before = len(list((self.folder / "shown").glob(f"{post.file_id}.*")))
            if before and not self._twice:
                raise DeliveryError(
                    "Completed already.", kind=SlackCode("already_completed")
                )
            shown = self.folder / "shown" / f"{post.file_id}.{before}"
            _write(shown, json.dumps(asdict(post)))

        self._call("complete", {"file_id": post.file_id}, show)

    def share(self, post: Post) -> Share:
        self._call("share", {"file_id": post.file_id})
        path = self.folder / "files" / post.file_id
        if not path.exists():
            return Share(ShareState.UNKNOWN)
        if path.read_text() == "deleted":
            return Share(ShareState.DELETED)
        asked = [one["file_id"] for one in self.calls("share")].count(post.file_id)
        shown = list((self.folder / "shown").glob(f"{post.file_id}.*"))
        if not shown or asked <= self._shown_after:
            return Share(ShareState.PENDING)
        return Share(
            ShareState.SHARED,
            "1700000000.000100",
            post.thread_ts,
            lacks_buttons=self._lacks_buttons,
        )

    def ensure_buttons(self, post: Post, share: Share) -> None:
        assert share.state is ShareState.SHARED
        self._call("ensure_buttons", {"file_id": post.file_id})

    def delete(self, post: Post, button_ts: str = "") -> None:
        facts = {"file_id": post.file_id, "button_ts": button_ts}
        self._call("delete", facts, lambda: self.remove(post.file_id))

    def notify(self, request: EmojifyRequest, outcome: Outcome) -> None:
        missing = [asdict(one) for one in outcome.missing]
        facts = {"kind": outcome.kind, "user": request.user_id, "missing": missing}
        self._call("notify", facts)

    def remove_reaction(self, request: EmojifyRequest) -> None:
        self._call("remove_reaction", {"ts": request.reaction_ts})

    def show_progress(
        self, request: EmojifyRequest, line_ts: str, done: int, total: int
    ) -> str:
        facts = {"line": line_ts, "done": done, "total": total}
        self._call("show_progress", facts)
        return line_ts or f"line of {request.user_id}"

    def remove_progress(self, request: EmojifyRequest, line_ts: str) -> None:
        del request
        self._call("remove_progress", {"line": line_ts})

    def _call(
        self, method: str, facts: dict[str, Any], do: Callable[[], None] = lambda: None
    ) -> None:
        fault = self._next_fault(method)
        if fault is not None:
            self._before(method, fault)
        do()
        self._note({"method": method, **facts})
        if fault is not None and fault.how == LOSE:
            raise _error(fault)
        if fault is not None and fault.how == KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    def _before(self, method: str, fault: Fault) -> None:
        if fault.how == KILL_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.how == SLOW:
            self._note({"method": "slow"})
            time.sleep(fault.seconds)
        if fault.how == HELD:
            self._note({"method": "held"})
            while not (self.folder / "let go").exists():
                time.sleep(0.01)
        if fault.how == REFUSE:
            self._note({"method": f"{method} refused"})
            raise _error(fault)

    def _next_fault(self, method: str) -> Fault | None:
        for path in sorted((self.folder / "faults").glob(f"{method}.*")):
            taken = self.folder / f"{uuid.uuid4().hex}.taken"
            # Another worker may take it first.
            with suppress(FileNotFoundError):
                path.rename(taken)
                return Fault(**json.loads(taken.read_text()))
        return None

    def _note(self, call: dict[str, Any]) -> None:
        line = json.dumps(call | {"pid": os.getpid(), "at": time.time()}) + "\n"
        # One write of one line: processes do not tear each other's.
        with (self.folder / "calls").open("a") as file:
            file.write(line)


def _write(path: Path, text: str) -> None:
    """Write a file that others read meanwhile: they see all of it, or none."""
    unfinished = path.parent.parent / f"{uuid.uuid4().hex}.unfinished"
    unfinished.write_text(text)
    unfinished.replace(path)


def _error(fault: Fault) -> DeliveryError:
    return DeliveryError(
        "Planned by a test.",
        kind=SlackCode(fault.kind),
        retryable=fault.retryable,
        retry_after_seconds=fault.retry_after_seconds,
    )
