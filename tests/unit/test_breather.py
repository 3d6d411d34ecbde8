from __future__ import annotations

from emojifier_bot.breather import BREATHER_SECONDS, Breather
from tests.fakes.inbound import SetClock


def test_a_pause_ends_by_itself():
    clock = SetClock()
    breather = Breather(clock.monotonic)
    assert not breather.is_taken()

    breather.take()
    assert breather.is_taken()

    clock.advance(BREATHER_SECONDS / 2)
    assert breather.is_taken()
    breather.take()
    clock.advance(BREATHER_SECONDS * 0.75)
    assert breather.is_taken(), "who waited in vain again begins it anew"

    clock.advance(BREATHER_SECONDS / 2)
    assert not breather.is_taken()
