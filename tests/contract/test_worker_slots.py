"""Slots, leases and the reaper on both databases; the columns of DBOS they touch."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from emojifier_bot.clock import SystemClock
from emojifier_bot.domain import JobState
from emojifier_bot.jobs import slots
from emojifier_bot.jobs.database import open_engine, workflow_table
from emojifier_bot.jobs.names import QUEUE, WORKFLOW, job_id_for, partition_of
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.jobs.slots import LeaseLostError, LeaseTimes, Reaper
from tests.fakes.clock import FakeClock
from tests.jobs_rig import WORKSPACE, make_request
from tests.threads import THREADS, at_once

#: One question to the clock is a heartbeat; ten are a lease.
TIMES = LeaseTimes(lease_seconds=10, beat_seconds=1)


@pytest.fixture
def queue(database_url):
    queue = DbosJobQueue(database_url, 10, SystemClock())
    yield queue
    queue.close()


@pytest.fixture
def engine(queue, database_url):
    assert queue, "has made the tables"
    engine = open_engine(database_url, patience_seconds=10, connections=THREADS)
    yield engine
    engine.dispose()


def new_lease(engine):
    return slots.claim(engine, FakeClock(1), TIMES)


def new_reaper(engine, holder="nobody"):
    return Reaper(engine, FakeClock(1), TIMES, holder)


def holders(engine):
    held = sorted(slots.slot_rows(engine), key=lambda one: one.slot)
    return [one.holder for one in held]


def begin(engine, job_id, executor, owner="token"):
    """Take a job from the queue as DBOS does it."""
    table = workflow_table(engine)
    taken = {"status": "PENDING", "executor_id": executor, "owner_xid": owner}
    with engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.workflow_uuid == job_id).values(taken)
        )


class TestLease:
    def test_slots_are_counted_from_nought_and_used_again(self, engine):
        leases = [new_lease(engine) for _ in range(3)]
        assert [lease.slot for lease in leases] == [0, 1, 2]

        leases[1].release()

        again = new_lease(engine)
        assert again.slot == 1
        assert again.holder != leases[1].holder

    def test_many_at_once_get_a_slot_each(self, engine):
        leases = at_once(lambda: new_lease(engine))

        assert {lease.slot for lease in leases} == set(range(THREADS))

    def test_a_lease_that_is_gone_is_found_out(self, engine):
        lease = new_lease(engine)
        lease.confirm()
        lease.release()

        with pytest.raises(LeaseLostError):
            lease.confirm()

    def test_a_sound_lease_is_not_looked_up(self, engine):
        lease = new_lease(engine)
        lease.release()

        for _ in range(9):
            lease.check()
        with pytest.raises(LeaseLostError):
            lease.check()


class TestReaper:
    def test_a_worker_that_lives_keeps_its_slot(self, engine):
        lease, reaper = new_lease(engine), new_reaper(engine)

        for _ in range(30):
            lease.confirm()
            reaper.sweep(())

        assert holders(engine) == [lease.holder]

    def test_a_worker_that_is_silent_for_a_lease_is_dead(self, engine):
        lease, reaper = new_lease(engine), new_reaper(engine)

        for _ in range(10):
            reaper.sweep(())
        assert holders(engine) == [lease.holder]
        reaper.sweep(())

        assert holders(engine) == []
        with pytest.raises(LeaseLostError):
            lease.confirm()

    def test_nobody_buries_itself(self, engine):
        lease = new_lease(engine)
        reaper = new_reaper(engine, lease.holder)

        for _ in range(30):
            reaper.sweep(())

        assert holders(engine) == [lease.holder]

    def test_the_jobs_of_the_living_are_left_alone(self, engine, queue):
        lease, reaper = new_lease(engine), new_reaper(engine)
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), lease.holder)

        assert reaper.sweep(()) == reaper.sweep(()) == 0
        assert queue.show(job_id_for("key")).state is JobState.RUNNING

    def test_the_jobs_of_the_dead_go_back_to_the_queue(self, engine, queue):
        reaper = new_reaper(engine)
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), "worker-7-gone")

        assert reaper.sweep(()) == 1
        assert reaper.sweep(()) == 0
        assert queue.show(job_id_for("key")).state is JobState.QUEUED

    def test_own_jobs_that_do_not_run_go_back_when_seen_twice(self, engine, queue):
        lease = new_lease(engine)
        reaper = new_reaper(engine, lease.holder)
        running, lost = job_id_for("running"), job_id_for("lost")
        for key in ("running", "lost"):
            queue.enqueue(make_request(), key)
            begin(engine, job_id_for(key), lease.holder)

        assert reaper.sweep({running}) == 0
        assert reaper.sweep({running}) == 1
        assert queue.show(running).state is JobState.RUNNING
        assert queue.show(lost).state is JobState.QUEUED

    def test_a_job_that_was_begun_anew_is_not_the_one_seen_before(self, engine, queue):
        lease = new_lease(engine)
        reaper = new_reaper(engine, lease.holder)
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), lease.holder, "first")
        reaper.sweep(())
        begin(engine, job_id_for("key"), lease.holder, "second")

        assert reaper.sweep(()) == 0

    def test_of_many_reapers_one_puts_a_job_back(self, engine, queue):
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), "worker-7-gone")

        assert sum(at_once(lambda: new_reaper(engine).sweep(()))) == 1


class TestTablesOfDbos:
    """Fails when a new version of DBOS means something else by what we touch."""

    def test_it_has_the_columns(self, engine):
        table = workflow_table(engine)

        found = sa.inspect(engine).get_columns(table.name, schema=table.schema)

        assert {one["name"] for one in found} >= set(table.c.keys())

    def test_it_fills_them_as_we_read_them(self, engine, queue):
        queue.enqueue(make_request(), "key")

        with engine.connect() as connection:
            (row,) = connection.execute(sa.select(workflow_table(engine))).mappings()

        assert row["workflow_uuid"] == job_id_for("key")
        assert (row["name"], row["queue_name"]) == (WORKFLOW, QUEUE)
        assert row["queue_partition_key"] == partition_of(WORKSPACE)
        assert row["status"] == "ENQUEUED"
        assert row["executor_id"] is None
        assert row["owner_xid"] is None
        assert row["started_at_epoch_ms"] is None
