"""Operators move the bot from SQLite to PostgreSQL, and back: nothing is forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emojifier_bot.app.bot import make_queue
from emojifier_bot.config import load_settings
from emojifier_bot.db.copy import COPIED
from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.drafts import Draft
from emojifier_bot.db.engine import open_database
from emojifier_bot.db.migrate import upgrade
from emojifier_bot.db.preferences import Preference
from emojifier_bot.domain import ImageReference
from tests.builders_store import (
    ELSEWHERE,
    HOSTILE,
    IN_GRID,
    TEAM,
    make_installation,
    make_post,
    sql_stores,
)
from tests.fakes.clock import NOW, ManualClock
from tests.jobs_harness import make_request

KEY = generate_key()
OK, FAILED, WRONG_USAGE = 0, 1, 2


def fill(url: str) -> None:
    """Have a bot remember one or two of everything."""
    # Its queue has tables of its own.
    make_queue(load_settings(database_url=url)).close()
    with sql_stores(url, ManualClock(), Vault([KEY])) as (stores, _):
        rotating = {"refresh_token": "xoxe-1", "expires_at": NOW + timedelta(hours=9)}
        stores.installations.save(make_installation(TEAM, scopes=("commands",)))
        stores.installations.save(make_installation(ELSEWHERE, **rotating))
        address = ImageReference(
            sealed_address=Vault([KEY]).seal("https://example.com/a")
        )
        stores.posts.record(make_post(title=HOSTILE, source=address))
        stores.posts.record(make_post(IN_GRID, "p2"))
        stores.posts.mark_deleted(TEAM, "p1", "U9")
        stores.settings.opt(TEAM, "U1", out=True)
        stores.settings.switch(TEAM, "C1", "U2", off=True)
        stores.allowances.take(TEAM, "U1")
        stores.preferences.choose(TEAM, "U1", Preference.THEME, "classic")
        stores.drafts.begin(Draft("d1", make_request()))


def rows_of(url: str) -> dict[str, list[dict]]:
    with closing(open_database(url)) as database, database.reading() as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(
                    sa.select(table).order_by(*table.primary_key)
                ).mappings()
            ]
            for table in COPIED
        }


def test_there_and_back_everything_is_as_it_was(
    run, sqlite_url, postgres_url, tmp_path
):
    fill(sqlite_url)
    before = rows_of(sqlite_url)
    assert all(before.values())

    there = run(
        "migrate", "--from", sqlite_url, DATABASE_URL=postgres_url, ENCRYPTION_KEYS=KEY
    )
    assert there.returncode == OK, there.stderr
    assert b"opt_outs 1 row," in there.stderr
    assert rows_of(postgres_url) == before

    third = f"sqlite:///{tmp_path / 'third.db'}"
    plain = postgres_url.replace("+psycopg", "")
    back = run("migrate", "--from", plain, DATABASE_URL=third, ENCRYPTION_KEYS=KEY)
    assert back.returncode == OK, back.stderr
    assert rows_of(third) == before == rows_of(sqlite_url)

    exports = [
        run("workspace", "export", "T1", DATABASE_URL=url, ENCRYPTION_KEYS=KEY).stdout
        for url in (sqlite_url, third)
    ]
    assert exports[0] == exports[1]
    assert b"https://example.com/a" in exports[0]


def test_what_is_in_use_is_not_written_over(run, sqlite_url, tmp_path):
    fill(sqlite_url)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    upgrade(other)
    with sql_stores(other, ManualClock(), Vault([KEY])) as (stores, _):
        stores.posts.record(make_post())
    before = rows_of(other)

    done = run("migrate", "--from", sqlite_url, DATABASE_URL=other, ENCRYPTION_KEYS=KEY)

    assert done.returncode == FAILED
    assert b"posts holds rows" in done.stderr
    assert rows_of(other) == before


def test_other_keys_are_refused_before_anything_is_copied(run, sqlite_url, tmp_path):
    fill(sqlite_url)
    other = f"sqlite:///{tmp_path / 'other.db'}"

    done = run("migrate", "--from", sqlite_url, DATABASE_URL=other)

    assert done.returncode == FAILED
    assert b"ENCRYPTION_KEYS" in done.stderr
    assert not any(rows_of(other).values())


def test_jobs_that_have_not_ended_are_not_left_behind_in_silence(
    run, sqlite_url, tmp_path
):
    fill(sqlite_url)
    queue = make_queue(load_settings(database_url=sqlite_url))
    queue.enqueue(make_request(), "one")
    queue.close()
    other = tmp_path / "other.db"

    done = run(
        "migrate",
        *("--from", sqlite_url),
        DATABASE_URL=f"sqlite:///{other}",
        ENCRYPTION_KEYS=KEY,
    )

    assert done.returncode == FAILED
    assert b"1 jobs of the database" in done.stderr
    assert not other.exists()


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--from", "mysql://x"], WRONG_USAGE, b"--from must be"),
        (["--from", "sqlite:///nowhere.db"], FAILED, b"Look at --from, or run"),
        (["--from", "sqlite:///a.db", "--to", "0001"], WRONG_USAGE, b"leave --to out"),
    ],
)
def test_what_cannot_be_copied_from(run, tmp_path, options, code, says):
    done = run("migrate", *options)

    assert done.returncode == code
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_copy_takes_no_half_of_it(run, sqlite_url, tmp_path):
    fill(sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE posts SET source_address = 'not sealed'")
        database.commit()
    other = f"sqlite:///{tmp_path / 'other.db'}"

    done = run("migrate", "--from", sqlite_url, DATABASE_URL=other, ENCRYPTION_KEYS=KEY)

    assert done.returncode == FAILED
    assert not any(rows_of(other).values())
