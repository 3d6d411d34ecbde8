from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from emojifier_bot.db import migrate
from emojifier_bot.db.migrate import (
    VERSION_TABLE,
    SchemaState,
    downgrade,
    schema_state,
    upgrade,
)
from emojifier_bot.db.tables import METADATA
from emojifier_bot.errors import StoreError
from tests.builders_store import (
    TEAM,
    connected,
    make_installation,
    make_post,
    sql_stores,
)
from tests.fakes.clock import FakeClock


def tables(url):
    with connected(url) as connection:
        return set(sa.inspect(connection).get_table_names())


def test_migrations_and_tables_say_the_same(empty_database_url):
    upgrade(empty_database_url)

    with connected(empty_database_url) as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []


def test_every_index_and_key_has_the_same_name(empty_database_url):
    upgrade(empty_database_url)

    with connected(empty_database_url) as connection:
        found = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            names = {one["name"] for one in found.get_indexes(table.name)}
            assert names == {index.name for index in table.indexes}
            assert found.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"


def test_a_second_time_changes_nothing_and_loses_nothing(empty_database_url):
    with sql_stores(empty_database_url, FakeClock()) as (stores, _):
        stores.installations.save(make_installation())
        stores.posts.record(make_post())

        upgrade(empty_database_url)

        assert stores.installations.find(TEAM)
        assert stores.posts.find(TEAM, "p1")


def test_every_step_goes_back_and_forth_with_data_in(empty_database_url):
    steps = list(ScriptDirectory(migrate.MIGRATIONS).walk_revisions())
    with sql_stores(empty_database_url, FakeClock()) as (stores, _):
        stores.installations.save(make_installation())
        stores.states.issue()
        stores.posts.record(make_post())

    for _ in steps:
        downgrade(empty_database_url, "-1")

    assert tables(empty_database_url) == {VERSION_TABLE}
    with sql_stores(empty_database_url, FakeClock()) as (stores, _):
        assert stores.installations.all() == []
        stores.posts.record(make_post())


def test_going_back_leaves_tables_of_others_alone(empty_database_url):
    upgrade(empty_database_url)
    with connected(empty_database_url) as connection:
        connection.execute(sa.text("CREATE TABLE jobs (id INTEGER)"))

    downgrade(empty_database_url)

    assert tables(empty_database_url) == {VERSION_TABLE, "jobs"}


def test_a_step_that_fails_leaves_everything_as_it_was(empty_database_url):
    with connected(empty_database_url) as connection:
        # The last of the tables that the first step makes.
        connection.execute(sa.text("CREATE TABLE posts (id INTEGER)"))

    with pytest.raises(StoreError):
        upgrade(empty_database_url)

    assert tables(empty_database_url) == {"posts"}


def test_a_database_of_a_newer_version_is_told(empty_database_url):
    upgrade(empty_database_url)
    with connected(empty_database_url) as connection:
        version = sa.table(VERSION_TABLE, sa.column("version_num"))
        connection.execute(sa.update(version).values(version_num="9999"))

    for look in (upgrade, schema_state):
        with pytest.raises(StoreError, match="a newer one has changed it"):
            look(empty_database_url)


@pytest.mark.parametrize("shape", ["9999", "-9"])
def test_an_unknown_shape_is_told(empty_database_url, shape):
    upgrade(empty_database_url)

    with pytest.raises(StoreError, match="`0001`, `0002`, `0003`, `0004`, `base`"):
        downgrade(empty_database_url, shape)

    upgrade(empty_database_url)


def test_a_path_with_signs_is_no_pattern(tmp_path):
    folder = tmp_path / "100% (a b)"
    folder.mkdir()

    upgrade(f"sqlite:///{folder}/bot.db")

    assert "posts" in tables(f"sqlite:///{folder}/bot.db")


def test_steps_are_where_the_wheel_takes_them_along():
    folder = Path(migrate.__file__).parent / "migrations"

    assert folder == migrate.MIGRATIONS
    assert (folder / "env.py").is_file()
    assert list((folder / "versions").glob("v*.py"))


def test_looking_at_a_file_that_is_not_there_does_not_make_it(empty_sqlite_url):
    assert schema_state(empty_sqlite_url) is SchemaState.MISSING
    assert not Path(empty_sqlite_url.removeprefix("sqlite:///")).exists()


def test_looking_changes_nothing(empty_database_url):
    with connected(empty_database_url):
        pass
    assert schema_state(empty_database_url) is SchemaState.EMPTY
    assert tables(empty_database_url) == set()

    upgrade(empty_database_url)
    assert schema_state(empty_database_url) is SchemaState.CURRENT

    downgrade(empty_database_url, "-1")
    for _ in range(2):
        assert schema_state(empty_database_url) is SchemaState.OLD
