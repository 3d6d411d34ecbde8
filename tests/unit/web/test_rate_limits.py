from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from emojifier_bot.web.rate_limits import (
    HEALTH,
    INSTALLATIONS,
    PAGES,
    UNSIGNED,
    AddressRateLimiter,
    Rate,
    RateLimits,
    client_network,
)
from tests.fakes.clock import ManualClock
from tests.threads import at_once

RATE = Rate(burst=3, per_second=0.5)


def test_nobody_waits_at_first():
    limiter = AddressRateLimiter(RATE, ManualClock())

    assert [limiter.wait_seconds("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.wait_seconds("a") == 2
    assert limiter.wait_seconds("b") == 0


@pytest.mark.parametrize("seconds", [0.1, 123.456, 98765.4321, 1e7 / 3])
@pytest.mark.parametrize("rate", [PAGES, INSTALLATIONS])
def test_the_whole_burst_is_there_at_any_time(rate, seconds):
    clock = ManualClock()
    clock.advance(seconds)
    limiter = AddressRateLimiter(rate, clock)

    waits = [limiter.wait_seconds("a") for _ in range(rate.burst + 1)]

    assert waits[:-1] == [0.0] * rate.burst
    assert waits[-1] > 0


def test_to_look_takes_nothing():
    limiter = AddressRateLimiter(RATE, ManualClock())

    looks = [limiter.wait_seconds("a", takes=False) for _ in range(9)]
    takes = [limiter.wait_seconds("a") for _ in range(3)]

    assert looks + takes == [0] * 12
    assert limiter.wait_seconds("a", takes=False) == 2


def test_who_waits_may_ask_again():
    clock = ManualClock()
    limiter = AddressRateLimiter(RATE, clock)
    for _ in range(4):
        limiter.wait_seconds("a")
    clock.advance(2)

    assert limiter.wait_seconds("a") == 0
    assert limiter.wait_seconds("a") > 0


def test_nobody_saves_up():
    clock = ManualClock()
    limiter = AddressRateLimiter(RATE, clock)
    limiter.wait_seconds("a")
    clock.advance(1e6)

    assert [limiter.wait_seconds("a") > 0 for _ in range(4)] == [False] * 3 + [True]


def test_memory_is_bounded():
    limiter = AddressRateLimiter(RATE, ManualClock(), most=100)
    for number in range(1000):
        limiter.wait_seconds(str(number))

    assert len(limiter._full_at) == 100
    assert "999" in limiter._full_at


def test_whoever_may_ask_as_at_first_is_forgotten():
    clock = ManualClock()
    limiter = AddressRateLimiter(RATE, clock)
    for address in ("a", "a", "a", "b"):
        limiter.wait_seconds(address)
    clock.advance(RATE.burst / RATE.per_second - 1)
    limiter.wait_seconds("c")
    assert set(limiter._full_at) == {"a", "b", "c"}
    clock.advance(1)
    limiter.wait_seconds("c")

    assert set(limiter._full_at) == {"c"}


@pytest.mark.parametrize("rate", [PAGES, INSTALLATIONS, HEALTH, UNSIGNED])
def test_every_address_is_forgotten_two_minutes_after_its_last_visit(rate):
    assert rate.burst / rate.per_second <= 120


def test_threads_take_no_more_than_there_is():
    limiter = AddressRateLimiter(RATE, ManualClock())

    assert at_once(lambda: limiter.wait_seconds("a") == 0).count(True) == 3


@given(st.lists(st.floats(0, 10), max_size=30))
def test_in_any_time_no_more_than_the_rate(pauses):
    clock = ManualClock()
    limiter = AddressRateLimiter(RATE, clock)
    taken = 0
    for pause in pauses:
        clock.advance(pause)
        taken += limiter.wait_seconds("a") == 0

    assert taken <= RATE.burst + sum(pauses) * RATE.per_second + 1e-6


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("", ""),
        ("unknown", ""),
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::9", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("203.0.113.007", ""),
        ("1.2.3.4, 5.6.7.8", ""),
    ],
)
def test_who_an_address_belongs_to(address, who):
    assert client_network(address) == who


@pytest.mark.parametrize(
    ("header", "given", "who"),
    [
        ("", {"X-Forwarded-For": "203.0.113.7"}, "127.0.0.1"),
        ("X-Forwarded-For", {}, "127.0.0.1"),
        ("X-Forwarded-For", {"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"),
        ("x-forwarded-for", {"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"),
        # What the browser sent stands first, what the proxy adds last.
        ("X-Forwarded-For", {"X-Forwarded-For": "1.1.1.1, 203.0.113.7"}, "203.0.113.7"),
        ("X-Forwarded-For", {"X-Forwarded-For": "1.1.1.1,"}, "127.0.0.1"),
        ("X-Forwarded-For", {"X-Forwarded-For": "nonsense"}, "127.0.0.1"),
        ("CF-Connecting-IP", {"X-Forwarded-For": "203.0.113.7"}, "127.0.0.1"),
        ("CF-Connecting-IP", {"CF-Connecting-IP": "203.0.113.7"}, "203.0.113.7"),
    ],
)
def test_only_the_header_of_the_setting_is_believed(header, given, who):
    limits = RateLimits(ManualClock(), header)

    assert limits.network_of(Headers(given), "127.0.0.1") == who
