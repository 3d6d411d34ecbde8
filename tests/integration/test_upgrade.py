"""An upgrade under load: two versions of the workflow, one queue, jobs in flight."""

from __future__ import annotations

from contextlib import closing
from itertools import count

from emojifier_bot.domain import ImageReference, JobState
from emojifier_bot.jobs.leases import LeaseTimes
from emojifier_bot.jobs.step_runner import MAX_ATTEMPTS
from emojifier_bot.jobs.system_db import WORKFLOW_VERSION
from emojifier_bot.jobs.worker import EXIT_DONE
from tests.fakes.reply_sink import KILL_AFTER, Fault
from tests.jobs_harness import JobsHarness
from tests.threads import wait_until
from tests.worker_process import OLD_STEP, OLDER

SECONDS = 120
#: Of versions that run side by side: neither is ever taken for dead.
LONG_LEASE = LeaseTimes(600.0, 0.8)
#: Slack asks for waits that are long enough to be upgraded in.
SOON, LATER = 6, 600
JOBS = 6


def refuse(harness, seconds, times=1):
    busy = Fault(kind="ratelimited", retry_after_seconds=seconds)
    harness.sink.plan("complete", *[busy] * times)


def end(worker):
    worker.terminate()
    assert worker.wait(SECONDS) == EXIT_DONE


def wait_for_refusals(harness, times=1):
    wait_until(lambda: len(harness.sink.calls("complete refused")) == times, SECONDS)


def shown_jobs(harness):
    return sorted(post["post_id"] for post in harness.sink.shown())


def test_each_version_ends_what_it_began_and_the_newer_begins_the_rest(harness):
    older = harness.spawn(OLDER.version, LONG_LEASE)
    refuse(harness, SOON, JOBS)
    early = [harness.ask(f"early {number}") for number in range(JOBS)]
    wait_for_refusals(harness, JOBS)

    harness.spawn(WORKFLOW_VERSION, LONG_LEASE)
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
    end(older)


def test_a_job_whose_version_is_gone_begins_anew_with_the_same_file(harness):
    older = harness.spawn(OLDER.version)
    refuse(harness, LATER)
    job_id = harness.ask()
    wait_for_refusals(harness)
    end(older)
    left = harness.queue.show(job_id)
    assert (left.state, left.version) == (JobState.QUEUED, OLDER.version)
    assert harness.queue.stats().orphaned == 1

    harness.spawn(WORKFLOW_VERSION)

    job = harness.wait(job_id, seconds=SECONDS)
    assert (job.outcome, job.version) == ("posted", WORKFLOW_VERSION)
    assert OLD_STEP not in " ".join(job.steps)
    assert shown_jobs(harness) == [job_id]
    assert len(harness.sink.calls("upload")) == 1
    assert harness.queue.stats().orphaned == 0


def test_what_may_be_shown_already_is_not_shown_again(harness):
    harness.sink.plan("complete", Fault(KILL_AFTER))
    job_id = harness.ask()
    harness.spawn(OLDER.version).wait(SECONDS)

    harness.spawn(WORKFLOW_VERSION)

    job = harness.wait(job_id, seconds=SECONDS)
    assert (job.outcome, job.version) == ("posted", WORKFLOW_VERSION)
    assert shown_jobs(harness) == [job_id]
    assert len(harness.sink.calls("complete")) == 1


def test_rolled_back_the_older_version_begins_jobs_again(harness):
    newer = harness.spawn(WORKFLOW_VERSION)
    assert harness.wait(harness.ask("one"), seconds=SECONDS).version == WORKFLOW_VERSION
    refuse(harness, LATER)
    left = harness.ask("two")
    wait_for_refusals(harness)
    end(newer)

    harness.spawn(OLDER.version)

    for job_id in (left, harness.ask("three")):
        job = harness.wait(job_id, seconds=SECONDS)
        assert (job.outcome, job.version) == ("posted", OLDER.version)
    assert len(shown_jobs(harness)) == len(set(shown_jobs(harness))) == 3


def test_a_failed_job_of_an_older_version_is_retried_from_its_beginning(harness):
    older = harness.spawn(OLDER.version)
    harness.sink.plan("upload", *[Fault()] * MAX_ATTEMPTS)
    job_id = harness.ask()
    assert harness.wait(job_id, seconds=SECONDS).state is JobState.FAILED
    end(older)

    assert harness.queue.retry(job_id)
    harness.spawn(WORKFLOW_VERSION)

    job = harness.wait(job_id, seconds=SECONDS)
    assert (job.outcome, job.version) == ("posted", WORKFLOW_VERSION)
    assert OLD_STEP not in " ".join(job.steps)
    assert shown_jobs(harness) == [job_id]


#: What a job of two pictures records, by the version that records it. If this fails
#: since steps were added, taken away, renamed or moved, give `WORKFLOW_VERSION` a new
#: value: jobs that were begun by the older code are then not gone on with by the newer.
ONE = ["resolve", "fetch", "prepare", "complete", "share"]
RECORDED = {"5": [*ONE, *ONE]}


def test_the_version_stands_for_the_order_of_the_steps(sqlite_url, tmp_path):
    with closing(JobsHarness(sqlite_url, tmp_path / "slack")) as harness:
        second = (ImageReference(file_id="F2"),)
        job_id = harness.ask(reaction_ts="1700000000.000009", further=second)
        assert harness.queue.show(job_id).version == ""

        with harness.working():
            job = harness.wait(job_id)

    names = [step.partition(":")[0] for step in job.steps]
    assert names == RECORDED[WORKFLOW_VERSION]
    assert job.version == WORKFLOW_VERSION
