from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from emojifier_bot.db.crypto import (
    ROTATION_BATCH_ROWS,
    Rotation,
    Vault,
    generate_key,
    rotate,
)
from emojifier_bot.db.tables import INSTALLATIONS, sealed_columns
from emojifier_bot.domain import ImageReference, Workspace
from tests.builders_store import TEAM, make_installation, make_post, sql_stores
from tests.fakes.clock import FakeClock

OLD_KEY, NEW_KEY = generate_key(), generate_key()
OLD, NEW = Vault([OLD_KEY]), Vault([NEW_KEY])
BOTH = Vault([NEW_KEY, OLD_KEY])


@pytest.fixture
def opened(database_url):
    with sql_stores(database_url, FakeClock(), OLD) as (stores, database):
        yield stores, database


def sealed_values(database):
    with database.reading() as connection:
        return [
            value
            for column in sealed_columns()
            for (value,) in connection.execute(sa.select(column).where(column != ""))
        ]


def fill(stores, workspaces):
    for number in range(workspaces):
        workspace = Workspace(f"T{number}")
        refresh = f"xoxe-{number}" if number % 2 else ""
        stores.installations.save(make_installation(workspace, refresh_token=refresh))
        address = OLD.seal(f"https://example.com/{number}")
        source = ImageReference(sealed_address=address)
        stores.posts.record(make_post(workspace, f"p{number}", source=source))
        stores.posts.record(make_post(workspace, f"q{number}"))


def test_the_sealed_columns():
    names = [f"{column.table.name}.{column.name}" for column in sealed_columns()]

    assert sorted(names) == [
        "drafts.content",
        "installations.bot_token",
        "installations.refresh_token",
        "posts.sealed_words",
        "posts.source_address",
    ]


def test_an_empty_database_has_nothing_to_renew(opened):
    assert rotate(opened[1], BOTH) == Rotation(renewed=0, unreadable=0)


def test_everything_is_renewed_once(opened, database_url):
    stores, database = opened
    fill(stores, 30)

    # Tokens, every second one with a refresh token, addresses, and words of two posts.
    assert rotate(database, BOTH) == Rotation(renewed=30 + 15 + 30 + 60, unreadable=0)
    assert rotate(database, BOTH) == Rotation(renewed=0, unreadable=0)

    # The old key may go now.
    assert len([NEW.unseal(value) for value in sealed_values(database)]) == 135
    with sql_stores(database_url, FakeClock(), NEW) as (renewed, _):
        found = renewed.installations.find(Workspace("T7"))
        assert (found.bot_token, found.refresh_token) == ("xoxb-T7-", "xoxe-7")
        assert renewed.installations.replace_tokens(found, "xoxe-7")
        address = renewed.posts.find(Workspace("T7"), "p7").post.source.sealed_address
        assert NEW.unseal(address) == "https://example.com/7"


@pytest.mark.parametrize("rows", [ROTATION_BATCH_ROWS, ROTATION_BATCH_ROWS + 1])
def test_more_than_a_batch_is_renewed(opened, rows):
    stores, database = opened
    with database.writing() as connection:
        row = stores.installations._row(make_installation())
        many = [row | {"holder_id": f"T{number}"} for number in range(rows)]
        connection.execute(sa.insert(INSTALLATIONS), many)

    assert rotate(database, BOTH).renewed == rows


def test_what_no_key_opens_is_counted_and_left(opened):
    stores, database = opened
    fill(stores, 2)
    lost = Vault([generate_key()]).seal("lost")
    source = ImageReference(sealed_address=lost)
    stores.posts.record(make_post(TEAM, "lost", source=source))

    assert rotate(database, BOTH) == Rotation(renewed=10, unreadable=1)
    assert stores.posts.find(TEAM, "lost").post.source.sealed_address == lost


class SlowVault(Vault):
    """Renews as the real one, and lets somebody else write before it is done."""

    def __init__(self, meanwhile):
        super().__init__([NEW_KEY, OLD_KEY])
        self.meanwhile = meanwhile

    def renew(self, sealed):
        renewed = super().renew(sealed)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return renewed


@pytest.mark.parametrize("vault", [BOTH, OLD], ids=["new key", "old key"])
def test_what_another_process_replaces_meanwhile_is_kept(opened, database_url, vault):
    stores, database = opened
    stores.installations.save(make_installation(refresh_token="r1"))
    newer = make_installation(bot_token="newer", refresh_token="r2")

    def replace_tokens():
        with sql_stores(database_url, FakeClock(), vault) as (others, _):
            assert others.installations.replace_tokens(newer, "r1")

    rotate(database, SlowVault(replace_tokens))

    with sql_stores(database_url, FakeClock(), NEW) as (renewed, _):
        found = renewed.installations.find(TEAM)
        assert (found.bot_token, found.refresh_token) == ("newer", "r2")


def test_others_are_served_meanwhile(opened, database_url):
    stores, database = opened
    fill(stores, 40)
    stop, failures, rounds = threading.Event(), [], []

    def serve():
        with sql_stores(database_url, FakeClock(), BOTH) as (others, _):
            while not stop.is_set() or not rounds:
                found = others.installations.find(Workspace("T9"))
                if found.bot_token != "xoxb-T9-":
                    failures.append(found)
                others.posts.count_press(Workspace("T9"), "p9")
                rounds.append(1)

    thread = threading.Thread(target=serve)
    thread.start()
    done = rotate(database, BOTH)
    stop.set()
    thread.join()

    assert (done, failures) == (Rotation(renewed=40 + 20 + 40 + 80, unreadable=0), [])
    assert stores.posts.find(Workspace("T9"), "p9").presses == len(rounds)
