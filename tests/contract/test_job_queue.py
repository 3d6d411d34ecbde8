"""What the queue keeps, on both databases."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
import sqlalchemy as sa

from emojifier_bot.circuit_breaker import OPEN_SECONDS
from emojifier_bot.clock import SystemClock
from emojifier_bot.domain import JobState, Workspace
from emojifier_bot.errors import QueueError, QueueFullError
from emojifier_bot.jobs import records
from emojifier_bot.jobs.queue import AdmissionControl, DbosJobQueue
from emojifier_bot.jobs.system_db import job_id_for
from tests.fakes.clock import ManualClock
from tests.jobs_harness import make_request, wait_until
from tests.threads import THREADS, at_once

LIMIT = 12


@pytest.fixture
def queue(database_url):
    with closing(DbosJobQueue(database_url, LIMIT, SystemClock())) as queue:
        yield queue


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TestEnqueue:
    def test_an_empty_queue_has_no_jobs(self, queue):
        assert queue.list(None, 10) == []
        assert queue.show("0" * 32) is None

    def test_a_request_comes_back_as_it_was(self, queue):
        request = make_request(thread_ts="1.5", theme="noto", surprise=True)

        assert queue.enqueue(request, "key")

        (job,) = queue.list(None, 10)
        assert job.job_id == job_id_for("key")
        assert job.state is JobState.QUEUED
        assert job.request == request
        assert (job.outcome, job.steps) == ("", ())
        assert job.created_at.tzinfo is not None
        assert queue.show(job.job_id) == job

    def test_the_same_key_queues_nothing(self, queue):
        assert queue.enqueue(make_request(), "key")
        assert not queue.enqueue(make_request("F2"), "key")

        (job,) = queue.list(None, 10)
        assert job.request == make_request()

    def test_it_is_known_whether_the_job_of_a_key_has_ended(self, queue):
        assert not queue.has_ended("key")

        queue.enqueue(make_request(), "key")
        assert not queue.has_ended("key")

        queue.cancel(job_id_for("key"))
        assert queue.has_ended("key")

    def test_of_many_at_once_one_queues(self, queue):
        answers = at_once(lambda: queue.enqueue(make_request(), "key"))

        assert sorted(answers) == [False] * (THREADS - 1) + [True]
        assert len(queue.list(None, 10)) == 1

    def test_a_full_queue_refuses(self, queue):
        for number in range(LIMIT):
            assert queue.enqueue(make_request(), f"key {number}")

        with pytest.raises(QueueFullError):
            queue.enqueue(make_request(), "one more")
        assert not queue.enqueue(make_request(), "key 0"), "known, so it waits already"

    def test_a_queue_that_one_workspace_filled_has_places_for_the_others(self, queue):
        for number in range(LIMIT):
            queue.enqueue(make_request(), f"key {number}")

        places = LIMIT // 4
        for number in range(places):
            other = make_request(workspace=Workspace(f"T{number + 2}"))
            assert queue.enqueue(other, f"other {number}")

        more = make_request(workspace=Workspace("T2"))
        with pytest.raises(QueueFullError):
            queue.enqueue(more, "a second one")
        late = make_request(workspace=Workspace("TLATE"))
        with pytest.raises(QueueFullError):
            queue.enqueue(late, "no place is left")

    def test_room_is_found_again(self, queue):
        for number in range(LIMIT):
            queue.enqueue(make_request(), f"key {number}")
        queue.cancel(job_id_for("key 0"))

        def fits() -> bool:
            try:
                return queue.enqueue(make_request(), "one more")
            except QueueFullError:
                return False

        wait_until(fits)


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
        for number in range(3):
            queue.enqueue(make_request(), f"key {number}")

        found = [job.job_id for job in queue.list(None, 2)]

        assert len(found) == 2
        assert set(found) <= {job_id_for(f"key {number}") for number in range(3)}

    @pytest.mark.parametrize("state", list(JobState))
    def test_jobs_are_listed_by_state(self, queue, state):
        queue.enqueue(make_request(), "key")

        found = queue.list(state, 10)

        assert len(found) == (state is JobState.QUEUED)

    def test_unknown_jobs_cannot_be_steered(self, queue):
        assert not queue.retry("0" * 32)
        assert not queue.cancel("0" * 32)

    def test_a_waiting_job_is_cancelled_once_and_queued_again(self, queue):
        queue.enqueue(make_request(), "key")
        job_id = job_id_for("key")
        assert not queue.retry(job_id), "it waits already"

        assert queue.cancel(job_id)
        assert queue.show(job_id).state is JobState.CANCELLED
        assert not queue.cancel(job_id)

        assert queue.retry(job_id)
        assert queue.show(job_id).state is JobState.QUEUED
        assert not queue.enqueue(make_request(), "key")


def test_a_database_that_is_away_is_told(unused_port):
    url = f"postgresql+psycopg://nobody@127.0.0.1:{unused_port}/none"

    with pytest.raises(QueueError) as caught:
        DbosJobQueue(url, LIMIT, SystemClock())

    assert "Try again" in caught.value.message


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


def test_a_backlog_has_a_length_and_an_age(database_url):
    queue = DbosJobQueue(database_url, LIMIT, SystemClock())
    assert (queue.stats().waiting, queue.stats().oldest_seconds) == (0, 0)

    queue.enqueue(make_request(), "key")

    assert queue.stats().waiting == 1
    assert 0 <= queue.stats().oldest_seconds < 60
    queue.close()
