from __future__ import annotations

import random

import pytest

from emojifier_bot.errors import HostedApiError
from emojifier_bot.vision.analyzers.hosted import (
    FAILURES_TO_OPEN,
    OPEN_SECONDS,
    AnswerCache,
    Calls,
)
from emojifier_bot.vision.analyzers.registry import HostedOptions
from tests.fakes.clock import ManualClock

DOWN = HostedApiError("It is down.", kind="face_api_down", retryable=True)
BUSY = HostedApiError("It is busy.", kind="face_api_busy", retryable=True)
REFUSED = HostedApiError("Not this one.", kind="face_api_refused")
KEY = HostedApiError("Wrong key.", kind="face_api_credentials")
STRANGE = HostedApiError("What?", kind="face_api_answer")


def asked_to_wait(seconds):
    return HostedApiError(
        "Later.", kind="face_api_busy", retryable=True, retry_after_seconds=seconds
    )


class Highest(random.Random):
    """Draws the longest wait."""

    def uniform(self, a, b):
        del a
        return b


class Service:
    """Fails as scripted, call by call; then answers."""

    def __init__(self, *failures, takes=0.0, clock=None):
        self.failures = list(failures)
        self.takes, self.clock = takes, clock
        self.allowed: list[float] = []

    def __call__(self, seconds):
        self.allowed.append(seconds)
        if self.clock is not None:
            self.clock.advance(min(self.takes, seconds))
        if self.failures:
            raise self.failures.pop(0)
        return "faces"


@pytest.fixture
def clock():
    return ManualClock()


def calls(clock, rng=None, *, tries=3, budget=20.0):
    options = HostedOptions(clock, clock.sleep, tries=tries, budget_seconds=budget)
    return Calls("x", options, rng or Highest())


def failure(service_calls, service):
    with pytest.raises(HostedApiError) as caught:
        service_calls.run(service)
    return caught.value


class TestRetries:
    @pytest.mark.parametrize(
        ("failures", "waits"),
        [
            ([], []),
            ([DOWN], [0.5]),
            ([DOWN, DOWN], [0.5, 1.0]),
            ([BUSY, BUSY], [1.0, 2.0]),
            ([BUSY, DOWN], [1.0, 1.0]),
            ([asked_to_wait(7.0), DOWN], [7.0, 1.0]),
            ([asked_to_wait(0.0)], [0.0]),
        ],
    )
    def test_waits_by_kind(self, clock, failures, waits):
        assert calls(clock).run(Service(*failures)) == "faces"
        assert clock.slept == waits

    # The last one asks for more than what is left.
    @pytest.mark.parametrize("error", [REFUSED, KEY, STRANGE, asked_to_wait(60.0)])
    def test_what_would_fail_again_is_not_tried_again(self, clock, error):
        assert failure(calls(clock), Service(error)) is error
        assert clock.slept == []

    @pytest.mark.parametrize("tries", [1, 2, 5])
    def test_no_more_tries_than_allowed(self, clock, tries):
        service = Service(*[DOWN] * 9)

        failure(calls(clock, tries=tries), service)

        assert len(service.allowed) == tries

    def test_the_budget_ends_it_before_the_tries_do(self, clock):
        service = Service(*[DOWN] * 9, takes=10.0, clock=clock)

        failure(calls(clock, tries=9, budget=25.0), service)

        assert clock.seconds <= 25.0
        assert service.allowed == [10.0, 10.0, pytest.approx(3.5)]

    def test_our_own_waits_differ(self, clock):
        for seed in range(5):
            calls(clock, random.Random(seed)).run(Service(DOWN))

        assert len(set(clock.slept)) == 5
        assert all(0.25 <= wait <= 0.5 for wait in clock.slept)


class TestOutages:
    """One try a call, so that each call is one failure of the service."""

    def test_an_outage_costs_nothing_until_it_is_called_again(self, clock):
        service_calls, service = calls(clock, tries=1), Service(*[DOWN] * 3)
        for _ in range(20):
            failure(service_calls, service)
        assert len(service.allowed) == FAILURES_TO_OPEN == 3

        clock.advance(OPEN_SECONDS)

        assert service_calls.run(service) == "faces"

    @pytest.mark.parametrize(
        ("error", "opens"),
        [(DOWN, True), (BUSY, True), (STRANGE, True), (REFUSED, False), (KEY, False)],
    )
    def test_pictures_and_keys_say_nothing_about_the_service(self, clock, error, opens):
        service_calls = calls(clock, tries=1)
        for _ in range(FAILURES_TO_OPEN):
            assert failure(service_calls, Service(error)) is error
        clock.advance(10)

        refused = failure(service_calls, Service(error))

        assert (refused is not error) is opens
        if opens:
            assert (refused.kind, refused.retryable) == ("face_api_down", True)
            assert refused.retry_after_seconds == OPEN_SECONDS - 10


class TestAnswerCache:
    def test_an_answer_of_no_face_is_one_too(self):
        cache = AnswerCache(ManualClock())
        assert cache.find("a") is None

        cache.keep("a", [])

        assert cache.find("a") == []

    def test_the_oldest_give_way(self):
        cache = AnswerCache(ManualClock(), size=2)
        for key in "abac":
            cache.keep(key, [])

        assert [cache.find(key) for key in "abc"] == [[], None, []]

    def test_they_are_dropped_in_time_counted_from_the_latest_answer(self):
        clock = ManualClock()
        cache = AnswerCache(clock, seconds=10)
        for key in "aba":
            cache.keep(key, [])
            clock.advance(4)
        clock.advance(4)

        assert (cache.find("a"), cache.find("b")) == ([], None)
        clock.advance(4)
        assert cache.find("a") is None
