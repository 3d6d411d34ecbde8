"""The cache of installations: quick, bounded, and never of one that ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from slack_bolt import BoltContext

from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.slack import authorize
from emojifier_bot.slack.authorize import CACHE_SECONDS, CachedAuthorize
from tests.fakes.clock import NOW

HERE = Workspace("T1", "E1")
THERE = Workspace("T2", "E1")
ORGANISATION = Workspace("", "E1", is_org_install=True)


class CountingStore:
    """A real store that counts its searches."""

    def __init__(self, store: InstallationStore) -> None:
        self.store = store
        self.finds = 0
        #: Called at the end of each search.
        self.after_find: Callable[[], None] = lambda: None

    def find(self, workspace: Workspace) -> Installation | None:
        self.finds += 1
        found = self.store.find(workspace)
        self.after_find()
        return found


def installed(workspace: Workspace = HERE) -> Installation:
    return Installation(workspace, "xoxb-1", "UBOT", "BBOT", installed_at=NOW)


@pytest.fixture
def store(make_store):
    return CountingStore(make_store(installed(), installed(THERE)))


@pytest.fixture
def cached(store, clock):
    return CachedAuthorize(store, clock)


def test_that_nothing_is_installed_is_not_cached(store, cached):
    store.store.delete(HERE)

    assert cached.installation(HERE) is None
    store.store.save(installed())
    assert cached.installation(HERE) == installed()


@pytest.mark.parametrize("is_installed", [True, False])
def test_bolt_gets_the_bots_ids_but_no_token(store, cached, is_installed):
    if not is_installed:
        store.store.delete(HERE)
    context = BoltContext({"team_id": "T1", "enterprise_id": "E1"})

    result = cached(context=context, enterprise_id="E1", team_id="T1", user_id="U1")

    assert "xoxb" not in str(result)
    if is_installed:
        assert (result.bot_user_id, result.bot_id) == ("UBOT", "BBOT")
        assert result.user_id == "U1"
    else:
        assert result is None


def test_the_store_is_asked_once_a_minute(store, cached, clock):
    for _ in range(1000):
        cached.installation(HERE)
    assert store.finds == 1
    clock.advance(CACHE_SECONDS + 1)
    cached.installation(HERE)
    assert store.finds == 2


def test_an_uninstallation_by_another_process_is_noticed_within_a_minute(
    store, cached, clock
):
    cached.installation(HERE)

    store.store.delete(HERE)
    clock.advance(CACHE_SECONDS + 1)

    assert cached.installation(HERE) is None


@pytest.mark.parametrize(
    ("ended", "asked_again"), [(HERE, 1), (THERE, 1), (ORGANISATION, 2)]
)
def test_an_invalidation_asks_the_store_again(store, cached, ended, asked_again):
    cached.installation(HERE)
    cached.installation(THERE)
    store.finds = 0

    cached.invalidate(ended)
    cached.installation(HERE)
    cached.installation(THERE)

    assert store.finds == asked_again


def test_a_search_that_began_before_an_uninstallation_is_not_cached(store, cached):
    def uninstall():
        store.store.delete(HERE)
        cached.invalidate(HERE)

    store.after_find = uninstall
    cached.installation(HERE)
    store.after_find = lambda: None

    assert cached.installation(HERE) is None


def test_the_cache_is_bounded(store, cached, monkeypatch):
    monkeypatch.setattr(authorize, "CACHE_SIZE", 3)
    teams = [Workspace(f"T{number}") for number in range(5)]
    for team in teams:
        store.store.save(installed(team))
        cached.installation(team)

    cached.installation(teams[-1])
    assert store.finds == 5
    cached.installation(teams[0])
    assert store.finds == 6
