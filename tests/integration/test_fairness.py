"""One workspace floods the queue; the others do not wait behind it."""

from __future__ import annotations

import pytest

from emojifier_bot.domain import JobState, Workspace
from emojifier_bot.jobs.worker import JOBS_PER_PIPELINE, WORKSPACE_PART
from tests.fakes.reply_sink import SLOW, Fault
from tests.jobs_harness import WORKSPACE, JobsHarness, wait_until

FLOOD = 60
#: An upload takes so long that the flood cannot end while the test looks.
UPLOAD_SECONDS = 0.3
OTHERS = [Workspace(f"T{number}") for number in range(2, 7)]


@pytest.fixture
def harness(database_url, tmp_path):
    harness = JobsHarness(database_url, tmp_path / "slack", queue_limit=2 * FLOOD)
    yield harness
    harness.close()


def flood(harness):
    harness.sink.plan("upload", *[Fault(SLOW, seconds=UPLOAD_SECONDS)] * FLOOD)
    for number in range(FLOOD):
        harness.ask(f"flood {number}")


def uploads(harness, workspace=WORKSPACE):
    return [
        one for one in harness.sink.calls("upload") if one["team"] == workspace.team_id
    ]


def test_others_overtake_a_flood(harness):
    flood(harness)
    with harness.working(concurrency=1):
        wait_until(lambda: len(uploads(harness)) > 2)
        asked = [harness.ask(one.team_id, workspace=one) for one in OTHERS]

        ended = [harness.wait(job_id, seconds=60) for job_id in asked]

        # Behind the flood they would be the last: most of it still waits.
        assert {job.outcome for job in ended} == {"posted"}
        assert len(harness.queue.list(JobState.QUEUED, FLOOD)) > FLOOD / 3
        for one in harness.queue.list(JobState.QUEUED, FLOOD):
            harness.queue.cancel(one.job_id)


def test_a_flood_has_its_part_of_a_worker_and_no_more(harness):
    flood(harness)
    part = JOBS_PER_PIPELINE // WORKSPACE_PART
    most = 0
    with harness.working(concurrency=1):

        def look() -> bool:
            nonlocal most
            most = max(most, len(harness.queue.list(JobState.RUNNING, FLOOD)))
            return len(uploads(harness)) > 2 * part

        wait_until(look)
        for one in harness.queue.list(JobState.QUEUED, FLOOD):
            harness.queue.cancel(one.job_id)

    assert most == part
