from __future__ import annotations

import pytest

from tests.load.report import LEAST_SAMPLES, share_of, trend

#: Twice as long as is needed to tell.
LONG = range(0, 400, 2)


@pytest.mark.parametrize(
    ("values", "growth"),
    [
        ([5.0 for _ in LONG], 0.0),
        ([0.01 * at for at in LONG], 1.98),
        # Only what still grows in the second half counts.
        ([min(0.1 * at, 20.0) for at in LONG], 0.0),
        ([5.0 + at // 2 % 2 for at in LONG], 0.0),
    ],
    ids=["flat", "rising", "filled", "noisy"],
)
def test_growth_is_that_of_the_second_half(values, growth):
    found = trend(list(zip(map(float, LONG), values, strict=True)))

    assert found.is_known
    assert found.growth == pytest.approx(growth, abs=0.03)
    assert (found.first, found.last, found.most) == (values[0], values[-1], max(values))


@pytest.mark.parametrize("count", [1, 2, LEAST_SAMPLES])
def test_a_short_run_tells_nothing(count):
    found = trend([(float(at), 1.0 * at) for at in range(count)])

    assert not found.is_known
    assert found.growth == 0


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 99, 0.0), ([3.0], 50, 3.0), ([1.0, 2.0, 3.0], 50, 2.0), ([1.0, 9.0], 100, 9)],
)
def test_share_of(values, percent, expected):
    assert share_of(values, percent) == expected
