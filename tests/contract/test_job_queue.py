"""What the queue keeps, admits and counts, on both databases."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from emojifier_bot.circuit_breaker import OPEN_SECONDS
from emojifier_bot.domain import JobState, Workspace
from emojifier_bot.errors import QueueError, QueueFullError
from emojifier_bot.jobs import records
from emojifier_bot.jobs.leases import LEASE_SECONDS, LeaseTimes, claim
from emojifier_bot.jobs.queue import (
    COUNT_SECONDS,
    AdmissionControl,
    DbosJobQueue,
    QueueStats,
)
from emojifier_bot.jobs.system_db import job_id_for
from tests.fakes.clock import AheadClock, ManualClock
from tests.jobs_harness import make_request
from tests.postgres import free_port
from tests.threads import PATIENCE_SECONDS, THREADS, at_once

LIMIT = 12
#: Above the limit, for workspaces that have few waiting.
RESERVED = LIMIT // 4
NOBODY = "0" * 32


@pytest.fixture
def clock():
    return AheadClock()


@pytest.fixture
def queue(database_url, clock):
    with closing(DbosJobQueue(database_url, LIMIT, clock)) as queue:
        yield queue


def fill(queue, count=LIMIT):
    for number in range(count):
        assert queue.enqueue(make_request(), f"key {number}")


def set_row(queue, **values) -> None:
    table = sa.table(
        queue._table.name, *map(sa.column, values), schema=queue._table.schema
    )
    with queue._engine.begin() as connection:
        connection.execute(sa.update(table).values(**values))


class TestEnqueue:
    def test_an_empty_queue_has_no_jobs(self, queue):
        assert queue.list(None, 10) == []
        assert queue.show(NOBODY) is None
        assert not queue.has_ended("key")
        assert queue.stats() == QueueStats(0, 0, 0.0, 0, 0)

    def test_a_request_comes_back_as_it_was(self, queue):
        request = make_request(thread_ts="1.5", theme="noto", surprise=True)

        assert queue.enqueue(request, "key")
        assert not queue.enqueue(make_request("F2"), "key")

        (job,) = queue.list(None, 10)
        assert job.job_id == job_id_for("key")
        assert job.state is JobState.QUEUED
        assert job.request == request
        assert (job.outcome, job.steps) == ("", ())
        assert job.created_at.tzinfo is not None
        assert queue.show(job.job_id) == job

    def test_of_many_at_once_one_queues(self, queue):
        answers = at_once(lambda: queue.enqueue(make_request(), "key"))

        assert sorted(answers) == [False] * (THREADS - 1) + [True]
        assert len(queue.list(None, 10)) == 1

    def test_a_full_queue_refuses_until_there_is_room(self, queue, clock):
        fill(queue)

        with pytest.raises(QueueFullError):
            queue.enqueue(make_request(), "one more")
        assert not queue.enqueue(make_request(), "key 0"), "known, so it waits already"

        queue.cancel(job_id_for("key 0"))
        clock.ahead_seconds = COUNT_SECONDS + 1
        assert queue.enqueue(make_request(), "one more")

    def test_a_queue_that_one_workspace_filled_has_places_for_the_others(self, queue):
        fill(queue)

        for number in range(RESERVED):
            other = make_request(workspace=Workspace(f"T{number + 2}"))
            assert queue.enqueue(other, f"other {number}")

        for team, key in (("T2", "a second one"), ("TLATE", "no place is left")):
            with pytest.raises(QueueFullError):
                queue.enqueue(make_request(workspace=Workspace(team)), key)


class TestAdmissionControl:
    def test_there_are_as_many_places_as_the_limit_says(self, queue):
        control = AdmissionControl(queue._engine, LIMIT, ManualClock())

        taken = [control.admit("-/T1") for _ in range(LIMIT + RESERVED + 1)]

        # None of them is queued: whoever asks has few waiting, up to a quarter more.
        assert taken == [True] * (LIMIT + RESERVED) + [False]

    def test_who_waits_for_a_slow_count_relies_on_the_one_before(
        self, queue, monkeypatch
    ):
        clock, counts, go_on = ManualClock(), threading.Event(), threading.Event()
        control = AdmissionControl(queue._engine, LIMIT, clock)
        assert control.admit("-/T1")
        count = control._count

        def slow_count(most, *conditions):
            counts.set()
            assert go_on.wait(PATIENCE_SECONDS)
            return count(most, *conditions)

        monkeypatch.setattr(control, "_count", slow_count)
        clock.advance(COUNT_SECONDS + 1)
        slow = threading.Thread(target=control.admit, args=("-/T1",))
        slow.start()
        assert counts.wait(PATIENCE_SECONDS)

        assert control.admit("-/T2")

        go_on.set()
        slow.join()


class TestForget:
    GRID = Workspace("", "E1", is_org_install=True)

    def ask(self, queue, *workspaces):
        for number, one in enumerate(workspaces):
            queue.enqueue(make_request(workspace=one), f"{one} {number}")

    @pytest.mark.parametrize("nobody", [Workspace(""), Workspace("", "", True)])
    def test_nobody_has_no_jobs(self, queue, nobody):
        self.ask(queue, Workspace("T1"))
        assert queue.forget(nobody) == 0

    def test_a_workspace_that_joined_an_organisation_is_still_the_same(self, queue):
        self.ask(queue, Workspace("T1"), Workspace("T1", "E1"), Workspace("XT1", "E1"))

        assert queue.forget(Workspace("T1")) == 2
        assert [one.request.workspace.team_id for one in queue.list(None, 9)] == ["XT1"]

    def test_an_organisations_go_but_for_those_that_are_spared(self, queue):
        own, served = Workspace("T1", "E1"), Workspace("T2", "E1")
        self.ask(queue, own, served, Workspace("T3"), Workspace("T4", "E2"), self.GRID)

        assert queue.forget(self.GRID, {"T1", "E2"}) == 2
        left = {one.request.workspace.team_id for one in queue.list(None, 9)}
        assert left == {"T1", "T3", "T4"}

    def test_many_go_some_at_a_time(self, queue, monkeypatch):
        monkeypatch.setattr(records, "BATCH_JOBS", 2)
        self.ask(queue, *[Workspace("T1")] * 5)

        assert queue.forget(Workspace("T1")) == 5
        assert queue.list(None, 9) == []


class TestAdmin:
    def test_the_newest_come_first_up_to_a_limit(self, queue):
        fill(queue, 3)

        found = [job.job_id for job in queue.list(None, 2)]

        assert len(found) == 2
        assert set(found) <= {job_id_for(f"key {number}") for number in range(3)}

    @pytest.mark.parametrize("state", list(JobState))
    def test_jobs_are_listed_by_state(self, queue, state):
        fill(queue, 1)

        assert len(queue.list(state, 10)) == (state is JobState.QUEUED)

    def test_unknown_jobs_cannot_be_steered(self, queue):
        assert not queue.retry(NOBODY)
        assert not queue.cancel(NOBODY)

    def test_a_waiting_job_is_cancelled_once_and_queued_again(self, queue):
        queue.enqueue(make_request(), "key")
        job_id = job_id_for("key")
        assert not queue.retry(job_id), "it waits already"
        assert not queue.has_ended("key")

        assert queue.cancel(job_id)
        assert queue.show(job_id).state is JobState.CANCELLED
        assert not queue.cancel(job_id)
        assert queue.has_ended("key")

        assert queue.retry(job_id)
        assert queue.show(job_id).state is JobState.QUEUED
        assert not queue.enqueue(make_request(), "key")


class TestStats:
    def test_what_waits_and_for_how_long(self, queue, clock):
        queue.enqueue(make_request(), "one")
        clock.ahead_seconds = 90.0
        queue.enqueue(make_request(), "two")

        stats = queue.stats()

        assert (stats.waiting, stats.running) == (2, 0)
        assert 90 <= stats.oldest_seconds < 120

    def test_what_runs_does_not_wait(self, queue):
        fill(queue, 1)
        set_row(queue, status="PENDING")

        assert queue.stats() == QueueStats(0, 1, 0.0, 0, 0)

    def test_a_job_of_a_version_that_nobody_runs_is_orphaned(self, queue):
        fill(queue, 1)
        set_row(queue, application_version="0")

        assert queue.stats().orphaned == 1

    def test_a_worker_is_alive_while_its_heart_beats(self, database_url):
        clock = ManualClock()
        with closing(DbosJobQueue(database_url, LIMIT, clock)) as queue:
            lease = claim(queue._engine, clock, LeaseTimes())
            assert queue.stats().workers == 1

            clock.advance(LEASE_SECONDS - 1)
            lease.confirm()
            assert queue.stats().workers == 1

            clock.advance(LEASE_SECONDS - 1)
            assert queue.stats().workers == 1
            clock.advance(2)
            assert queue.stats().workers == 0


def test_a_database_that_is_away_is_told(clock):
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"

    with pytest.raises(QueueError) as caught:
        DbosJobQueue(url, LIMIT, clock)

    assert "Try again" in caught.value.message


def test_a_table_that_is_gone_is_told(queue):
    with queue._engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE worker_slots"))

    with pytest.raises(QueueError):
        queue.stats()


def test_who_is_overtaken_while_others_queue_keeps_nobody_out(queue, monkeypatch):
    admit = AdmissionControl.admit

    def wait_in_vain(_room, _partition):
        monkeypatch.setattr(AdmissionControl, "admit", admit)
        assert queue.enqueue(make_request(), "other")
        raise sa.exc.TimeoutError

    monkeypatch.setattr(AdmissionControl, "admit", wait_in_vain)
    with pytest.raises(QueueError):
        queue.enqueue(make_request(), "key")

    assert queue.enqueue(make_request(), "key")


def test_after_somebody_waited_in_vain_nobody_else_does(sqlite_url, monkeypatch):
    clock = ManualClock()
    with closing(DbosJobQueue(sqlite_url, LIMIT, clock)) as queue:

        def wait_in_vain(_room, _partition):
            raise sa.exc.TimeoutError

        with monkeypatch.context() as patched:
            patched.setattr(AdmissionControl, "admit", wait_in_vain)
            with pytest.raises(QueueError):
                queue.enqueue(make_request(), "key")

        for ask in (
            lambda: queue.has_ended("key"),
            lambda: queue.enqueue(make_request(), "key"),
        ):
            with pytest.raises(QueueError):
                ask()
        clock.advance(OPEN_SECONDS + 1)
        assert not queue.has_ended("key")
        assert queue.enqueue(make_request(), "key")
