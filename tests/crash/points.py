"""The named points at which processes are killed, and how one is armed.

An armed point is a file in a folder that all processes of a round know. A process that
reaches the point removes the file; the one that could remove it is killed there.
"""

from __future__ import annotations

from pathlib import Path

BEFORE, AFTER = "before", "after"
#: Calls of Slack's and the names that the fake knows them by.
SLACK_CALLS = {
    "files.getUploadURLExternal": "upload URL",
    "upload": "send bytes",
    "files.completeUploadExternal": "complete",
    "files.info": "look",
    "response": "notice",
    "chat.postEphemeral": "notice",
}
#: Commits of a job's steps, by the names of the steps in DBOS's table.
STEPS = ("resolve", "fetch", "prepare", "complete", "share", "notify")
#: Commits around them: of the web process, of the queue, of the row behind the buttons,
#: and of the job's end.
ENQUEUE, TAKE, POST_ROW, JOB_END = (
    "enqueue",
    "take from queue",
    "row of post",
    "end of job",
)
COMMITS = (ENQUEUE, TAKE, *STEPS, POST_ROW, JOB_END)


def slack_point(call: str, when: str) -> str:
    """Return the name of the point before Slack acts, or before it answers."""
    return f"Slack {call}, {when}"


def commit_point(name: str, when: str) -> str:
    """Return the name of the point before or after a commit."""
    return f"commit {name}, {when}"


ALL_POINTS = (
    *(
        slack_point(call, when)
        for call in dict.fromkeys(SLACK_CALLS.values())
        for when in (BEFORE, AFTER)
    ),
    *(commit_point(name, when) for name in COMMITS for when in (BEFORE, AFTER)),
)


class KillPoints:
    """A folder of kill_points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: str) -> None:
        """Let the next process that reaches a point die there."""
        (self.folder / point).touch()

    def trigger(self, point: str) -> bool:
        try:
            (self.folder / point).unlink()
        except FileNotFoundError:
            return False
        return True

    def armed(self) -> list[str]:
        """Return the points that nobody has reached yet."""
        return sorted(path.name for path in self.folder.iterdir())
