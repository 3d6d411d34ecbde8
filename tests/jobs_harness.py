"""A queue, a worker and a Slack that fails on demand, for tests of jobs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.posts import PostLog
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Job,
    JobState,
    Workspace,
)
from emojifier_bot.jobs.leases import LeaseTimes
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.jobs.step_runner import Timing
from emojifier_bot.jobs.steps import Dependencies
from emojifier_bot.jobs.system_db import job_id_for
from emojifier_bot.jobs.worker import Worker
from tests.fakes.faces import picture_with_faces
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import fake_pipeline
from tests.fakes.reply_sink import FakeReplySink
from tests.images import encoded

ROOT = Path(__file__).parents[1]
WORKSPACE = Workspace("T1")
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
#: The same order of waits as in earnest, a hundred times as fast.
FAST = Timing((0.0, 0.05, 0.1), (0.02, 0.05, 0.1), backoff=0.02)
#: A dead worker is found out after a second.
SHORT_LEASE = LeaseTimes(lease_seconds=1.0, heartbeat_seconds=0.2)

FACE = picture_with_faces((200, 150), [(20, 20, 80, 80)])
PICTURES = {
    "F1": encoded(FACE, "PNG"),
    "F2": encoded(FACE, "JPEG"),
    "F3": encoded(FACE, "TIFF"),
    "FEMPTY": encoded(Image.new("RGB", (64, 64), "grey"), "PNG"),
    "FBROKEN": b"no picture",
}
MESSAGES = {
    "1700000000.000001": ["F1", "F2", "F3"],
    "1700000000.000002": ["FBROKEN", "F1"],
}


def make_request(file_id: str = "F1", **fields) -> EmojifyRequest:
    """Return a request for one of `PICTURES`."""
    source = ImageReference(file_id=file_id)
    request = EmojifyRequest(WORKSPACE, Entrypoint.COMMAND, "U1", "C1", source)
    return replace(request, **fields)


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to become true; fail if it does not."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


class JobsHarness:
    """Everything on one database and in one folder."""

    def __init__(
        self, url: str, folder: Path, *, queue_limit: int = 100, shown_after: int = 0
    ) -> None:
        self.url = url
        self.folder = folder
        self.clock = SystemClock()
        self.queue = DbosJobQueue(url, queue_limit, self.clock)
        self.sink = FakeReplySink(folder, shown_after=shown_after, twice=True)
        self.source = FakeImageSource(PICTURES, MESSAGES)
        upgrade(url)
        self.database = open_database(url)
        self.posts = PostLog(self.database, self.clock)

    def close(self) -> None:
        self.queue.close()
        self.database.close()

    def ask(self, key: str = "key", file_id: str = "F1", **fields) -> str:
        """Queue a request; return its job's id."""
        self.queue.enqueue(make_request(file_id, **fields), key)
        return job_id_for(key)

    def deps(self, timing: Timing = FAST) -> Dependencies:
        return Dependencies(
            self.source,
            self.sink,
            self.posts,
            lambda _: fake_pipeline(),
            self.clock,
            timing,
        )

    @contextmanager
    def working(self, timing: Timing = FAST, concurrency: int = 2) -> Iterator[Worker]:
        """Run a worker in this process."""
        worker = Worker(self.url, self.deps(timing), concurrency, SHORT_LEASE)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop(drain_seconds=5)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start a worker as a process of its own."""
        command = [sys.executable, "-m", "tests.worker_process", self.url]
        return subprocess.Popen([*command, str(self.folder)], cwd=ROOT)

    def wait(self, job_id: str, *states: JobState, seconds: float = 30) -> Job:
        """Wait for a job to end, or for a state; return it."""
        wanted = states or ENDED
        found: list[Job] = []

        def is_there() -> bool:
            job = self.queue.show(job_id)
            found[:] = [job] if job is not None else []
            return job is not None and job.state in wanted

        wait_until(is_there, seconds)
        return found[0]

    def run(self, key: str = "key", file_id: str = "F1", **fields) -> Job:
        """Ask, work, and return how the job ended."""
        job_id = self.ask(key, file_id, **fields)
        with self.working():
            return self.wait(job_id)
