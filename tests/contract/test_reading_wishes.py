"""What every memory of choices says of reading modes: the lowest counts."""

from __future__ import annotations

import pytest

from emojifier_bot.db.preferences import EVERYBODY, Preference
from emojifier_bot.emotion_models import ReadingMode
from tests.builders_store import ELSEWHERE, HOSTILE, IN_GRID, SERVED_BY_ORG, TEAM

MODES = [*ReadingMode]

pytestmark = pytest.mark.usefixtures("installed")


def wish(stores, user_id, mode, workspace=TEAM):
    stores.preferences.choose(workspace, user_id, Preference.READING, mode)


def test_nobody_limits_it_at_first(stores):
    assert stores.preferences.reading(TEAM, "U1") == ""


@pytest.mark.parametrize("all_s", ["", *MODES])
@pytest.mark.parametrize("own", ["", *MODES])
def test_the_lower_of_a_persons_and_the_workspaces_counts(stores, all_s, own):
    wish(stores, EVERYBODY, all_s)
    wish(stores, "U1", own)
    wish(stores, "U2", "off")
    wish(stores, "U1", "off", ELSEWHERE)

    found = stores.preferences.reading(TEAM, "U1")

    given = [one for one in (all_s, own) if one]
    assert found == (max(given, key=MODES.index) if given else "")
    assert stores.preferences.reading(TEAM, "U3") == all_s


@pytest.mark.parametrize("person", ["U1", HOSTILE])
def test_a_wish_can_be_taken_back(stores, person):
    for mode in ("shapes", "off", "", "expressions", ""):
        wish(stores, person, mode)

        assert stores.preferences.reading(TEAM, person) == mode


@pytest.mark.parametrize("asked", [TEAM, IN_GRID, SERVED_BY_ORG])
def test_it_counts_whoever_serves_the_workspace(stores, asked):
    wish(stores, EVERYBODY, "shapes", IN_GRID)

    assert stores.preferences.reading(asked, "U1") == "shapes"
    assert stores.preferences.reading(ELSEWHERE, "U1") == ""


def test_a_workspace_that_goes_takes_its_wishes_along(stores):
    wish(stores, EVERYBODY, "off")
    wish(stores, "U1", "shapes")

    stores.installations.delete(TEAM)

    assert stores.preferences.reading(TEAM, "U1") == ""
