"""Workers that are killed, stopped and sent away: no job is lost, none posts twice."""

from __future__ import annotations

import os
import signal
import time

import pytest
import sqlalchemy as sa
from dbos._serialization import DBOSPortableJSON

from emojifier_bot.db.engine import open_engine
from emojifier_bot.domain import Entrypoint, JobState
from emojifier_bot.jobs.leases import (
    JobReclaimer,
    LeaseTimes,
    claim,
    read_heartbeats,
)
from emojifier_bot.jobs.step_runner import MAX_PICTURE_CRASHES
from emojifier_bot.jobs.system_db import WORKFLOW_VERSION
from emojifier_bot.jobs.worker import EXIT_DONE, EXIT_LEASE_LOST
from emojifier_bot.jobs.workflow import SUCCESSES
from tests.crash.fleet import pause
from tests.fakes.clock import ManualClock
from tests.fakes.reply_sink import HELD, KILL_AFTER, KILL_BEFORE, SLOW, Fault
from tests.jobs_harness import LONGER_LEASE, SHORT_LEASE
from tests.threads import wait_until

START_SECONDS = 180
#: How long Slack asks to wait.
WAIT_SECONDS = 9
HOURS_SECONDS = 6 * 3600
#: More than any limit that DBOS has by itself.
MANY_TIMES = 1000


def is_dead(process):
    return process.wait(START_SECONDS) == -signal.SIGKILL


def wake_later(url, job_id, seconds):
    """Let a job's latest wait end so many seconds from now.

    Many of them are as after a clock that has gone back since.
    """
    later = DBOSPortableJSON.serialize(time.time() + seconds)
    its = "workflow_uuid = :job_id AND function_name = 'DBOS.sleep'"
    change_row(
        url, f"operation_outputs SET output = :later WHERE {its}", job_id, later=later
    )


def count_taken(url, job_id, times):
    """Let DBOS believe that a job was taken from the queue so many times."""
    its = "workflow_uuid = :job_id"
    change_row(
        url,
        f"workflow_status SET recovery_attempts = :times WHERE {its}",
        job_id,
        times=times,
    )


def change_row(url, change, job_id, **values):
    """Change one row of a job in DBOS's tables."""
    engine = open_engine(url, wait_seconds=5, connections=1)
    schema = "dbos." if "postgres" in url else ""
    with engine.begin() as connection:
        statement = sa.text(f"UPDATE {schema}{change}")
        assert connection.execute(statement, {"job_id": job_id} | values).rowcount == 1
    engine.dispose()


POINTS = [
    *((method, "F1") for method in ("upload", "complete", "share", "ensure_buttons")),
    *((method, "FEMPTY") for method in ("notify", "remove_reaction")),
]


@pytest.mark.parametrize("how", [KILL_BEFORE, KILL_AFTER])
@pytest.mark.parametrize(("method", "file_id"), POINTS)
def test_a_killed_worker_s_job_is_ended_by_the_next(harness, method, file_id, how):
    harness.sink.plan(method, Fault(how))
    job_id = harness.ask(file_id=file_id, reaction_ts="1700000000.000009")
    assert is_dead(harness.spawn())

    with harness.working():
        outcome = harness.wait(job_id, seconds=START_SECONDS).outcome

    has_face = file_id == "F1"
    assert outcome == ("posted" if has_face else "no_face")
    assert len(harness.sink.shown()) == has_face


#: Dies while the line is there.
AT_WORK = (Fault(SLOW), Fault(KILL_AFTER))


@pytest.mark.parametrize(
    ("method", "faults"),
    [
        ("show_progress", [Fault(KILL_BEFORE)]),
        ("show_progress", AT_WORK),
        ("remove_progress", [Fault(KILL_BEFORE)]),
        ("complete", [Fault(KILL_AFTER)]),
    ],
)
def test_a_clip_begins_again_where_its_worker_is_killed_and_is_posted_once(
    harness, method, faults
):
    harness.sink.plan(method, *faults)
    job_id = harness.ask(file_id="FCLIP")
    assert is_dead(harness.spawn())

    with harness.working():
        assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"

    assert len(harness.sink.shown()) == 1
    (upload, *_) = harness.sink.calls("upload")
    assert upload["filename"].endswith(".emojified.gif")
    told = harness.sink.calls("show_progress")
    assert {one["total"] for one in told} == {12}
    # Of the run that was killed, and all of the one after it.
    assert [one["done"] for one in told][-12:] == list(range(1, 13))
    # One line, which whoever took the job over went on with, and took away.
    assert [one["line"] for one in told].count("") == 1
    assert harness.sink.calls("remove_progress")[-1]["line"] == "line of U1"


def test_nobody_takes_a_clip_that_runs_for_longer_than_a_lease(harness):
    harness.sink.plan("show_progress", Fault(HELD))
    job_id = harness.ask(file_id="FCLIP")
    clock, engine = (
        ManualClock(),
        open_engine(harness.url, wait_seconds=5, connections=2),
    )
    others_look = JobReclaimer(engine, clock, SHORT_LEASE, "other").reclaim

    def beats() -> dict[str, int]:
        with engine.connect() as connection:
            return {one.holder: one.count for one in read_heartbeats(connection)}

    # Its own lease is so long that no busy machine lets it expire.
    with harness.working(times=LeaseTimes(600, 0.05)):
        wait_until(lambda: harness.sink.calls("held"), START_SECONDS)
        [ours] = beats()
        claim(engine, clock, SHORT_LEASE)  # of a worker that dies at once
        while clock.seconds < 3 * SHORT_LEASE.lease_seconds:
            assert others_look(()) == 0
            seen = beats()[ours]
            wait_until(lambda seen=seen: beats()[ours] > seen, START_SECONDS)
            clock.advance(2 * SHORT_LEASE.heartbeat_seconds)
        assert [*beats()] == [ours]
        assert harness.queue.show(job_id).state is JobState.RUNNING
        harness.sink.let_go()
        assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"
    engine.dispose()

    told = harness.sink.calls("show_progress")
    assert [(one["done"], one["total"]) for one in told] == [
        (frame, 12) for frame in range(1, 13)
    ]
    assert [one["line"] for one in told] == ["", *["line of U1"] * 11]
    assert [one["line"] for one in harness.sink.calls("remove_progress")] == [
        "line of U1"
    ]
    assert len(harness.sink.calls("upload")) == len(harness.sink.shown()) == 1


def test_the_line_of_a_clip_that_kills_its_workers_goes(harness):
    harness.sink.plan("show_progress", *AT_WORK, *AT_WORK[1:])
    job_id = harness.ask(file_id="FCLIP")
    for _ in range(MAX_PICTURE_CRASHES):
        assert is_dead(harness.spawn())
    assert harness.sink.calls("remove_progress") == []

    with harness.working():
        harness.wait(job_id, seconds=START_SECONDS)

    assert harness.sink.told() == ["unexpected"]
    (removed,) = harness.sink.calls("remove_progress")
    assert removed["line"] == "line of U1"


def test_a_worker_that_lives_takes_the_jobs_of_a_dead_one(harness):
    harness.sink.plan("complete", Fault(KILL_AFTER))
    job_id = harness.ask()
    # Longer than a busy machine keeps one of two from its heartbeat.
    workers = [harness.spawn(lease=LeaseTimes(10.0, 1.0)) for _ in range(2)]

    assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"

    assert len(harness.sink.shown()) == 1
    assert [one.poll() for one in workers].count(None) == 1
    assert harness.queue.stats().workers == 1


def test_a_worker_that_slept_past_its_lease_ends_without_a_post(harness):
    harness.sink.plan("upload", Fault(HELD))
    job_id = harness.ask()
    sleeper = harness.spawn(lease=LONGER_LEASE)
    wait_until(lambda: harness.sink.calls("held"), START_SECONDS)
    pause(sleeper, harness.url)

    harness.spawn(lease=LONGER_LEASE)
    assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"
    harness.sink.let_go()
    os.kill(sleeper.pid, signal.SIGCONT)

    assert sleeper.wait(START_SECONDS) == EXIT_LEASE_LOST
    assert len(harness.sink.shown()) == len(harness.sink.calls("complete")) == 1


def test_a_picture_that_kills_workers_is_given_up_and_told(harness):
    harness.sink.plan("upload", *[Fault(KILL_BEFORE)] * MAX_PICTURE_CRASHES)
    job_id = harness.ask()
    for _ in range(MAX_PICTURE_CRASHES):
        assert is_dead(harness.spawn())

    harness.spawn()

    job = harness.wait(job_id, seconds=START_SECONDS)
    assert (job.state, job.outcome) == (JobState.FAILED, "unexpected")
    assert harness.sink.told() == ["unexpected"]


KINDS = [{}, {"preview": True}, {"entrypoint": Entrypoint.WHY}]


@pytest.mark.parametrize("asked", KINDS)
def test_a_job_that_waits_for_its_picture_outlives_any_worker(harness, asked):
    kills = MAX_PICTURE_CRASHES + 1
    harness.sink.plan("fetch", *[Fault(KILL_BEFORE)] * kills)
    job_id = harness.ask(**asked)
    for _ in range(kills):
        assert is_dead(harness.spawn())

    with harness.working():
        job = harness.wait(job_id, seconds=START_SECONDS)

    assert job.outcome in SUCCESSES
    assert harness.sink.told() == []


@pytest.mark.parametrize("asked", KINDS)
def test_no_number_of_workers_that_came_and_went_ends_a_job(harness, asked):
    job_id = harness.ask(**asked, reaction_ts="1700000000.000009")
    count_taken(harness.url, job_id, MANY_TIMES)

    with harness.working():
        job = harness.wait(job_id, seconds=START_SECONDS)

    assert job.outcome in SUCCESSES
    assert harness.sink.told() == []
    assert harness.sink.calls("remove_reaction")


@pytest.mark.parametrize("asked", KINDS[1:])
def test_a_picture_that_kills_workers_is_given_up_whatever_it_is_for(harness, asked):
    harness.sink.plan("upload", *[Fault(KILL_BEFORE)] * MAX_PICTURE_CRASHES)
    # Who dies between these deaths is not counted, and forgives none of them.
    harness.sink.plan("fetch", Fault(SLOW), Fault(KILL_BEFORE))
    job_id = harness.ask(**asked)
    for _ in range(MAX_PICTURE_CRASHES + 1):
        assert is_dead(harness.spawn())

    with harness.working():
        job = harness.wait(job_id, seconds=START_SECONDS)

    assert (job.state, job.outcome) == (JobState.FAILED, "unexpected")
    assert harness.sink.told() == ["unexpected"]


def test_a_clock_that_was_set_back_delays_no_job(harness):
    refused = Fault(kind="ratelimited", retry_after_seconds=WAIT_SECONDS)
    harness.sink.plan("complete", refused)
    job_id = harness.ask()
    worker = harness.spawn()
    waits = ("DBOS.sleep",)
    wait_until(lambda: harness.queue.show(job_id).steps[-1:] == waits, START_SECONDS)
    worker.kill()
    assert is_dead(worker)
    wake_later(harness.url, job_id, HOURS_SECONDS)

    with harness.working():
        assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"
    assert len(harness.sink.shown()) == 1


class TestTermination:
    def test_running_jobs_end_first(self, harness):
        harness.sink.plan("upload", Fault(HELD))
        job_id = harness.ask()
        worker = harness.spawn(drain_seconds=START_SECONDS)
        wait_until(lambda: harness.sink.calls("held"), START_SECONDS)

        worker.terminate()
        log = harness.folder / f"log.{WORKFLOW_VERSION}"
        wait_until(lambda: "worker stops" in log.read_text(), START_SECONDS)
        harness.sink.let_go()

        assert worker.wait(START_SECONDS) == EXIT_DONE
        assert harness.wait(job_id).outcome == "posted"
        assert harness.queue.stats().workers == 0

    def test_a_picture_that_its_worker_outlives_is_not_given_up(self, harness):
        slow = Fault(SLOW, seconds=START_SECONDS)
        harness.sink.plan("upload", *[slow] * MAX_PICTURE_CRASHES)
        job_id = harness.ask()
        for begun in range(1, MAX_PICTURE_CRASHES + 1):
            worker = harness.spawn()
            wait_until(lambda n=begun: len(harness.sink.calls("slow")) == n, 180)
            worker.terminate()
            assert worker.wait(START_SECONDS) == EXIT_DONE

        with harness.working():
            assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"
        assert harness.sink.told() == []

    def test_what_cannot_end_in_time_goes_on_elsewhere(self, harness):
        # Longer than anything is waited for here.
        refused = Fault(kind="ratelimited", retry_after_seconds=600)
        harness.sink.plan("complete", refused)
        job_id = harness.ask()
        worker = harness.spawn()
        wait_until(lambda: harness.sink.calls("complete refused"), START_SECONDS)
        waits = ("DBOS.sleep",)
        wait_until(lambda: harness.queue.show(job_id).steps[-1:] == waits)

        worker.terminate()

        assert worker.wait(START_SECONDS) == EXIT_DONE
        assert harness.queue.show(job_id).state is JobState.QUEUED
        due = time.time() + 3
        wake_later(harness.url, job_id, 3)
        harness.spawn()
        assert harness.wait(job_id, seconds=START_SECONDS).outcome == "posted"
        (completed,) = harness.sink.calls("complete")
        # The wait that was recorded goes on: it neither begins anew nor is cut.
        assert completed["at"] >= due
        assert len(harness.sink.shown()) == 1
