"""Two hundred damaged pictures; ``make fuzz`` throws twenty thousand."""

import sys

import pytest

from tests.fuzz.attack import attack


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what Linux tells")
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_damaged_pictures_kill_nobody_and_leave_nothing(seed):
    found = attack(cases=50, seed=seed)

    assert found.wrong == []
    assert found.cases == sum(found.outcomes.values()) == 50
    assert found.outcomes["picture"] < 50
