"""One workspace that takes all that it can get does not make another one wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from emojifier_bot.domain import JobState, Workspace
from tests.jobs_harness import WORKSPACE, JobsHarness
from tests.threads import wait_until

BAD = Workspace("TBAD")
#: More than a worker has places of any kind.
MANY = 60
#: What is attacked stands still for so long; everybody who waits behind it does too.
STUCK_SECONDS = 1200
#: A job takes a fraction of a second, on a busy machine much more.
SOON_SECONDS = 300


class Stuck:
    """Makes a call stand still for one workspace until the test ends."""

    def __init__(self, asked_by: Callable[..., str]) -> None:
        self._asked_by = asked_by
        self.over = threading.Event()
        self.inside = 0

    def around(self, call: Callable) -> Callable:
        def stuck(*arguments, **more):
            if self._asked_by(*arguments) == BAD.id:
                self.inside += 1
                self.over.wait(STUCK_SECONDS)
            return call(*arguments, **more)

        return stuck


def of_request(request, *_) -> str:
    return request.workspace.id


def of_workspace(workspace, *_) -> str:
    return workspace.id


def of_picture(data, *_) -> str:
    # Only theirs is a JPEG.
    return BAD.id if data.startswith(b"\xff\xd8") else ""


@contextmanager
def attacked(harness: JobsHarness, what: str) -> Iterator[Stuck]:
    """Let what one workspace asks for stand still at one place."""
    source, sink = harness.deps.source, harness.deps.sink
    owner, method, asked_by = {
        "looking for pictures": (source, "resolve", of_request),
        "addresses that drip": (source, "fetch", of_workspace),
        "uploads that stall": (sink, "upload", of_workspace),
        "pictures that take long": (None, "emojify", of_picture),
        "hundreds of requests": (None, "", of_picture),
    }[what]
    stuck = Stuck(asked_by)
    if owner is not None:
        setattr(owner, method, stuck.around(getattr(owner, method)))
    elif method:
        around = stuck.around(harness.deps.emojify)
        harness.deps = replace(harness.deps, emojify=around)
    try:
        yield stuck
    finally:
        stuck.over.set()


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize(
    "what",
    [
        "looking for pictures",
        "addresses that drip",
        "pictures that take long",
        "uploads that stall",
        "hundreds of requests",
    ],
)
def test_others_are_served_while_one_attacks(tmp_path, sqlite_url, what, concurrency):
    harness = JobsHarness(sqlite_url, tmp_path, queue_limit=1000)
    try:
        with attacked(harness, what) as stuck, harness.working(concurrency):
            for number in range(MANY):
                harness.ask(f"bad-{number}", "F2", workspace=BAD)
            if what != "hundreds of requests":
                wait_until(lambda: stuck.inside >= concurrency, SOON_SECONDS)
            asked = [harness.ask(f"good-{n}", workspace=WORKSPACE) for n in range(3)]
            for job_id in asked:
                job = harness.wait(job_id, seconds=SOON_SECONDS)
                assert (job.state, job.outcome) == (JobState.SUCCEEDED, "posted")
            stuck.over.set()
    finally:
        harness.close()
