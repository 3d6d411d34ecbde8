"""Leases and reclaimed jobs on both databases; what of DBOS they rely on."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.engine import open_engine
from emojifier_bot.domain import JobState
from emojifier_bot.jobs import leases
from emojifier_bot.jobs.leases import JobReclaimer, LeaseLostError, LeaseTimes
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.jobs.system_db import (
    QUEUE,
    WORKFLOW,
    job_id_for,
    partition_of,
    workflow_table,
)
from tests.fakes.clock import FakeClock
from tests.jobs_harness import WORKSPACE, make_request
from tests.threads import THREADS, at_once

#: One question to the clock is a heartbeat; ten are a lease.
TIMES = LeaseTimes(lease_seconds=10, heartbeat_seconds=1)


@pytest.fixture
def queue(database_url):
    queue = DbosJobQueue(database_url, 10, SystemClock())
    yield queue
    queue.close()


@pytest.fixture
def engine(queue, database_url):
    assert queue, "has made the tables"
    engine = open_engine(database_url, wait_seconds=10, connections=THREADS)
    yield engine
    engine.dispose()


def new_lease(engine):
    return leases.claim(engine, FakeClock(1), TIMES)


def new_reclaimer(engine, holder="nobody"):
    return JobReclaimer(engine, FakeClock(1), TIMES, holder)


def holders(engine):
    with engine.connect() as connection:
        held = leases.read_heartbeats(connection)
    return [one.holder for one in sorted(held, key=lambda one: one.slot)]


def begin(engine, job_id, executor, owner="token"):
    """Take a job from the queue as DBOS does it."""
    table = workflow_table(engine)
    taken = {"status": "PENDING", "executor_id": executor, "owner_xid": owner}
    with engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.workflow_uuid == job_id).values(taken)
        )


class TestLease:
    def test_slots_are_numbered_from_0_and_used_again(self, engine):
        held = [new_lease(engine) for _ in range(3)]
        assert [lease.slot for lease in held] == [0, 1, 2]

        held[1].release()

        again = new_lease(engine)
        assert again.slot == 1
        assert again.holder != held[1].holder

    def test_many_at_once_get_a_slot_each(self, engine):
        held = at_once(lambda: new_lease(engine))

        assert {lease.slot for lease in held} == set(range(THREADS))

    def test_a_lease_that_is_gone_raises(self, engine):
        lease = new_lease(engine)
        lease.confirm()
        lease.release()

        with pytest.raises(LeaseLostError):
            lease.confirm()

    def test_a_valid_lease_needs_no_database(self, engine):
        lease = new_lease(engine)
        lease.release()

        for _ in range(9):
            lease.check()
        with pytest.raises(LeaseLostError):
            lease.check()


class TestJobReclaimer:
    def test_a_worker_that_is_alive_keeps_its_slot(self, engine):
        lease, reclaimer = new_lease(engine), new_reclaimer(engine)

        for _ in range(30):
            lease.confirm()
            reclaimer.reclaim(())

        assert holders(engine) == [lease.holder]

    def test_a_worker_that_is_silent_for_a_lease_is_dead(self, engine):
        lease, reclaimer = new_lease(engine), new_reclaimer(engine)

        for _ in range(10):
            reclaimer.reclaim(())
        assert holders(engine) == [lease.holder]
        reclaimer.reclaim(())

        assert holders(engine) == []
        with pytest.raises(LeaseLostError):
            lease.confirm()

    def test_nobody_expires_itself(self, engine):
        lease = new_lease(engine)
        reclaimer = new_reclaimer(engine, lease.holder)

        for _ in range(30):
            reclaimer.reclaim(())

        assert holders(engine) == [lease.holder]

    def test_the_jobs_of_the_living_are_left_alone(self, engine, queue):
        lease, reclaimer = new_lease(engine), new_reclaimer(engine)
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), lease.holder)

        assert reclaimer.reclaim(()) == reclaimer.reclaim(()) == 0
        assert queue.show(job_id_for("key")).state is JobState.RUNNING

    def test_the_jobs_of_the_dead_go_back_to_the_queue(self, engine, queue):
        reclaimer = new_reclaimer(engine)
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), "worker-7-gone")

        assert reclaimer.reclaim(()) == 1
        assert reclaimer.reclaim(()) == 0
        assert queue.show(job_id_for("key")).state is JobState.QUEUED

    def test_own_jobs_that_do_not_run_go_back_when_seen_twice(self, engine, queue):
        lease = new_lease(engine)
        reclaimer = new_reclaimer(engine, lease.holder)
        running, lost = job_id_for("running"), job_id_for("lost")
        for key in ("running", "lost"):
            queue.enqueue(make_request(), key)
            begin(engine, job_id_for(key), lease.holder)

        assert reclaimer.reclaim({running}) == 0
        assert reclaimer.reclaim({running}) == 1
        assert queue.show(running).state is JobState.RUNNING
        assert queue.show(lost).state is JobState.QUEUED

    def test_a_job_that_was_begun_anew_is_not_the_one_seen_before(self, engine, queue):
        lease = new_lease(engine)
        reclaimer = new_reclaimer(engine, lease.holder)
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), lease.holder, "first")
        reclaimer.reclaim(())
        begin(engine, job_id_for("key"), lease.holder, "second")

        assert reclaimer.reclaim(()) == 0

    def test_of_many_reclaimers_one_puts_a_job_back(self, engine, queue):
        queue.enqueue(make_request(), "key")
        begin(engine, job_id_for("key"), "worker-7-gone")

        assert sum(at_once(lambda: new_reclaimer(engine).reclaim(()))) == 1


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
