from __future__ import annotations

import pytest

from emojifier_bot.errors import StoreError
from emojifier_bot.slack.insist import PATIENT_WAITS_SECONDS, WAITS_SECONDS, insist


def failing(times: int):
    calls = []

    def save() -> int:
        calls.append(1)
        if len(calls) <= times:
            raise StoreError("Away.")
        return len(calls)

    return save


@pytest.mark.parametrize("times", range(len(WAITS_SECONDS) + 1))
def test_a_bad_moment_is_outlived(times):
    naps = []

    assert insist(failing(times), naps.append) == times + 1
    assert naps == list(WAITS_SECONDS[:times])


def test_in_the_end_it_is_told():
    naps = []

    with pytest.raises(StoreError):
        insist(failing(len(WAITS_SECONDS) + 1), naps.append)

    assert naps == list(WAITS_SECONDS)


def test_other_errors_are_told_at_once():
    def save():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insist(save, lambda _seconds: pytest.fail("waited"))


def test_a_restart_of_the_database_is_outlived():
    naps, times = [], len(PATIENT_WAITS_SECONDS)

    assert insist(failing(times), naps.append, PATIENT_WAITS_SECONDS) == times + 1
    assert sum(naps) > 30
