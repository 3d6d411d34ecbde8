"""Workers hear of jobs at once, on both databases; what of DBOS that relies on."""

from __future__ import annotations

import inspect
import threading
import time

import pytest
import sqlalchemy as sa
from dbos import DBOS, _queue, error
from dbos._dbos import DBOSRegistry

from emojifier_bot.domain import JobState
from emojifier_bot.errors import QueueError
from emojifier_bot.jobs import queue_listener, worker
from emojifier_bot.jobs.queue_listener import _StopOrWake
from emojifier_bot.jobs.worker import Worker
from tests.jobs_harness import JobsHarness
from tests.threads import PATIENCE_SECONDS


@pytest.fixture
def rig(database_url, tmp_path):
    rig = JobsHarness(database_url, tmp_path / "slack")
    yield rig
    rig.close()


def test_a_worker_that_was_never_started_can_be_stopped(rig, monkeypatch):
    Worker(rig.url, rig.deps, 1).stop()

    def fail() -> None:
        raise error.DBOSException("away")

    # Its threads are made by then, and not started.
    monkeypatch.setattr(DBOS, "launch", fail)
    one = Worker(rig.url, rig.deps, 1)
    with pytest.raises(QueueError):
        one.start()
    one._listener.stop()
    one.stop()
    DBOS.destroy(destroy_registry=True)


@pytest.fixture
def unpolled(monkeypatch):
    """Let no job be found but by what announces it: nobody waits for the poll."""
    for module in (queue_listener, worker):
        monkeypatch.setattr(module, "IDLE_POLL_SECONDS", 10 * PATIENCE_SECONDS)


@pytest.mark.usefixtures("unpolled")
def test_an_idle_worker_takes_a_new_job_at_once(rig):
    with rig.working():
        rig.wait(rig.ask("first"))
        time.sleep(0.5)
        rig.wait(rig.ask("second"))


@pytest.mark.usefixtures("unpolled")
def test_a_job_that_an_operator_runs_again_is_taken_at_once(rig):
    job_id = rig.ask()
    rig.queue.cancel(job_id)
    with rig.working():
        assert rig.queue.retry(job_id)
        rig.wait(job_id, JobState.SUCCEEDED)


def test_a_job_that_nobody_announces_is_found_all_the_same(rig, monkeypatch):
    monkeypatch.setattr(queue_listener, "IDLE_POLL_SECONDS", 0.5)
    monkeypatch.setattr(worker, "IDLE_POLL_SECONDS", 0.5)
    monkeypatch.setattr(queue_listener.QueueListener, "_listen", lambda _: None)
    with rig.working():
        time.sleep(0.3)
        rig.wait(rig.ask())


@pytest.mark.usefixtures("unpolled")
def test_jobs_over_a_limit_are_taken_as_others_end(rig, monkeypatch):
    """One workspace may have four in flight; these end one by one, not together."""
    seconds = iter([0.3, 0.5, 0.7, 0.9] + [0.3] * 5)
    upload = rig.sink.upload

    def slow_upload(*arguments):
        time.sleep(next(seconds))
        return upload(*arguments)

    monkeypatch.setattr(rig.sink, "upload", slow_upload)
    with rig.working(concurrency=1):
        for job_id in [rig.ask(f"job {number}") for number in range(9)]:
            rig.wait(job_id)


@pytest.mark.parametrize("trouble", ["error", "no row"])
def test_polling_begins_again_after_an_error(rig, monkeypatch, trouble):
    retrieve, tries = DBOS.retrieve_queue, []

    def fails_once(name):
        tries.append(name)
        if len(tries) == 1 and trouble == "error":
            raise sa.exc.OperationalError("SELECT", {}, Exception("gone"))
        return retrieve(name) if len(tries) > 1 else None

    monkeypatch.setattr(queue_listener.DBOS, "retrieve_queue", fails_once)
    with rig.working():
        rig.wait(rig.ask())

    assert len(tries) > 1


class TestWaiting:
    def wait_in_thread(self, event):
        ended = []

        def wait():
            ended.append(event.wait(10 * PATIENCE_SECONDS))

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread, ended

    @pytest.mark.parametrize("is_stop", [False, True])
    def test_a_wait_ends_when_it_is_woken_or_stopped(self, is_stop):
        event = _StopOrWake()
        thread, ended = self.wait_in_thread(event)

        (event.set if is_stop else event.wake)()

        thread.join(PATIENCE_SECONDS)
        assert ended == [is_stop]

    def test_polls_keep_their_distance(self):
        event = _StopOrWake()
        began = time.monotonic()
        for _ in range(4):
            event.wake()
            event.wait(30)

        assert time.monotonic() - began >= 3 * queue_listener.BUSY_POLL_SECONDS

    def test_a_wake_between_two_waits_is_heard(self):
        event = _StopOrWake()
        event.wake()

        assert not event.wait(10 * PATIENCE_SECONDS)


class TestDbos:
    """Fails when a new version of DBOS polls its queues in another way."""

    def test_the_thread_waits_on_the_event_that_it_is_given(self):
        source = inspect.getsource(_queue.queue_worker_thread)

        assert [*inspect.signature(_queue.queue_worker_thread).parameters] == [
            "stop_event",
            "dbos",
            "queue",
        ]
        assert source.count("stop_event.wait(timeout=") == 1

    def test_the_internal_queue_has_an_interval(self):
        queue = DBOSRegistry().get_internal_queue()

        assert queue._polling_interval_sec > 0
