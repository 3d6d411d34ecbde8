from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from emojifier_bot.vision.clips.ahead import ahead
from tests.threads import PATIENCE_SECONDS

JOB: ContextVar[str] = ContextVar("job", default="")


@pytest.mark.parametrize("count", [0, 1, 5])
def test_all_come_in_order(count):
    assert list(ahead(iter(range(count)))) == list(range(count))


def test_the_next_one_is_made_meanwhile():
    began = [threading.Event() for _ in range(3)]

    def make(number):
        began[number].set()
        return number

    for number in ahead(map(make, range(3))):
        # Nobody has asked for it yet.
        assert began[min(number + 1, 2)].wait(PATIENCE_SECONDS)


def test_what_goes_wrong_with_one_comes_in_its_place():
    def numbers():
        yield 1
        raise EOFError

    found = ahead(numbers())

    assert next(found) == 1
    with pytest.raises(EOFError):
        next(found)


def test_whoever_stops_early_leaves_no_thread():
    found = ahead(iter(range(9)))
    next(found)

    found.close()

    assert not [one for one in threading.enumerate() if one.name.startswith("frames")]


def test_they_are_made_in_the_context_of_whoever_asks():
    token = JOB.set("job-1")
    found = list(ahead(JOB.get() for _ in range(2)))
    JOB.reset(token)

    assert found == ["job-1", "job-1"]
