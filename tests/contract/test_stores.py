"""What every store of installations and states keeps."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from emojifier_bot.domain import Workspace
from tests.builders_store import (
    HOSTILE,
    IN_GRID,
    ORG,
    SERVED_BY_ORG,
    TEAM,
    make_installation,
    make_post,
)
from tests.fakes.clock import NOW
from tests.threads import THREADS, at_once

STRANGER = Workspace("T9", "E9")


class TestInstallations:
    def test_there_are_none_at_first(self, stores):
        assert stores.installations.all() == []
        assert stores.installations.find(TEAM) is None
        assert not stores.installations.delete(TEAM)
        assert not stores.installations.replace_tokens(make_installation(), "")

    def test_all_of_it_comes_back(self, stores):
        full = make_installation(
            IN_GRID,
            bot_token="xoxe.xoxb-1",
            bot_id="B1",
            app_id="A1",
            scopes=("commands", "files:write"),
            refresh_token="xoxe-1",
            expires_at=NOW + timedelta(hours=12, microseconds=7),
            team_name="Team é",
            enterprise_name="Org 😆",
            installed_by="U7",
            installed_at=NOW - timedelta(days=3),
        )

        stores.installations.save(full)

        assert stores.installations.find(IN_GRID) == full
        assert stores.installations.all() == [full]

    def test_times_of_other_zones_are_the_same_moments(self, stores):
        east = timezone(timedelta(hours=5, minutes=45))
        moment = datetime(2026, 3, 1, 2, 30, tzinfo=east)

        stores.installations.save(make_installation(expires_at=moment))

        found = stores.installations.find(TEAM)
        assert found.expires_at == moment
        assert found.expires_at.utcoffset() == timedelta(0)

    def test_a_naive_time_is_refused(self, stores):
        naive = NOW.replace(tzinfo=None)

        with pytest.raises(Exception, match="aware"):
            stores.installations.save(make_installation(expires_at=naive))

    def test_who_gives_no_time_installed_just_now(self, stores):
        stores.installations.save(make_installation())

        assert stores.installations.find(TEAM).installed_at == NOW

    def test_installing_again_takes_the_place_of_the_old(self, stores):
        old = make_installation(refresh_token="r1", team_name="Old")
        stores.installations.save(old)
        new = make_installation(bot_token="xoxb-new", installed_at=NOW)

        stores.installations.save(new)

        assert stores.installations.all() == [new]

    def test_a_workspace_that_joined_an_organisation_is_the_same(self, stores):
        stores.installations.save(make_installation(TEAM))
        assert stores.installations.find(IN_GRID).workspace == TEAM

        stores.installations.save(make_installation(IN_GRID))

        assert len(stores.installations.all()) == 1
        assert stores.installations.find(TEAM).workspace == IN_GRID

    @pytest.mark.parametrize(
        ("asked", "token"),
        [
            (IN_GRID, "xoxb-T1-E1"),
            (TEAM, "xoxb-T1-E1"),
            (SERVED_BY_ORG, "xoxb--E1"),
            (ORG, "xoxb--E1"),
            (Workspace("T2", "E1"), "xoxb--E1"),
            (Workspace("", "E1"), "xoxb--E1"),
            # Channels of a whole organisation name it as their workspace.
            (Workspace("E1", "E1"), "xoxb--E1"),
            (Workspace("T2"), None),
            (STRANGER, None),
            (Workspace("T2", "E9", is_org_install=True), None),
            (Workspace("T1", "", is_org_install=True), None),
            (Workspace(""), None),
            (Workspace("T1\0"), None),
        ],
    )
    def test_a_workspaces_own_comes_first_then_its_organisations(
        self, stores, asked, token
    ):
        stores.installations.save(make_installation(ORG))
        stores.installations.save(make_installation(IN_GRID))

        found = stores.installations.find(asked)

        assert (found and found.bot_token) == token

    def test_an_organisations_names_no_workspace(self, stores):
        stores.installations.save(make_installation(SERVED_BY_ORG))

        assert stores.installations.find(IN_GRID).workspace == ORG

    @pytest.mark.parametrize(
        "nobody", [Workspace(""), Workspace("T1", "", is_org_install=True)]
    )
    def test_an_installation_of_nobody_is_refused(self, stores, nobody):
        with pytest.raises(ValueError, match="names a workspace"):
            stores.installations.save(make_installation(nobody))

        assert stores.installations.all() == []

    def test_the_oldest_comes_first(self, stores):
        for hours, team in ((2, "T1"), (1, "T2"), (3, "T3"), (1, "T0")):
            at = NOW + timedelta(hours=hours)
            stores.installations.save(
                make_installation(Workspace(team), installed_at=at)
            )

        teams = [one.workspace.team_id for one in stores.installations.all()]
        assert teams == ["T0", "T2", "T1", "T3"]

    def test_any_text_can_be_kept(self, stores):
        stores.installations.save(make_installation(team_name=HOSTILE))

        assert stores.installations.find(TEAM).team_name.startswith("a")


class TestRotatingTokens:
    OLD = make_installation(
        bot_token="xoxe.xoxb-1",
        refresh_token="xoxe-1",
        expires_at=NOW,
        installed_at=NOW,
        team_name="Team",
    )
    NEW = make_installation(
        bot_token="xoxe.xoxb-2",
        refresh_token="xoxe-2",
        expires_at=NOW + timedelta(hours=12),
        installed_at=NOW,
        team_name="Team",
    )

    def test_who_spent_the_stored_one_wins_once(self, stores):
        stores.installations.save(self.OLD)

        assert stores.installations.replace_tokens(self.NEW, "xoxe-1")
        assert not stores.installations.replace_tokens(self.OLD, "xoxe-1")
        assert stores.installations.find(TEAM) == self.NEW

    @pytest.mark.parametrize("spent", ["", "xoxe-0", "xoxe-1 "])
    def test_who_spent_another_one_loses(self, stores, spent):
        stores.installations.save(self.OLD)

        assert not stores.installations.replace_tokens(self.NEW, spent)
        assert stores.installations.find(TEAM) == self.OLD

    def test_where_tokens_do_not_rotate_nobody_wins(self, stores):
        stores.installations.save(make_installation())

        assert not stores.installations.replace_tokens(self.NEW, "")

    def test_an_organisations_tokens_rotate_too(self, stores):
        stores.installations.save(make_installation(ORG, refresh_token="r1"))
        new = make_installation(SERVED_BY_ORG, bot_token="new", refresh_token="r2")

        assert stores.installations.replace_tokens(new, "r1")
        assert stores.installations.find(IN_GRID).bot_token == "new"

    def test_of_many_threads_one_wins(self, stores):
        stores.installations.save(self.OLD)

        won = at_once(lambda: stores.installations.replace_tokens(self.NEW, "xoxe-1"))

        assert sorted(won) == [False] * (THREADS - 1) + [True]

    def test_many_threads_may_install_at_once(self, stores):
        at_once(lambda: stores.installations.save(self.NEW))

        assert stores.installations.all() == [self.NEW]


class TestForgettingAWorkspace:
    @pytest.fixture(autouse=True)
    def _two_organisations(self, stores):
        for workspace in (ORG, IN_GRID, Workspace("", "E2", is_org_install=True)):
            stores.installations.save(make_installation(workspace))
        for team in ("T1", "T2", "T3"):
            stores.posts.record(make_post(Workspace(team, "E1", team != "T1"), team))
        stores.posts.record(make_post(Workspace("", "E1", is_org_install=True), "E1"))
        stores.posts.record(make_post(Workspace("T7", "E2", is_org_install=True), "T7"))

    def left(self, stores):
        places = [("T1", "E1"), ("T2", "E1"), ("T3", "E1"), ("", "E1"), ("T7", "E2")]
        found = [
            stores.posts.find(Workspace(team, organisation), team or organisation)
            for team, organisation in places
        ]
        return [one.post.post_id for one in found if one]

    @pytest.mark.parametrize("asked", [IN_GRID, TEAM])
    def test_its_own_goes_with_its_posts_only(self, stores, asked):
        assert stores.installations.delete(asked)

        assert stores.installations.find(IN_GRID).workspace == ORG
        assert self.left(stores) == ["T2", "T3", "E1", "T7"]
        assert not stores.installations.delete(asked)

    @pytest.mark.parametrize("asked", [ORG, SERVED_BY_ORG, Workspace("", "E1")])
    def test_with_an_organisations_go_the_posts_that_it_served(self, stores, asked):
        assert stores.installations.delete(asked)

        assert stores.installations.find(Workspace("T2", "E1")) is None
        assert stores.installations.find(IN_GRID).workspace == IN_GRID
        assert self.left(stores) == ["T1", "T7"]

    @pytest.mark.parametrize(("later", "remaining"), [(0, 0), (1, 1)])
    def test_what_was_installed_later_stays_with_its_posts(
        self, stores, later, remaining
    ):
        installed_at = NOW + timedelta(microseconds=later)
        stores.installations.save(make_installation(IN_GRID, installed_at=installed_at))

        assert stores.installations.delete(IN_GRID, until=NOW) is not bool(later)

        assert self.left(stores).count("T1") == remaining

    def test_late_rows_go_but_not_those_of_who_has_it(self, stores):
        stores.installations.delete_rows(IN_GRID)
        stores.installations.delete_rows(Workspace("T2", "E1"))

        assert self.left(stores) == ["T1", "T3", "E1", "T7"]

    def test_rows_go_even_where_the_installation_is_gone(self, stores):
        assert not stores.installations.delete(Workspace("T2", "E1"))

        assert self.left(stores) == ["T1", "T3", "E1", "T7"]

    @pytest.mark.parametrize("asked", [STRANGER, Workspace("")])
    def test_a_stranger_takes_nothing_along(self, stores, asked):
        assert not stores.installations.delete(asked)

        assert len(stores.installations.all()) == 3
        assert len(self.left(stores)) == 5


class TestOAuthStates:
    @pytest.mark.parametrize("state", ["", "x", "../x", HOSTILE, "a" * 10_000])
    def test_what_was_not_issued_is_refused(self, stores, state):
        stores.states.issue()

        assert not stores.states.consume(state)

    def test_each_is_good_once(self, stores):
        one, other = stores.states.issue(), stores.states.issue()

        assert stores.states.consume(one)
        assert not stores.states.consume(one)
        assert stores.states.consume(other)

    def test_they_can_be_sent_in_an_address_and_not_be_guessed(self, stores):
        state = stores.states.issue()

        assert len(state) >= 40
        assert state.isascii()
        assert state.replace("-", "").replace("_", "").isalnum()

    @pytest.mark.parametrize(
        ("seconds", "good"), [(0, True), (599, True), (600, False), (86_400, False)]
    )
    def test_they_are_good_for_ten_minutes(self, stores, clock, seconds, good):
        state = stores.states.issue()
        clock.advance(seconds)

        assert stores.states.consume(state) is good
        assert not stores.states.consume(state)

    def test_issuing_another_one_leaves_a_fresh_one_good(self, stores, clock):
        state = stores.states.issue()
        clock.advance(500)
        stores.states.issue()

        assert stores.states.consume(state)

    def test_of_many_threads_one_gets_it(self, stores):
        state = stores.states.issue()

        got = at_once(lambda: stores.states.consume(state))

        assert sorted(got) == [False] * (THREADS - 1) + [True]

    def test_many_threads_get_one_each(self, stores):
        issued = at_once(stores.states.issue)

        assert len(set(issued)) == THREADS
        assert all(map(stores.states.consume, issued))
