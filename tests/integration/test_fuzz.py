"""Two hundred damaged pictures, and clips; ``make fuzz`` throws twenty thousand."""

import sys

import pytest

from tests.fuzz.attack import attack
from tests.fuzz.seeds import clips


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what Linux tells")
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_damaged_pictures_kill_nobody_and_leave_nothing(seed):
    found = attack(cases=50, seed=seed)

    assert found.wrong == []
    assert found.cases == sum(found.outcomes.values()) == 50
    assert found.outcomes["picture"] < 50


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what Linux tells")
@pytest.mark.parametrize("seed", [21, 22])
def test_damaged_clips_kill_nobody_and_leave_nothing(seed):
    found = attack(cases=52, seed=seed, sound=clips())

    assert found.wrong == []
    assert found.cases == sum(found.outcomes.values()) == 52
    assert 0 < found.outcomes["clip"] < 52
