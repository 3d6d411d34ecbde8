from __future__ import annotations

import pytest
import sqlalchemy as sa

from emojifier_bot.db.crypto import Vault, generate_key
from emojifier_bot.db.tables import OAUTH_STATES, holder_of
from emojifier_bot.domain import ImageReference, Workspace
from emojifier_bot.errors import StoreError
from tests.builders_store import TEAM, make_installation, make_post, sql_stores
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize(
    ("workspace", "holder", "place"),
    [
        (Workspace(""), "", ""),
        (Workspace("T1"), "T1", "T1"),
        (Workspace("T1", "E1"), "T1", "T1"),
        (Workspace("T1", "E1", is_org_install=True), "E1", "T1"),
        (Workspace("", "E1", is_org_install=True), "E1", "E1"),
        (Workspace("", "E1"), "E1", "E1"),
    ],
)
def test_who_consented_and_where_posts_belong(workspace, holder, place):
    assert (holder_of(workspace), workspace.id) == (holder, place)


@pytest.fixture
def opened(database_url):
    clock = FakeClock()
    vault = Vault([generate_key()])
    with sql_stores(database_url, clock, vault) as (stores, database):
        yield stores, database, clock


def everything(database):
    """Return all that is stored, as one text."""
    found = sa.MetaData()
    found.reflect(database.engine)
    with database.reading() as connection:
        return "\n".join(
            str(tuple(row))
            for table in found.sorted_tables
            for row in connection.execute(sa.select(table))
        )


def test_no_secret_is_stored_as_it_is(opened):
    stores, database, _ = opened
    secrets = {"bot_token": "xoxe.xoxb-hunter2", "refresh_token": "xoxe-hunter2"}
    stores.installations.save(make_installation(**secrets))
    spent = secrets["refresh_token"]
    rotated = make_installation(bot_token="xoxb-hunter3", refresh_token="r-hunter3")
    state = stores.states.issue()
    before = everything(database)

    assert stores.installations.replace_tokens(rotated, spent)

    for text in (before, everything(database)):
        assert "hunter" not in text
        assert state not in text
        assert "T1" in text


def test_a_sealed_address_is_stored_as_it_came(opened):
    stores, database, _ = opened

    stores.posts.record(make_post(source=ImageReference(sealed_address="sEaLeD")))

    assert "'sEaLeD'" in everything(database)


def test_stale_states_do_not_pile_up(opened):
    stores, database, clock = opened
    for _ in range(5):
        stores.states.issue()
        clock.advance(250)

    with database.reading() as connection:
        rows = sa.select(sa.func.count()).select_from(OAUTH_STATES)
        assert connection.execute(rows).scalar() == 3


def test_ten_thousand_workspaces_are_found_by_an_index(opened):
    _, database, _ = opened
    explain = "EXPLAIN QUERY PLAN " if is_sqlite(database) else "EXPLAIN "
    questions = {
        "SELECT * FROM installations WHERE holder_id IN ('T1', 'E1')": "installations",
        "SELECT * FROM posts WHERE place_id = 'T1' AND post_id = 'p1'": "posts",
        "SELECT * FROM posts WHERE enterprise_id = 'E1'": "posts",
        "SELECT * FROM posts WHERE posted_at < '2026-01-01 00:00:00'": "posts",
        "SELECT * FROM oauth_states WHERE expires_at < '2026-01-01'": "oauth_states",
    }
    with database.reading() as connection:
        if not is_sqlite(database):
            connection.execute(sa.text("SET enable_seqscan = off"))
        for question, table in questions.items():
            plan = str(connection.execute(sa.text(explain + question)).fetchall())
            assert "index" in plan.lower(), question
            assert table in plan


def is_sqlite(database):
    return database.engine.dialect.name == "sqlite"


def test_a_workspace_is_forgotten_whole_or_not_at_all(opened):
    stores, database, _ = opened
    stores.installations.save(make_installation())
    with database.writing() as connection:
        connection.execute(sa.text("ALTER TABLE posts RENAME TO elsewhere"))

    with pytest.raises(StoreError):
        stores.installations.delete(TEAM)

    assert stores.installations.find(TEAM)
