"""Migrations with data in the tables, forward and back, and beside what still runs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from emojifier_bot.db import migrate
from emojifier_bot.db.migrate import VERSION_TABLE, downgrade, revision_of, upgrade
from tests.builders_store import (
    TEAM,
    connected,
    make_installation,
    sql_stores,
)
from tests.fakes.clock import FakeClock

ROWS = 3
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SHAPES = [
    step.revision
    for step in reversed([*ScriptDirectory(migrate.MIGRATIONS).walk_revisions()])
]
ADDED = "added_by_a_newer_version"


def tables_of(connection):
    found = sa.MetaData()
    found.reflect(connection)
    return [one for one in found.sorted_tables if one.name != VERSION_TABLE]


def value_for(column, number):
    """Return a value that differs from row to row and from column to column."""
    if isinstance(column.type, sa.Boolean):
        return bool(number % 2)
    if isinstance(column.type, sa.JSON):
        return [column.name, {"number": number, "text": "é 😆"}]
    if isinstance(column.type, sa.DateTime):
        moment = NOW + timedelta(hours=number)
        # SQLite keeps UTC and no zone.
        return moment if column.type.timezone else moment.replace(tzinfo=None)
    if isinstance(column.type, sa.Text | sa.String):
        return f"{column.name} {number} '\"% é 😆"
    return number


def fill(connection):
    for table in tables_of(connection):
        for number in range(1, ROWS + 1):
            values = {one.name: value_for(one, number) for one in table.columns}
            connection.execute(sa.insert(table).values(values))


def contents(connection):
    """Return every row of every table, with the names of the columns."""
    return {
        table.name: sorted(
            (dict(row) for row in connection.execute(sa.select(table)).mappings()),
            key=repr,
        )
        for table in tables_of(connection)
    }


def without_new(rows_by_table, old):
    """Leave out tables and columns that the older shape does not have."""
    return {
        name: [{key: row[key] for key in old[name][0]} for row in rows_by_table[name]]
        for name in old
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_data_of_every_shape_comes_to_the_newest_and_back_unchanged(
    empty_database_url, shape
):
    upgrade(empty_database_url, shape)
    with connected(empty_database_url) as connection:
        fill(connection)
        before = contents(connection)

    upgrade(empty_database_url)
    with connected(empty_database_url) as connection:
        assert without_new(contents(connection), before) == before
    assert revision_of(empty_database_url) == SHAPES[-1]

    downgrade(empty_database_url, shape)
    with connected(empty_database_url) as connection:
        assert contents(connection) == before
    assert revision_of(empty_database_url) == shape


def test_going_back_takes_the_data_of_newer_tables_alone(empty_database_url):
    upgrade(empty_database_url)
    with connected(empty_database_url) as connection:
        fill(connection)
        full = contents(connection)

    downgrade(empty_database_url, SHAPES[0])
    with connected(empty_database_url) as connection:
        oldest = contents(connection)
    upgrade(empty_database_url)

    with connected(empty_database_url) as connection:
        again = contents(connection)
    assert again.keys() == full.keys()
    kept = {name for name, rows in again.items() if rows}
    assert kept == {"installations", "oauth_states", "posts"}
    assert without_new(again, oldest) == without_new(full, oldest) == oldest


@pytest.mark.parametrize("steps", [*pairwise(SHAPES)])
def test_a_step_takes_nothing_that_the_version_before_needs(empty_database_url, steps):
    older, newer = steps
    columns = []
    for shape in (older, newer):
        upgrade(empty_database_url, shape)
        with connected(empty_database_url) as connection:
            columns.append(
                {
                    (table.name, one.name): one
                    for table in tables_of(connection)
                    for one in table.columns
                }
            )

    before, after = columns
    assert before.keys() <= after.keys()
    known = {table for table, _ in before}
    for (table, name), column in after.items():
        if table in known and (table, name) not in before:
            assert column.nullable or column.server_default is not None, name


class Neighbour(threading.Thread):
    """A process of the version before: it reads and writes, over and over.

    It writes posts with the columns of the oldest shape.
    """

    def __init__(self, stores):
        super().__init__()
        self._stores = stores
        self._database = stores.posts.database
        with self._database.reading() as connection:
            (self._posts,) = [
                one for one in tables_of(connection) if one.name == "posts"
            ]
        self._told_to_end = threading.Event()
        self.rounds, self.problems = 0, []

    def run(self):
        while not self._told_to_end.wait(0.01):
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - told to the test
                self.problems.append(error)
            self.rounds += 1

    def _work(self):
        stores, name = self._stores, f"p{self.rounds}"
        token = make_installation().bot_token
        assert stores.installations.find(TEAM).bot_token == token
        row = {one.name: value_for(one, self.rounds) for one in self._posts.columns}
        row["post_id"] = name
        with self._database.writing() as connection:
            connection.execute(sa.insert(self._posts).values(row))
        own = sa.select(self._posts).filter_by(post_id=name)
        with self._database.reading() as connection:
            assert dict(connection.execute(own).mappings().one()) == row
        assert stores.states.consume(stores.states.issue())

    def wait_for_rounds(self, count):
        until = self.rounds + count
        while self.rounds < until and self.is_alive():
            threading.Event().wait(0.01)

    def __enter__(self):
        self.start()
        self.wait_for_rounds(2)
        return self

    def __exit__(self, *_):
        self.wait_for_rounds(2)
        self._told_to_end.set()
        self.join()


def test_processes_go_on_while_the_tables_change_there_and_back(empty_database_url):
    with sql_stores(empty_database_url, FakeClock()) as (stores, _):
        downgrade(empty_database_url, SHAPES[0])
        stores.installations.save(make_installation())

        with Neighbour(stores) as neighbour:
            for _ in range(3):
                upgrade(empty_database_url)
                neighbour.wait_for_rounds(1)
                downgrade(empty_database_url, SHAPES[0])

    assert neighbour.problems == []


def test_processes_go_on_while_their_own_tables_grow(empty_database_url):
    with sql_stores(empty_database_url, FakeClock()) as (stores, _):
        stores.installations.save(make_installation())

        with Neighbour(stores) as neighbour:
            for table in ("installations", "posts"):
                with connected(empty_database_url) as connection:
                    kind = "TEXT NOT NULL DEFAULT ''"
                    grown = f"ALTER TABLE {table} ADD COLUMN {ADDED} {kind}"
                    connection.execute(sa.text(grown))
                neighbour.wait_for_rounds(2)

    assert neighbour.problems == []
