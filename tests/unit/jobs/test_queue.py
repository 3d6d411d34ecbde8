from __future__ import annotations

import threading
from contextlib import closing

import pytest

from emojifier_bot.clock import SystemClock
from emojifier_bot.db.engine import open_engine
from emojifier_bot.jobs.queue import COUNT_SECONDS, AdmissionControl, DbosJobQueue
from tests.fakes.clock import ManualClock

LIMIT = 12


@pytest.fixture
def engine(sqlite_url):
    with closing(DbosJobQueue(sqlite_url, LIMIT, SystemClock())):
        made = open_engine(sqlite_url, wait_seconds=1, connections=2)
    yield made
    made.dispose()


class SlowControl(AdmissionControl):
    """Admission control whose next count takes as long as a test wants."""

    def __init__(self, engine, clock):
        super().__init__(engine, LIMIT, clock)
        self.counts, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def _count(self, most, *conditions):
        self.counts.set()
        assert self.go_on.wait(10)
        return super()._count(most, *conditions)


def test_there_are_as_many_places_as_the_limit_says(engine):
    control = AdmissionControl(engine, LIMIT, ManualClock())

    taken = [control.admit("-/T1") for _ in range(LIMIT + LIMIT // 4 + 1)]

    # None of them is queued: whoever asks has few waiting, up to a quarter more.
    assert taken == [True] * (LIMIT + LIMIT // 4) + [False]


def test_who_waits_for_a_slow_count_relies_on_the_one_before(engine):
    clock = ManualClock()
    control = SlowControl(engine, clock)
    assert control.admit("-/T1")
    clock.advance(COUNT_SECONDS + 1)
    control.go_on.clear()
    control.counts.clear()
    slow = threading.Thread(target=control.admit, args=("-/T1",))
    slow.start()
    assert control.counts.wait(10)

    assert control.admit("-/T2")

    control.go_on.set()
    slow.join()
