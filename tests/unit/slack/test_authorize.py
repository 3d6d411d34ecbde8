from __future__ import annotations

import pytest
from slack_bolt import BoltContext

from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.slack import authorize
from emojifier_bot.slack.authorize import CACHE_SECONDS, CachedAuthorize
from tests.fakes.inbound import NOW, SetClock, WatchedInstallations

HERE = Workspace("T1", "E1")
THERE = Workspace("T2", "E1")
WHOLE = Workspace("", "E1", is_org_install=True)


def installed(workspace: Workspace = HERE) -> Installation:
    return Installation(workspace, "xoxb-1", "UBOT", "BBOT", installed_at=NOW)


@pytest.fixture
def clock():
    return SetClock()


def test_nobody_is_known(clock):
    store = WatchedInstallations()
    known = CachedAuthorize(store, clock)

    assert known.installation(HERE) is None
    store.save(installed())
    assert known.installation(HERE) == installed()


def test_bolt_learns_who_the_bot_is_but_no_token(clock):
    known = CachedAuthorize(WatchedInstallations(installed()), clock)
    context = BoltContext({"team_id": "T1", "enterprise_id": "E1"})

    result = known(context=context, enterprise_id="E1", team_id="T1", user_id="U1")

    assert (result.bot_user_id, result.bot_id) == ("UBOT", "BBOT")
    assert result.user_id == "U1"
    assert "xoxb" not in str(result)


def test_bolt_learns_that_nobody_is_known(clock):
    known = CachedAuthorize(WatchedInstallations(), clock)
    context = BoltContext({"team_id": "T1"})

    assert not known(context=context, enterprise_id=None, team_id="T1", user_id="U1")


def test_the_store_is_asked_once_a_minute(clock):
    store = WatchedInstallations(installed())
    known = CachedAuthorize(store, clock)

    for _ in range(1000):
        known.installation(HERE)
    assert store.finds == 1
    clock.advance(CACHE_SECONDS + 1)
    known.installation(HERE)
    assert store.finds == 2


def test_an_uninstallation_elsewhere_is_noticed_within_a_minute(clock):
    store = WatchedInstallations(installed())
    known = CachedAuthorize(store, clock)
    known.installation(HERE)

    store.delete(HERE)
    clock.advance(CACHE_SECONDS + 1)

    assert known.installation(HERE) is None


@pytest.mark.parametrize(
    ("ended", "others_asked_again"), [(HERE, 0), (THERE, 0), (WHOLE, 1)]
)
def test_what_is_forgotten_is_asked_again(clock, ended, others_asked_again):
    store = WatchedInstallations(installed(), installed(THERE))
    known = CachedAuthorize(store, clock)
    known.installation(HERE)
    known.installation(THERE)
    store.finds = 0

    known.invalidate(ended)
    known.installation(HERE)
    known.installation(THERE)

    assert store.finds == 1 + others_asked_again


def test_a_search_that_began_before_an_uninstallation_is_not_remembered(clock):
    store = WatchedInstallations(installed())
    known = CachedAuthorize(store, clock)

    def uninstall():
        store.delete(HERE)
        known.invalidate(HERE)

    store.during_find = uninstall
    known.installation(HERE)
    store.during_find = lambda: None

    assert known.installation(HERE) is None


def test_it_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(authorize, "CACHE_SIZE", 3)
    teams = [Workspace(f"T{number}") for number in range(5)]
    store = WatchedInstallations(*map(installed, teams))
    known = CachedAuthorize(store, clock)

    for team in teams:
        known.installation(team)
    known.installation(teams[-1])
    assert store.finds == 5
    known.installation(teams[0])
    assert store.finds == 6
