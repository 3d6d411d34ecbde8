"""An upgrade under load: two versions of the workflow, one queue, jobs in flight."""

from __future__ import annotations

import subprocess
import sys
from itertools import count

import pytest

from emojifier_bot.domain import JobState
from emojifier_bot.jobs.step_runner import MAX_ATTEMPTS
from emojifier_bot.jobs.system_db import WORKFLOW_VERSION, job_id_for
from emojifier_bot.jobs.worker import EXIT_DONE
from tests.fakes.reply_sink import KILL_AFTER, Fault
from tests.jobs_harness import ROOT, JobsHarness, make_request, wait_until
from tests.version_worker import OLD_STEP, OLDER

SECONDS = 120
#: Slack asks for waits that are long enough to be upgraded in.
SOON, LATER = 6, 600
JOBS = 6


@pytest.fixture
def harness(database_url, tmp_path):
    harness = JobsHarness(database_url, tmp_path / "slack")
    yield harness
    harness.close()


@pytest.fixture
def spawn(harness):
    """Start workers of a version, and see to it that none outlives the test."""
    processes = []

    def start(version):
        command = [sys.executable, "-m", "tests.version_worker"]
        arguments = [harness.url, str(harness.folder), version]
        processes.append(subprocess.Popen([*command, *arguments], cwd=ROOT))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def refuse(harness, seconds, times=1):
    busy = Fault(kind="ratelimited", retry_after_seconds=seconds)
    harness.sink.plan("complete", *[busy] * times)


def wait_for_refusals(harness, times=1):
    wait_until(lambda: len(harness.sink.calls("complete refused")) == times, SECONDS)


def shown_jobs(harness):
    return sorted(post["post_id"] for post in harness.sink.shown())


def test_each_version_ends_what_it_began_and_the_newer_begins_the_rest(harness, spawn):
    older = spawn(OLDER.version)
    refuse(harness, SOON, JOBS)
    early = [harness.ask(f"early {number}") for number in range(JOBS)]
    wait_for_refusals(harness, JOBS)

    spawn(WORKFLOW_VERSION)
    # The newer one says that it is there by taking a job.
    probes = []
    for number in count():
        probes.append(harness.ask(f"probe {number}"))
        if harness.wait(probes[-1], seconds=SECONDS).version == WORKFLOW_VERSION:
            break
    late = [harness.ask(f"late {number}") for number in range(JOBS)]
    ended = {one: harness.wait(one, seconds=SECONDS) for one in early + probes + late}

    assert {job.outcome for job in ended.values()} == {"posted"}
    assert shown_jobs(harness) == sorted(ended)
    assert {ended[one].version for one in early} == {OLDER.version}
    assert {ended[one].version for one in late} == {WORKFLOW_VERSION}
    for job in ended.values():
        is_old = job.steps[0].startswith(OLD_STEP)
        assert is_old == (job.version == OLDER.version)
    older.terminate()
    assert older.wait(SECONDS) == EXIT_DONE


def test_a_job_whose_version_is_gone_begins_anew_with_the_same_file(harness, spawn):
    older = spawn(OLDER.version)
    refuse(harness, LATER)
    job_id = harness.ask()
    wait_for_refusals(harness)
    older.terminate()
    assert older.wait(SECONDS) == EXIT_DONE
    left = harness.queue.show(job_id)
    assert (left.state, left.version) == (JobState.QUEUED, OLDER.version)
    assert harness.queue.stats().orphaned == 1

    spawn(WORKFLOW_VERSION)

    job = harness.wait(job_id, seconds=SECONDS)
    assert (job.outcome, job.version) == ("posted", WORKFLOW_VERSION)
    assert OLD_STEP not in " ".join(job.steps)
    assert shown_jobs(harness) == [job_id]
    assert len(harness.sink.calls("upload")) == 1
    assert harness.queue.stats().orphaned == 0


def test_what_may_be_shown_already_is_not_shown_again(harness, spawn):
    harness.sink.plan("complete", Fault(KILL_AFTER))
    job_id = harness.ask()
    spawn(OLDER.version).wait(SECONDS)

    spawn(WORKFLOW_VERSION)

    job = harness.wait(job_id, seconds=SECONDS)
    assert (job.outcome, job.version) == ("posted", WORKFLOW_VERSION)
    assert shown_jobs(harness) == [job_id]
    assert len(harness.sink.calls("complete")) == 1


def test_rolled_back_the_older_version_begins_jobs_again(harness, spawn):
    newer = spawn(WORKFLOW_VERSION)
    assert harness.wait(harness.ask("one"), seconds=SECONDS).version == WORKFLOW_VERSION
    refuse(harness, LATER)
    left = harness.ask("two")
    wait_for_refusals(harness)
    newer.terminate()
    assert newer.wait(SECONDS) == EXIT_DONE

    spawn(OLDER.version)

    for job_id in (left, harness.ask("three")):
        job = harness.wait(job_id, seconds=SECONDS)
        assert (job.outcome, job.version) == ("posted", OLDER.version)
    assert len(shown_jobs(harness)) == len(set(shown_jobs(harness))) == 3


def test_a_failed_job_of_an_older_version_is_retried_from_its_beginning(harness, spawn):
    older = spawn(OLDER.version)
    harness.sink.plan("upload", *[Fault()] * MAX_ATTEMPTS)
    job_id = harness.ask()
    assert harness.wait(job_id, seconds=SECONDS).state is JobState.FAILED
    older.terminate()
    older.wait(SECONDS)

    assert harness.queue.retry(job_id)
    spawn(WORKFLOW_VERSION)

    job = harness.wait(job_id, seconds=SECONDS)
    assert (job.outcome, job.version) == ("posted", WORKFLOW_VERSION)
    assert OLD_STEP not in " ".join(job.steps)
    assert shown_jobs(harness) == [job_id]


#: What a plain job records, by the version that records it. If this fails since steps
#: were added, taken away, renamed or moved, give `WORKFLOW_VERSION` a new value: jobs
#: that were begun by the older code are then not gone on with by the newer.
RECORDED = {"2": ["resolve", "prepare", "complete", "share"]}


def test_the_version_stands_for_the_order_of_the_steps(sqlite_url, tmp_path):
    harness = JobsHarness(sqlite_url, tmp_path / "slack")

    job = harness.run(reaction_ts="1700000000.000009")

    names = [step.partition(":")[0] for step in job.steps]
    assert names == RECORDED[WORKFLOW_VERSION]
    harness.close()


def test_a_request_of_a_newer_version_is_read_without_what_it_added():
    request = make_request()
    document = request.to_dict() | {"hat": True}
    document["source"] |= {"frame": 3}

    assert type(request).from_dict(document) == request


def test_begun_jobs_tell_their_version(harness):
    job_id = harness.ask()
    assert harness.queue.show(job_id).version == ""

    with harness.working():
        assert harness.wait(job_id).version == WORKFLOW_VERSION
    assert job_id == job_id_for("key")
