"""How the queue stands, as figures and health checks see it, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from emojifier_bot.clock import SystemClock
from emojifier_bot.errors import QueueError
from emojifier_bot.jobs.leases import LEASE_SECONDS, LeaseTimes, claim
from emojifier_bot.jobs.queue import DbosJobQueue, QueueStats
from tests.jobs_harness import make_request


class LateClock(SystemClock):
    """The system's clock, some seconds on."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead_seconds

    def now(self):
        return super().now() + timedelta(seconds=self.ahead_seconds)


@pytest.fixture
def clock():
    return LateClock()


@pytest.fixture
def queue(database_url, clock):
    queue = DbosJobQueue(database_url, 100, clock)
    yield queue
    queue.close()


def set_row(queue, **values) -> None:
    table = sa.table(
        queue._table.name,
        *(sa.column(name) for name in values),
        schema=queue._table.schema,
    )
    with queue._engine.begin() as connection:
        connection.execute(sa.update(table).values(**values))


def test_an_empty_queue(queue):
    assert queue.stats() == QueueStats(0, 0, 0.0, 0, 0)


def test_what_waits_and_for_how_long(queue, clock):
    queue.enqueue(make_request(), "one")
    clock.ahead_seconds = 90.0
    queue.enqueue(make_request(), "two")

    stats = queue.stats()

    assert (stats.waiting, stats.running) == (2, 0)
    assert 90 <= stats.oldest_seconds < 120


def test_what_runs_does_not_wait(queue):
    queue.enqueue(make_request(), "one")
    set_row(queue, status="PENDING")

    stats = queue.stats()

    assert (stats.waiting, stats.running) == (0, 1)
    assert stats.oldest_seconds == 0


def test_a_job_of_a_version_that_nobody_runs_is_orphaned(queue):
    queue.enqueue(make_request(), "one")
    set_row(queue, application_version="0")

    assert queue.stats().orphaned == 1


def test_a_worker_is_alive_while_its_heart_beats(queue, clock):
    lease = claim(queue._engine, clock, LeaseTimes())
    assert queue.stats().workers == 1

    clock.ahead_seconds = LEASE_SECONDS - 1
    lease.confirm()
    assert queue.stats().workers == 1

    clock.ahead_seconds = 2 * LEASE_SECONDS - 2
    assert queue.stats().workers == 1


def test_the_last_worker_that_died_is_not_counted(queue, clock):
    claim(queue._engine, clock, LeaseTimes())
    assert queue.stats().workers == 1

    clock.ahead_seconds = LEASE_SECONDS + 1

    assert queue.stats().workers == 0


def test_a_database_that_is_away(queue):
    queue._engine.dispose()
    with queue._engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE worker_slots"))

    with pytest.raises(QueueError):
        queue.stats()
