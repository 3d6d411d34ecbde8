"""What every memory of wishes keeps."""

from __future__ import annotations

import pytest

from emojifier_bot.domain import Workspace
from tests.builders_store import (
    ELSEWHERE,
    HOSTILE,
    IN_GRID,
    ORG,
    SERVED_BY_ORG,
    TEAM,
    make_installation,
)

ALSO_IN_GRID = Workspace("T3", "E1")


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
    stores.settings.opt(said_in, "U1", out=True)
    stores.settings.opt(ALSO_IN_GRID, "U1", out=True)

    stores.settings.opt(IN_GRID, "U1", out=False)

    assert not stores.settings.opted_out(["U1"])


def test_a_workspace_that_goes_takes_its_rows_along(stores):
    for workspace in (TEAM, ELSEWHERE):
        stores.installations.save(make_installation(workspace))
        stores.settings.switch(workspace, f"C-{workspace.team_id}", "U1", off=True)
        stores.settings.opt(workspace, f"U-{workspace.team_id}", out=True)

    stores.installations.delete(TEAM)

    assert [stores.settings.is_off(one) for one in ("C-T1", "C-T2")] == [False, True]
    assert stores.settings.opted_out(["U-T1", "U-T2"]) == {"U-T2"}


def test_an_organisation_takes_those_along_that_have_no_installation_of_their_own(
    stores,
):
    stores.installations.save(make_installation(ORG))
    stores.installations.save(make_installation(ALSO_IN_GRID))
    for workspace in (SERVED_BY_ORG, ALSO_IN_GRID):
        stores.settings.opt(workspace, f"U-{workspace.team_id}", out=True)

    stores.installations.delete(ORG)

    assert stores.settings.opted_out(["U-T1", "U-T3"]) == {"U-T3"}
