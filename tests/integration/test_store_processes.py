"""Several processes on one database, as web and workers are."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from emojifier_bot.db.crypto import generate_key, open_vault
from tests.builders_store import TEAM, make_installation, make_post, sql_stores
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).parents[2]
PROCESSES = 4
#: Says that it is there, waits for the others, tells what `act` returned.
PROGRAM = """
import json, os, sys
from emojifier_bot.domain import Workspace
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.crypto import Vault, open_vault
from tests.builders_store import make_installation, sql_stores
from tests.fakes.clock import FakeClock

url, given = sys.argv[1:]
team = Workspace("T1")

{act}

print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(act()), flush=True)
"""


@pytest.fixture
def at_once():
    """Return what an action gives to several processes that do it together."""

    def run(act: str, url: str, given: str = "") -> list:
        command = [sys.executable, "-W", "error", "-c", PROGRAM.format(act=act)]
        with ExitStack() as stack:
            processes = [
                stack.enter_context(
                    subprocess.Popen(
                        [*command, url, given],
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                for _ in range(PROCESSES)
            ]
            for process in processes:
                assert process.stdout.readline() == "ready\n"
            for process in processes:
                process.stdin.write("go\n")
                process.stdin.flush()
            told = [process.communicate()[0] for process in processes]
        return [json.loads(one) for one in told]

    return run


def test_all_that_start_together_find_the_tables(at_once, empty_database_url):
    act = """
def act():
    upgrade(url)
    with sql_stores(url, FakeClock()) as (stores, _):
        return [stores.states.consume("x"), len(stores.installations.all())]
"""

    assert at_once(act, empty_database_url) == [[False, 0]] * PROCESSES


def test_all_that_start_together_take_the_same_new_key(at_once, empty_sqlite_url):
    act = """
def act():
    sealed = open_vault("", url).seal("secret")
    return [sealed, open_vault("", url).unseal(sealed)]
"""

    told = at_once(act, empty_sqlite_url)

    assert [plain for _, plain in told] == ["secret"] * PROCESSES
    folder = Path(empty_sqlite_url.removeprefix("sqlite:///")).parent
    assert [file.name for file in folder.iterdir()] == ["bot.db.keys"]
    vault = open_vault("", empty_sqlite_url)
    assert [vault.unseal(sealed) for sealed, _ in told] == ["secret"] * PROCESSES


def test_a_state_is_consumed_by_one(at_once, database_url):
    with sql_stores(database_url, FakeClock()) as (stores, _):
        state = stores.states.issue()
    act = """
def act():
    with sql_stores(url, FakeClock()) as (stores, _):
        return stores.states.consume(given)
"""

    assert sorted(at_once(act, database_url, state)) == [False] * (PROCESSES - 1) + [
        True
    ]


def test_a_refresh_token_is_spent_by_one(at_once, database_url):
    key = generate_key()
    act = """
def act():
    with sql_stores(url, FakeClock(), Vault([given])) as (stores, _):
        mine = make_installation(bot_token=str(os.getpid()), refresh_token="r2")
        return [stores.installations.replace_tokens(mine, "r1"), str(os.getpid())]
"""
    with sql_stores(database_url, FakeClock()) as (stores, _):
        stores.installations.save(make_installation(refresh_token="r1"))

    told = at_once(act, database_url, key)

    (winner,) = [who for won, who in told if won]
    act = """
def act():
    with sql_stores(url, FakeClock(), Vault([given])) as (stores, _):
        return stores.installations.find(team).bot_token
"""
    assert set(at_once(act, database_url, key)) == {winner}


def test_every_press_gets_a_number_of_its_own(at_once, database_url):
    with sql_stores(database_url, FakeClock()) as (stores, _):
        stores.posts.record(make_post(TEAM, "p1"))
    act = """
def act():
    with sql_stores(url, FakeClock()) as (stores, _):
        return [stores.posts.count_press(team, "p1") for _ in range(20)]
"""

    told = at_once(act, database_url)

    numbers = sorted(number for one in told for number in one)
    assert numbers == list(range(1, 20 * PROCESSES + 1))
