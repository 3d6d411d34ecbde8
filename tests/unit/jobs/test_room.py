from __future__ import annotations

import threading
from contextlib import closing

import pytest

from emojifier_bot.clock import SystemClock
from emojifier_bot.jobs.database import open_engine
from emojifier_bot.jobs.queue import DbosJobQueue
from emojifier_bot.jobs.room import COUNT_SECONDS, Room
from tests.fakes.clock import ManualClock

LIMIT = 12


@pytest.fixture
def engine(sqlite_url):
    with closing(DbosJobQueue(sqlite_url, LIMIT, SystemClock())):
        made = open_engine(sqlite_url, patience_seconds=1, connections=2)
    yield made
    made.dispose()


class SlowRoom(Room):
    """A room whose next count takes as long as a test wants."""

    def __init__(self, engine, clock):
        super().__init__(engine, LIMIT, clock)
        self.counts, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def _count(self, most, *conditions):
        self.counts.set()
        assert self.go_on.wait(10)
        return super()._count(most, *conditions)


def test_there_are_as_many_places_as_the_limit_says(engine):
    room = Room(engine, LIMIT, ManualClock())

    taken = [room.take("-/T1") for _ in range(LIMIT + LIMIT // 4 + 1)]

    # None of them is queued: whoever asks has few waiting, up to a quarter more.
    assert taken == [True] * (LIMIT + LIMIT // 4) + [False]


def test_who_waits_for_a_slow_count_relies_on_the_one_before(engine):
    clock = ManualClock()
    room = SlowRoom(engine, clock)
    assert room.take("-/T1")
    clock.advance(COUNT_SECONDS + 1)
    room.go_on.clear()
    room.counts.clear()
    slow = threading.Thread(target=room.take, args=("-/T1",))
    slow.start()
    assert room.counts.wait(10)

    assert room.take("-/T2")

    room.go_on.set()
    slow.join()
