"""Pools give each picture a process, and start them in time."""

from __future__ import annotations

import itertools
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from emojifier_bot.errors import EmojifierError, ImageError, ModelFileError
from emojifier_bot.vision.sandbox.isolated import ProcessPool
from tests.threads import wait_until


@dataclass(eq=False)
class Process:
    """Stands for a process that was started."""

    pid: int
    cause_of_death: str | None = None
    is_spent: bool = False
    keeps_too_much: bool = False
    is_closed: bool = False

    def lets_go(self) -> bool:
        return not self.keeps_too_much

    def close(self) -> None:
        self.is_closed = True


class Starts:
    """Starts processes; each start can be held up."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.may_start = threading.Event()
        self.may_start.set()
        self.begun, self.started = 0, list[Process]()
        self.error: EmojifierError | None = None

    def __call__(self) -> Process:
        self.begun += 1
        self.may_start.wait(10)
        if self.error:
            raise self.error
        self.started.append(Process(next(self._numbers)))
        return self.started[-1]


def ahead(starts: Starts) -> ProcessPool:
    """Return a pool for two pictures of one workspace and two of others."""
    return ProcessPool(starts, 4, kept=3, ahead=True)


def test_nobody_waits_for_a_start_while_others_have_all_processes():
    starts = Starts()
    pool = ahead(starts)
    with ExitStack() as taken:
        first = [taken.enter_context(pool.process()) for _ in range(2)]
        wait_until(lambda: pool.pids)
        starts.may_start.clear()
        with pool.process() as mine:  # or this would wait for ten seconds
            assert mine not in first
        starts.may_start.set()


def test_one_is_ready_before_the_picture_that_ends_another_is_done():
    starts = Starts()
    pool = ahead(starts)
    with pool.process() as died:
        wait_until(lambda: pool.pids)
        died.cause_of_death = "SIGKILL"

    assert pool.deaths == {"SIGKILL": 1}
    assert pool.pids == [starts.started[1].pid]


def test_those_that_will_not_come_back_are_replaced_at_once():
    starts = Starts()
    pool = ahead(starts)
    with ExitStack() as taken:
        bad = [taken.enter_context(pool.process()) for _ in range(2)]
        wait_until(lambda: len(pool.pids) == 1)
        for number, one in enumerate(bad):
            one.is_spent = True
            one.when_ending()
            wait_until(lambda most=number + 2: len(pool.pids) == most)
        starts.may_start.clear()

    # The next two of theirs, and somebody else's.
    with ExitStack() as taken:
        for _ in range(3):  # or this would wait for ten seconds
            assert taken.enter_context(pool.process()) not in bad
        starts.may_start.set()


def test_a_picture_waits_for_the_process_that_is_starting():
    starts = Starts()
    pool = ahead(starts)
    with pool.process(), pool.process():
        wait_until(lambda: pool.pids)
        starts.may_start.clear()
        with pool.process():  # the last that is ready; the next one is starting
            wait_until(lambda: starts.begun == 4)
            threading.Timer(0.2, starts.may_start.set).start()
            with pool.process() as mine:
                assert mine is starts.started[3]
            assert starts.begun == 4


def test_no_more_are_started_than_pictures_may_be_worked_on():
    starts = Starts()
    pool = ahead(starts)
    with ExitStack() as taken:
        for _ in range(4):
            taken.enter_context(pool.process())
            wait_until(lambda: not pool._starting)

    assert len(starts.started) == 4
    assert len(pool.pids) == 3  # the fourth is not kept


def test_once_closed_nothing_is_started_or_kept():
    starts = Starts()
    pool = ahead(starts)
    pool.warm_up()
    wait_until(lambda: len(pool.pids) == 2)
    with pool.process():
        pool.close()

    assert pool.pids == []
    wait_until(lambda: all(one.is_closed for one in starts.started))


@pytest.mark.parametrize(
    "error",
    [
        ImageError("It does not start.", kind="decoder_down"),
        ModelFileError("A model is missing."),
    ],
)
def test_a_start_ahead_that_fails_is_told_by_the_next_picture(error):
    starts = Starts()
    pool = ahead(starts)
    with pool.process() as one:
        wait_until(lambda: pool.pids)
        starts.error = error
        with pool.process():
            wait_until(lambda: not pool._starting)
            with pytest.raises(type(error)), pool.process():
                pass
        one.is_spent = True


def test_a_process_that_keeps_too_much_gets_no_other_picture():
    starts = Starts()
    pool = ProcessPool(starts, 2)
    with pool.process() as one:
        pass
    one.keeps_too_much = True
    with pool.process() as other:
        assert other is not one
    assert one.is_closed
