from __future__ import annotations

import random
import threading

import pytest

from emojifier_bot.errors import HostedApiError
from emojifier_bot.vision.analyzers.hosted_calls import (
    FAILURES_TO_OPEN,
    REST_SECONDS,
    AnswerCache,
    Calls,
    CircuitBreaker,
    RetryPolicy,
)
from tests.face_apis import ManualClock

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
    """Does what it is told, call by call; then all goes well."""

    def __init__(self, *failures, takes=0.0, clock=None):
        self.failures = list(failures)
        self.takes, self.clock = takes, clock
        self.allowed: list[float] = []

    def __call__(self, seconds):
        self.allowed.append(seconds)
        if self.clock is not None:
            self.clock.seconds += min(self.takes, seconds)
        if self.failures:
            raise self.failures.pop(0)
        return "faces"


def calls(clock, *, tries=3, timeout=10.0, budget=20.0, breaker=None):
    return Calls(
        "x",
        RetryPolicy(tries, timeout, budget),
        clock,
        clock.sleep,
        breaker or CircuitBreaker(clock),
        Highest(),
    )


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
    def test_waits_by_kind(self, failures, waits):
        clock = ManualClock()

        assert calls(clock).run(Service(*failures)) == "faces"
        assert clock.slept == waits

    @pytest.mark.parametrize("error", [REFUSED, KEY, STRANGE])
    def test_what_would_fail_again_is_not_tried_again(self, error):
        clock, service = ManualClock(), Service(error)

        with pytest.raises(HostedApiError) as caught:
            calls(clock).run(service)

        assert caught.value is error
        assert clock.slept == []

    @pytest.mark.parametrize("tries", [1, 2, 5])
    def test_no_more_tries_than_allowed(self, tries):
        clock, service = ManualClock(), Service(*[DOWN] * 9)

        with pytest.raises(HostedApiError):
            calls(clock, tries=tries).run(service)

        assert len(service.allowed) == tries

    def test_the_budget_ends_it_before_the_tries_do(self):
        clock = ManualClock()
        service = Service(*[DOWN] * 9, takes=10.0, clock=clock)

        with pytest.raises(HostedApiError):
            calls(clock, tries=9, budget=25.0).run(service)

        assert clock.seconds <= 25.0
        assert service.allowed == [10.0, 10.0, pytest.approx(3.5)]

    def test_a_longer_wait_than_is_left_is_not_begun(self):
        clock = ManualClock()

        with pytest.raises(HostedApiError):
            calls(clock, budget=20.0).run(Service(asked_to_wait(60.0)))

        assert clock.slept == []

    def test_our_own_waits_differ(self):
        waits = set()
        for seed in range(5):
            clock = ManualClock()
            one = calls(clock)
            patient = Calls(
                "x",
                one.policy,
                clock,
                clock.sleep,
                one.breaker,
                random.Random(seed),
            )
            patient.run(Service(DOWN))
            waits.add(clock.slept[0])

        assert len(waits) == 5
        assert all(0.25 <= wait <= 0.5 for wait in waits)


class TestCircuitBreaker:
    def breaker(self):
        self.clock = ManualClock()
        return CircuitBreaker(self.clock)

    def fail(self, breaker, error=DOWN):
        with pytest.raises(HostedApiError) as caught:
            breaker.call(lambda: Service(error)(1.0))
        return caught.value

    def test_an_outage_costs_nothing_after_a_few_failures(self):
        breaker, service = self.breaker(), Service(*[DOWN] * 99)
        for _ in range(20):
            with pytest.raises(HostedApiError):
                breaker.call(lambda: service(1.0))

        assert len(service.allowed) == FAILURES_TO_OPEN

    def test_who_is_turned_away_learns_for_how_long(self):
        breaker = self.breaker()
        for _ in range(FAILURES_TO_OPEN):
            self.fail(breaker)
        self.clock.seconds += 10

        error = self.fail(breaker)

        assert error is not DOWN
        assert error.kind == "face_api_down"
        assert error.retryable
        assert error.retry_after_seconds == REST_SECONDS - 10

    def test_after_the_rest_one_may_try_and_opens_it_for_all(self):
        breaker = self.breaker()
        for _ in range(FAILURES_TO_OPEN):
            self.fail(breaker)
        self.clock.seconds += REST_SECONDS

        def while_it_tries():
            assert self.fail(breaker) is not DOWN
            return "faces"

        assert breaker.call(while_it_tries) == "faces"
        assert breaker.call(lambda: "faces") == "faces"

    def test_one_that_tries_in_vain_closes_it_again(self):
        breaker = self.breaker()
        for _ in range(FAILURES_TO_OPEN):
            self.fail(breaker)
        self.clock.seconds += REST_SECONDS

        assert self.fail(breaker) is DOWN
        assert self.fail(breaker) is not DOWN

    @pytest.mark.parametrize("error", [REFUSED, KEY])
    def test_pictures_and_keys_say_nothing_about_the_service(self, error):
        breaker = self.breaker()
        for _ in range(3 * FAILURES_TO_OPEN):
            assert self.fail(breaker, error) is error

    def test_only_failures_in_a_row_count(self):
        breaker = self.breaker()
        for _ in range(3 * FAILURES_TO_OPEN):
            self.fail(breaker)
            breaker.call(lambda: "faces")

        assert breaker.call(lambda: "faces") == "faces"

    def test_threads_share_it(self):
        breaker = self.breaker()
        service = Service(*[DOWN] * 999)
        gate = threading.Barrier(8)

        def work():
            gate.wait()
            for _ in range(50):
                with pytest.raises(HostedApiError):
                    breaker.call(lambda: service(1.0))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        # Those that were on their way when it opened come through.
        assert len(service.allowed) <= FAILURES_TO_OPEN + 8


class TestAnswerCache:
    def test_nothing_is_known_at_first(self):
        assert AnswerCache(ManualClock()).find("a") is None

    def test_an_answer_of_no_face_is_one_too(self):
        cache = AnswerCache(ManualClock())
        cache.keep("a", [])

        assert cache.find("a") == []

    def test_the_oldest_give_way(self):
        cache = AnswerCache(ManualClock(), size=2)
        for key in "abc":
            cache.keep(key, [])

        assert [cache.find(key) for key in "abc"] == [None, [], []]

    def test_they_are_forgotten_in_time(self):
        clock = ManualClock()
        cache = AnswerCache(clock, seconds=10)
        cache.keep("a", [])
        clock.seconds += 6
        cache.keep("b", [])
        clock.seconds += 6

        assert cache.find("a") is None
        assert cache.find("b") == []

    def test_an_answer_that_comes_again_is_fresh(self):
        clock = ManualClock()
        cache = AnswerCache(clock, seconds=10)
        cache.keep("a", [])
        clock.seconds += 9
        cache.keep("a", [])
        clock.seconds += 9

        assert cache.find("a") == []
