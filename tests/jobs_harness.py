"""A queue, a worker and a Slack that fails on demand, for tests of jobs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.crypto import Vault
from emojifier_bot.db.drafts import DraftStore
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.posts import PostLog
from emojifier_bot.db.previews import Previews
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
from emojifier_bot.jobs.system_db import WORKFLOW_VERSION, job_id_for
from emojifier_bot.jobs.worker import Worker
from tests.clips import animation
from tests.fakes.faces import lit_frame, picture_with_faces
from tests.fakes.image_source import FakeImageSource
from tests.fakes.pipeline import FakeEmojify
from tests.fakes.previews import MemoryPreviews
from tests.fakes.reply_sink import FakeReplySink
from tests.images import encoded
from tests.threads import PATIENCE_SECONDS, wait_until

#: The same for every process that a test starts.
VAULT = Vault(["A" * 43 + "="])
ROOT = Path(__file__).parents[1]
WORKSPACE = Workspace("T1")
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
#: The same order of waits as in earnest, a hundred times as fast.
FAST = Timing((0.0, 0.05, 0.1), (0.02, 0.05, 0.1), backoff=0.02, progress_seconds=0)
#: A dead worker is found out after some two seconds, by one that is itself never late
#: by more than a second.
SHORT_LEASE = LeaseTimes(lease_seconds=1.5, heartbeat_seconds=0.4)
#: Of workers that run side by side: a busy machine must not starve one for as long as a
#: lease.
LONGER_LEASE = LeaseTimes(lease_seconds=4.0, heartbeat_seconds=0.8)

FACE = picture_with_faces((200, 150), [(20, 20, 80, 80)])
PICTURES = {
    "F1": encoded(FACE, "PNG"),
    "F2": encoded(FACE, "JPEG"),
    "F3": encoded(FACE, "TIFF"),
    "FEMPTY": encoded(Image.new("RGB", (64, 64), "grey"), "PNG"),
    "FBROKEN": b"no picture",
    "FCLIP": animation([lit_frame(at) for at in range(6)], "GIF", duration=500),
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


def make_dependencies(url: str, folder: Path, **sink) -> Dependencies:
    """Return what jobs need from outside; they deliver into a folder."""
    clock = SystemClock()
    slack = FakeReplySink(folder, twice=True, **sink)
    return Dependencies(
        FakeImageSource(PICTURES, MESSAGES, meet=slack.meet),
        slack,
        PostLog(open_database(url), VAULT, clock),
        FakeEmojify(),
        clock,
        Previews(
            DraftStore(open_database(url), VAULT, clock),
            MemoryPreviews(),
        ),
        FAST,
    )


class JobsHarness:
    """Everything on one database and in one folder."""

    def __init__(
        self, url: str, folder: Path, *, queue_limit: int = 100, shown_after: int = 0
    ) -> None:
        upgrade(url)
        self.url = url
        self.folder = folder
        self.deps = make_dependencies(url, folder, shown_after=shown_after)
        self.source, self.sink = self.deps.source, self.deps.sink
        self.posts, self.clock = self.deps.posts, self.deps.clock
        self.queue = DbosJobQueue(url, queue_limit, self.clock)
        self._processes: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.queue.close()
        self.posts.database.close()
        self.deps.previews.drafts.database.close()

    def ask(self, key: str = "key", file_id: str = "F1", **fields) -> str:
        """Queue a request; return its job's id."""
        self.queue.enqueue(make_request(file_id, **fields), key)
        return job_id_for(key)

    @contextmanager
    def working(
        self, concurrency: int = 2, times: LeaseTimes = SHORT_LEASE
    ) -> Iterator[Worker]:
        """Run a worker in this process."""
        deps = replace(self.deps, clock=self.clock)
        worker = Worker(self.url, deps, concurrency, times)
        worker.start()
        try:
            yield worker
        except BaseException:
            # A test that failed leaves nobody waiting.
            self.sink.let_go()
            raise
        finally:
            worker.stop(drain_seconds=5)

    def spawn(
        self,
        version: str = WORKFLOW_VERSION,
        lease: LeaseTimes = SHORT_LEASE,
        drain_seconds: int = 4,
    ) -> subprocess.Popen[bytes]:
        """Start a worker as a process of its own, until the harness is closed."""
        command = [sys.executable, "-m", "tests.worker_process", self.url]
        command += [str(self.folder), version, str(drain_seconds)]
        command += [str(lease.lease_seconds), str(lease.heartbeat_seconds)]
        self._processes.append(subprocess.Popen(command, cwd=ROOT))
        return self._processes[-1]

    def wait(
        self, job_id: str, *states: JobState, seconds: float = PATIENCE_SECONDS
    ) -> Job:
        """Wait for a job to end, or for a state; return it."""
        found: list[Job] = []

        def is_there() -> bool:
            found[:] = [one for one in [self.queue.show(job_id)] if one is not None]
            return bool(found) and found[0].state in (states or ENDED)

        wait_until(is_there, seconds)
        return found[0]

    def run(self, key: str = "key", file_id: str = "F1", **fields) -> Job:
        """Ask, work, and return how the job ended."""
        job_id = self.ask(key, file_id, **fields)
        with self.working():
            return self.wait(job_id)
