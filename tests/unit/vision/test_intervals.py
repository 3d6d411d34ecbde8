from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.intervals import bootstrap, bootstrap_all, mean, share


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [  # Wilson's interval as textbooks have it.
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (804, 1500, 0.5107, 0.5611),
    ],
)
def test_wilsons_interval(hits, count, low, high):
    one = share(hits, count)

    assert (one.value, one.count) == (hits / count, count)
    assert (one.low, one.high) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval_within_0_and_1(hits_and_count):
    one = share(*hits_and_count)

    assert -1e-12 <= one.low <= one.value <= one.high <= 1 + 1e-12


@pytest.mark.parametrize(
    "measured",
    [share(0, 0), mean(np.empty(0)), bootstrap(lambda _: math.nan, 5, rounds=3)],
    ids=["share", "mean", "undefined"],
)
def test_nothing_has_no_interval(measured):
    assert math.isnan(measured.value)
    assert math.isnan(measured.low)


def test_the_mean_of_many_draws_lies_within_two_standard_errors():
    values = np.random.default_rng(0).normal(3, 1, 400)

    one = mean(values)

    assert one.value == pytest.approx(values.mean())
    assert one.high - one.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert one.low < one.value < one.high
    assert one == mean(values)


def test_several_statistics_share_their_draws():
    values = np.arange(30.0)

    first, second = bootstrap_all(
        lambda drawn: [values[drawn].mean(), -values[drawn].mean()], 30, rounds=50
    )

    assert first.low == -second.high


def test_draws_without_a_value_are_left_out():
    one = bootstrap(lambda drawn: 1.0 if 0 in drawn else math.nan, 3, rounds=100)

    assert (one.value, one.low, one.high) == (1, 1, 1)
