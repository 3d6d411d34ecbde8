from __future__ import annotations

import pytest

from emojifier_bot.circuit_breaker import (
    OPEN_SECONDS,
    CircuitBreaker,
    CircuitOpenError,
)
from tests.fakes.clock import ManualClock


class OutageError(Exception):
    pass


class Service:
    """Calls through a breaker and counts the calls that got through."""

    def __init__(self, clock: ManualClock, **options) -> None:
        self.breaker = CircuitBreaker(clock.monotonic, **options)
        self.calls = 0

    def call(self, error: Exception | None = None) -> str:
        try:
            with self.breaker.guard(lambda e: isinstance(e, OutageError)):
                self.calls += 1
                if error is not None:
                    raise error
        except CircuitOpenError:
            return "refused"
        except (OutageError, ValueError):
            return "failed"
        return "answered"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.mark.parametrize("failures", [1, 3])
def test_so_many_failures_in_a_row_open_it(clock, failures):
    service = Service(clock, failures=failures)

    for _ in range(failures):
        assert service.call(OutageError()) == "failed"

    assert service.call() == "refused"
    assert service.calls == failures


@pytest.mark.parametrize("answer", [None, ValueError()], ids=["good", "other-error"])
def test_an_answer_in_between_keeps_it_closed(clock, answer):
    service = Service(clock, failures=2)

    for _ in range(3):
        service.call(OutageError())
        service.call(answer)

    assert service.call() == "answered"


def test_it_stays_open_for_its_time_and_an_answer_closes_it(clock):
    service = Service(clock)
    service.call(OutageError())

    clock.advance(OPEN_SECONDS * 0.9)
    assert service.call() == "refused"
    clock.advance(OPEN_SECONDS * 0.2)
    assert [service.call(), service.call()] == ["answered", "answered"]


def test_a_failed_trial_opens_it_again(clock):
    service = Service(clock)
    service.call(OutageError())

    clock.advance(OPEN_SECONDS)

    assert service.call(OutageError()) == "failed"
    assert service.call() == "refused"


def test_one_call_at_a_time_is_a_trial(clock):
    service = Service(clock)
    service.call(OutageError())
    clock.advance(OPEN_SECONDS)

    with service.breaker.guard(lambda _: True):
        assert service.call() == "refused"

    assert service.call() == "answered"


def test_the_error_says_how_long_it_stays_open(clock):
    service = Service(clock)
    service.call(OutageError())
    clock.advance(OPEN_SECONDS / 4)

    with (
        pytest.raises(CircuitOpenError) as refused,
        service.breaker.guard(lambda _: True),
    ):
        pass

    assert refused.value.seconds_left == pytest.approx(OPEN_SECONDS * 3 / 4)


@pytest.mark.parametrize(("is_write", "then"), [(True, "answered"), (False, "refused")])
def test_who_fails_while_others_write_was_only_overtaken(clock, is_write, then):
    service = Service(clock)
    guard = service.breaker.guard

    def fail_while_others_call():
        with guard(lambda _: True):
            clock.advance(0.5)
            with guard(lambda _: True, is_write=is_write):
                pass
            raise OutageError

    with pytest.raises(OutageError):
        fail_while_others_call()

    assert service.call() == then
    # What was written before it began does not count.
    clock.advance(OPEN_SECONDS)
    assert service.call(OutageError()) == "failed"
    assert service.call() == "refused"
