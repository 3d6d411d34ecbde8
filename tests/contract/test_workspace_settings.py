"""What every memory of wishes keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from emojifier_bot.db.installations import require_installed
from emojifier_bot.db.preferences import EVERYBODY, Preference
from emojifier_bot.db.tables import OPT_OUTS
from emojifier_bot.domain import Workspace
from emojifier_bot.errors import DeliveryError
from tests.builders_store import (
    ELSEWHERE,
    HOSTILE,
    IN_GRID,
    ORG,
    SERVED_BY_ORG,
    TEAM,
    make_installation,
)
from tests.fakes.clock import NOW

ALSO_IN_GRID = Workspace("T3", "E1")

pytestmark = pytest.mark.usefixtures("installed")


def test_nothing_is_off_and_nobody_out_at_first(stores):
    assert not stores.settings.is_off("C1")
    assert stores.settings.opted_out([]) == frozenset()
    assert stores.settings.opted_out(["U1", ""]) == frozenset()


@pytest.mark.parametrize("channel", ["C1", HOSTILE])
def test_a_channel_goes_off_and_on_as_often_as_one_likes(stores, channel):
    for off in (False, True, True, False, False, True):
        stores.settings.switch(TEAM, channel, "U1", off=off)

        assert stores.settings.is_off(channel) is off
        assert not stores.settings.is_off("C2")


def test_a_shared_channel_is_off_until_both_sides_have_it_on(stores):
    for workspace in (TEAM, ELSEWHERE):
        stores.settings.switch(workspace, "C1", "U1", off=True)

    stores.settings.switch(TEAM, "C1", "U1", off=False)
    assert stores.settings.is_off("C1")

    stores.settings.switch(ELSEWHERE, "C1", "U9", off=False)
    assert not stores.settings.is_off("C1")


@pytest.mark.parametrize("person", ["U1", HOSTILE])
def test_somebody_opts_out_and_in_as_often_as_one_likes(stores, person):
    for out in (False, True, True, False, False, True):
        stores.settings.opt(TEAM, person, out=out)

        found = stores.settings.opted_out({person, "U2", "U3"})
        assert len(found) == out
        assert not stores.settings.opted_out({"U2"})


def test_who_opted_out_did_so_everywhere(stores):
    stores.settings.opt(ELSEWHERE, "U1", out=True)
    stores.settings.opt(TEAM, "U2", out=True)

    assert stores.settings.opted_out(["U1", "U2", "U3"]) == {"U1", "U2"}


def test_a_stranger_with_the_same_id_opts_nobody_in(stores):
    stores.settings.opt(TEAM, "U1", out=True)

    stores.settings.opt(ELSEWHERE, "U1", out=False)

    assert stores.settings.opted_out(["U1"]) == {"U1"}


@pytest.mark.parametrize("said_in", [IN_GRID, SERVED_BY_ORG, ALSO_IN_GRID])
def test_an_organisations_people_are_the_same_in_all_of_it(stores, said_in):
    stores.installations.save(make_installation(ORG))
    stores.settings.opt(said_in, "U1", out=True)
    stores.settings.opt(ALSO_IN_GRID, "U1", out=True)

    stores.settings.opt(IN_GRID, "U1", out=False)

    assert not stores.settings.opted_out(["U1"])


def test_a_workspace_that_goes_takes_its_rows_along(stores):
    for workspace in (TEAM, ELSEWHERE):
        stores.settings.switch(workspace, f"C-{workspace.team_id}", "U1", off=True)
        stores.settings.opt(workspace, f"U-{workspace.team_id}", out=True)

    stores.installations.delete(TEAM)

    assert [stores.settings.is_off(one) for one in ("C-T1", "C-T2")] == [False, True]
    assert stores.settings.opted_out(["U-T1", "U-T2"]) == {"U-T2"}


def test_an_organisation_takes_those_along_that_have_no_installation_of_their_own(
    stores,
):
    stores.installations.delete(TEAM)
    stores.installations.save(make_installation(ORG))
    stores.installations.save(make_installation(ALSO_IN_GRID))
    for workspace in (SERVED_BY_ORG, ALSO_IN_GRID):
        stores.settings.opt(workspace, f"U-{workspace.team_id}", out=True)

    stores.installations.delete(ORG)

    assert stores.settings.opted_out(["U-T1", "U-T3"]) == {"U-T3"}


@pytest.mark.parametrize("workspace", [TEAM, IN_GRID])
def test_what_people_want_stays_while_the_organisation_serves_them(stores, workspace):
    stores.installations.save(make_installation(ORG))
    stores.settings.switch(workspace, "C1", "U1", off=True)
    stores.settings.opt(workspace, "U1", out=True)
    stores.preferences.choose(workspace, EVERYBODY, Preference.READING, "off")

    assert stores.installations.delete(IN_GRID)
    assert stores.settings.is_off("C1")
    assert stores.settings.opted_out(["U1"]) == {"U1"}
    assert stores.preferences.reading(SERVED_BY_ORG, "U2") == "off"

    stores.installations.delete(ORG)
    stores.installations.delete(IN_GRID)
    assert not stores.settings.is_off("C1")
    assert stores.settings.opted_out(["U1"]) == frozenset()
    assert stores.preferences.reading(TEAM, "U2") == ""


@pytest.mark.parametrize(
    "wish",
    [
        lambda stores: stores.settings.switch(TEAM, "C1", "U1", off=True),
        lambda stores: stores.settings.opt(TEAM, "U1", out=True),
        lambda stores: stores.preferences.choose(TEAM, "U1", Preference.THEME, "x"),
    ],
    ids=["channel", "opt-out", "choice"],
)
def test_who_has_uninstalled_the_bot_leaves_no_wish_behind(stores, wish):
    stores.installations.delete(TEAM)

    with pytest.raises(DeliveryError) as caught:
        wish(stores)

    assert caught.value.kind == "not_installed"
    assert not stores.settings.is_off("C1")
    assert stores.settings.opted_out(["U1"]) == frozenset()
    assert stores.preferences.chosen(TEAM, "U1") == {}


def test_an_uninstallation_waits_for_a_wish_and_takes_it_along(stores):
    row = {"user_id": "U1", "place_id": "T1", "enterprise_id": "", "opted_out_at": NOW}
    with ThreadPoolExecutor(1) as pool:
        with stores.settings.database.writing() as connection:
            require_installed(connection, TEAM)
            ended = pool.submit(stores.installations.delete, TEAM)
            connection.execute(sa.insert(OPT_OUTS).values(row))
        assert ended.result()

    assert stores.settings.opted_out(["U1"]) == frozenset()
