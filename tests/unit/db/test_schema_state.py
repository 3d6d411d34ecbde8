from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from emojifier_bot.db.engine import open_database
from emojifier_bot.db.migrate import (
    MIGRATIONS,
    VERSION_TABLE,
    SchemaState,
    downgrade,
    schema_state,
    upgrade,
)
from emojifier_bot.errors import StoreError

SHAPES = [one.revision for one in ScriptDirectory(MIGRATIONS).walk_revisions()]


def test_a_file_that_is_not_there_is_not_made(empty_sqlite_url):
    assert schema_state(empty_sqlite_url) is SchemaState.MISSING
    assert not Path(empty_sqlite_url.removeprefix("sqlite:///")).exists()


def test_an_empty_database_stays_empty(empty_database_url):
    with closing(open_database(empty_database_url)) as database:
        found = schema_state(empty_database_url)

        assert found in {SchemaState.EMPTY, SchemaState.MISSING}
        assert sa.inspect(database.engine).get_table_names() == []


def test_the_newest_shape(empty_database_url):
    upgrade(empty_database_url)

    assert schema_state(empty_database_url) is SchemaState.CURRENT


@pytest.mark.skipif(len(SHAPES) < 2, reason="there is only one shape yet")
def test_an_older_shape(empty_database_url):
    upgrade(empty_database_url)
    downgrade(empty_database_url, "-1")

    assert schema_state(empty_database_url) is SchemaState.OLD
    assert schema_state(empty_database_url) is SchemaState.OLD


def test_a_newer_shape(empty_database_url):
    upgrade(empty_database_url)
    with (
        closing(open_database(empty_database_url)) as database,
        database.writing() as one,
    ):
        one.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = 'v9999'"))  # noqa: S608 - a constant

    with pytest.raises(StoreError, match="a newer one has changed it"):
        schema_state(empty_database_url)
