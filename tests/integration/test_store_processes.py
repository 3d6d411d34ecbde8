"""Several processes on one database, as web and workers are."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

from emojifier_bot.db.crypto import Vault, generate_key, open_vault
from tests.builders_store import TEAM, make_installation, make_post, sql_stores
from tests.fakes.clock import FakeClock
from tests.threads import PROCESSES, at_once_in_processes


@contextmanager
def opened(url, vault=None):
    with sql_stores(url, FakeClock(), vault) as (stores, _):
        yield stores


def find_tables(url):
    with opened(url) as stores:
        return stores.states.consume("x"), len(stores.installations.all())


def test_all_that_start_together_find_the_tables(empty_database_url):
    told = at_once_in_processes(find_tables, empty_database_url)

    assert told == [(False, 0)] * PROCESSES


def seal_and_unseal(url):
    sealed = open_vault("", url).seal("secret")
    return sealed, open_vault("", url).unseal(sealed)


def test_all_that_start_together_take_the_same_new_key(empty_sqlite_url):
    told = at_once_in_processes(seal_and_unseal, empty_sqlite_url)

    assert [plain for _, plain in told] == ["secret"] * PROCESSES
    folder = Path(empty_sqlite_url.removeprefix("sqlite:///")).parent
    assert [file.name for file in folder.iterdir()] == ["bot.db.keys"]
    vault = open_vault("", empty_sqlite_url)
    assert [vault.unseal(sealed) for sealed, _ in told] == ["secret"] * PROCESSES


def consume(url, state):
    with opened(url) as stores:
        return stores.states.consume(state)


def test_a_state_is_consumed_by_one(database_url):
    with opened(database_url) as stores:
        state = stores.states.issue()

    told = at_once_in_processes(consume, database_url, state)

    assert sorted(told) == [False] * (PROCESSES - 1) + [True]


def spend(url, key):
    mine = make_installation(bot_token=str(os.getpid()), refresh_token="r2")
    with opened(url, Vault([key])) as stores:
        return stores.installations.replace_tokens(mine, "r1"), mine.bot_token


def test_a_refresh_token_is_spent_by_one(database_url):
    key = generate_key()
    with opened(database_url) as stores:
        stores.installations.save(make_installation(refresh_token="r1"))

    told = at_once_in_processes(spend, database_url, key)

    (winner,) = [who for won, who in told if won]
    with opened(database_url, Vault([key])) as stores:
        assert stores.installations.find(TEAM).bot_token == winner


def press(url):
    with opened(url) as stores:
        return [stores.posts.count_press(TEAM, "p1") for _ in range(20)]


def test_every_press_gets_a_number_of_its_own(database_url):
    with opened(database_url) as stores:
        stores.posts.record(make_post(TEAM, "p1"))

    told = at_once_in_processes(press, database_url)

    numbers = sorted(number for one in told for number in one)
    assert numbers == list(range(1, 20 * PROCESSES + 1))
