from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.intervals import (
    Measured,
    bootstrap,
    bootstrap_all,
    mean,
    share,
)


class TestShare:
    def test_of_nothing(self):
        one = share(0, 0)

        assert one.count == 0
        assert math.isnan(one.value)
        assert math.isnan(one.low)

    @pytest.mark.parametrize(
        ("hits", "count", "low", "high"),
        [  # Wilson's interval as textbooks have it.
            (0, 10, 0.0, 0.2775),
            (5, 10, 0.2366, 0.7634),
            (10, 10, 0.7225, 1.0),
            (804, 1500, 0.5107, 0.5611),
        ],
    )
    def test_by_hand(self, hits, count, low, high):
        one = share(hits, count)

        assert one.value == hits / count
        assert (one.low, one.high) == (
            pytest.approx(low, abs=1e-4),
            pytest.approx(high, abs=1e-4),
        )

    @given(
        st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
    )
    def test_holds_its_value_within_0_and_1(self, hits_and_count):
        one = share(*hits_and_count)

        assert -1e-12 <= one.low <= one.value <= one.high <= 1 + 1e-12

    @given(st.integers(0, 20))
    def test_more_samples_narrow_it(self, hits):
        few, many = share(hits, 20), share(hits * 10, 200)

        assert many.high - many.low < few.high - few.low


class TestBootstrap:
    def test_of_nothing(self):
        one = bootstrap(lambda drawn: float(len(drawn)), 0)

        assert (one.value, one.count) == (0, 0)
        assert math.isnan(one.low)

    def test_what_is_not_defined_has_no_interval(self):
        one = bootstrap(lambda _: float("nan"), 5, rounds=3)

        assert math.isnan(one.value)
        assert math.isnan(one.high)

    def test_the_mean_of_many_draws(self):
        values = np.random.default_rng(0).normal(3, 1, 400)

        one = mean(values)

        # Two standard errors either way.
        assert one.value == pytest.approx(values.mean())
        assert one.high - one.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
        assert one.low < one.value < one.high

    def test_the_same_every_time(self):
        values = np.arange(30.0)

        assert mean(values) == mean(values)

    def test_several_statistics_share_their_draws(self):
        values = np.arange(30.0)

        first, second = bootstrap_all(
            lambda drawn: [values[drawn].mean(), -values[drawn].mean()], 30, rounds=50
        )

        assert first.low == -second.high
        assert all(type(one) is float for one in (first.value, first.low, first.high))

    def test_draws_without_a_value_are_left_out(self):
        def only_if_drawn(drawn):
            return 1.0 if 0 in drawn else float("nan")

        one = bootstrap(only_if_drawn, 3, rounds=100)

        assert (one.value, one.low, one.high) == (1, 1, 1)

    def test_mean_of_nothing(self):
        assert math.isnan(mean(np.empty(0)).value)


def test_a_figure_as_json_has_it():
    assert Measured(0.5, 0.4, 0.6, 9).as_dict() == {
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "count": 9,
    }
