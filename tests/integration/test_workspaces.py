"""What is kept about a workspace is handed out and deleted whole, on both databases."""

from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from emojifier_bot.app.bot import make_limiter, open_stores
from emojifier_bot.cli.main import app
from emojifier_bot.config import load_settings
from emojifier_bot.db.drafts import Draft, DraftStore
from emojifier_bot.db.engine import open_database, sqlite_file
from emojifier_bot.db.policy import WorkspaceSettings
from emojifier_bot.db.preferences import Preference, Preferences
from emojifier_bot.domain import ImageReference, Workspace
from tests.builders_store import make_installation, make_post
from tests.jobs_harness import JobsHarness, make_request

#: Long enough that nothing else holds them by chance.
GONE, STAYS, SISTER, GRID = "T0GOINGAWAY", "T0STAYSHERE", "T0SISTERINGRID", "E0THEGRID"
HERE, IN_GRID = Workspace(GONE), Workspace(GONE, GRID)
ELSEWHERE, NEXT_DOOR = Workspace(STAYS), Workspace(SISTER, GRID)
ADDRESS = "https://pictures.example/typed-by-somebody.png"
RESPONSE_URL = "https://hooks.slack.example/answer-here"
TOKEN, REFRESH = "xoxe.xoxb-kept-secret", "xoxe-kept-secret"


@pytest.fixture
def settings(database_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    key = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="
    monkeypatch.setenv("ENCRYPTION_KEYS", key)
    return load_settings()


@pytest.fixture
def everywhere(settings, tmp_path):
    """Let three workspaces use all that the bot has; return what is in the tables."""
    stores = open_stores(settings)
    harness = JobsHarness(settings.database_url, tmp_path)
    limiter = make_limiter(settings, stores.database, harness.clock)
    switches = WorkspaceSettings(stores.database, harness.clock)
    for workspace in (HERE, IN_GRID, ELSEWHERE, NEXT_DOOR):
        team = workspace.team_id
        installation = make_installation(
            workspace, bot_token=TOKEN, refresh_token=REFRESH, team_name=f"{team} Inc."
        )
        stores.installations.save(installation)
        sealed = stores.vault.seal(ADDRESS)
        source = ImageReference(sealed_address=sealed)
        post_id = f"p-{team}-{workspace.enterprise_id}"
        stores.posts.record(make_post(workspace, post_id=post_id, source=source))
        switches.switch(workspace, f"C-{team}", "U1", off=True)
        switches.opt(workspace, f"U-{team}", out=True)
        assert limiter.take(workspace, "U1") is None
        choices = Preferences(stores.database)
        choices.choose(workspace, f"U-{team}", Preference.THEME, "classic")
        ask = {"workspace": workspace, "user_id": f"U-{team}"}
        harness.ask(f"{post_id}-file", **ask)
        harness.ask(
            f"{post_id}-address",
            **ask,
            source=source,
            sealed_response_url=stores.vault.seal(RESPONSE_URL),
        )
        request = make_request(
            **ask,
            source=source,
            sealed_response_url=stores.vault.seal(RESPONSE_URL),
        )
        drafts = DraftStore(stores.database, stores.vault, harness.clock)
        drafts.begin(Draft(f"d-{team}-{workspace.enterprise_id}", request))
    harness.ask("ended", workspace=HERE)
    with harness.working():
        harness.wait(harness.ask("ended", workspace=HERE))
    for _ in range(2):
        harness.ask("waiting", workspace=HERE)
    yield stores
    harness.close()
    stores.database.close()


def run(*arguments):
    return CliRunner().invoke(app, ["workspace", *arguments])


def exported(holder) -> dict:
    return json.loads(run("export", holder).stdout)


def tables(url):
    """Return every table of every schema, ours and those of the queue, as text."""
    found = {}
    with closing(open_database(url)) as database:
        inspector = sa.inspect(database.engine)
        for schema in inspector.get_schema_names():
            if schema in {"information_schema", "pg_catalog"}:
                continue
            metadata = sa.MetaData()
            metadata.reflect(database.engine, schema=schema)
            with database.reading() as connection:
                for table in metadata.sorted_tables:
                    rows = connection.execute(sa.select(table)).fetchall()
                    found[table.fullname] = [str(tuple(row)) for row in rows]
    return found


def mentioning(url, word):
    return {
        name: found
        for name, rows in tables(url).items()
        if (found := [row for row in rows if word in row])
    }


def files_mentioning(url, word):
    """Return SQLite's files that have a word, deleted rows and the log included."""
    file = sqlite_file(url)
    if file is None:
        return []
    files = file.parent.glob(f"{file.name}*")
    return [one.name for one in files if word.encode() in one.read_bytes()]


def test_all_of_it_is_exported_and_no_token(everywhere):
    assert everywhere
    kept = exported(GONE)

    assert {name: len(rows) for name, rows in kept.items()} == {
        "installations": 1,
        "posts": 5,
        "channels_off": 1,
        "opt_outs": 1,
        "allowances": 3,
        "preferences": 1,
        "drafts": 2,
        "jobs": 6,
    }
    text = json.dumps(kept)
    for secret in (TOKEN, REFRESH, RESPONSE_URL, "sealed_response_url", "gAAAA"):
        assert secret not in text
    assert ADDRESS in {one["source_address"] for one in kept["posts"]}
    assert f"{GONE} Inc." in text
    assert ADDRESS in json.dumps(kept["jobs"])
    assert ADDRESS in json.dumps(kept["drafts"])
    assert not {STAYS, SISTER} & set(text.split('"'))


def test_every_table_with_the_id_is_in_the_export(settings, everywhere):
    assert everywhere
    names = {name.split(".")[-1] for name in mentioning(settings.database_url, GONE)}

    in_jobs = {"workflow_status", "workflow_input", "operation_outputs"}
    assert names - in_jobs == set(exported(GONE)) - {"jobs"}


def test_nothing_remains_after_a_deletion(settings, everywhere):
    assert everywhere
    before = tables(settings.database_url)
    assert mentioning(settings.database_url, GONE)

    done = run("delete", GONE, "--yes")

    assert done.exit_code == 0, done.output
    assert "Nothing is revoked at Slack" in done.stderr
    assert mentioning(settings.database_url, GONE) == {}
    assert files_mentioning(settings.database_url, GONE) == []
    after = tables(settings.database_url)
    for word in (STAYS, SISTER):
        kept = [row for rows in after.values() for row in rows if word in row]
        assert kept == [row for rows in before.values() for row in rows if word in row]
    assert run("export", GONE).exit_code == 1
    assert everywhere.installations.find(ELSEWHERE)


def test_an_organisation_goes_with_its_workspaces(settings, everywhere):
    org = Workspace("", GRID, is_org_install=True)
    everywhere.installations.save(make_installation(org))
    for workspace in (HERE, NEXT_DOOR):
        everywhere.installations.delete(workspace)
    served = replace(NEXT_DOOR, is_org_install=True)
    everywhere.posts.record(make_post(served))

    assert run("delete", GRID, "--yes").exit_code == 0

    assert mentioning(settings.database_url, GRID) == {}
    assert mentioning(settings.database_url, STAYS)


def test_a_workspace_with_an_installation_of_its_own_is_not_its_organisations(
    settings, everywhere
):
    org = Workspace("", GRID, is_org_install=True)
    everywhere.installations.save(make_installation(org))
    before = mentioning(settings.database_url, SISTER)

    kept = exported(GRID)
    assert run("delete", GRID, "--yes").exit_code == 0

    assert len(kept["installations"]) == 1
    assert not any(rows for name, rows in kept.items() if name != "installations")
    assert mentioning(settings.database_url, SISTER) == before


def test_it_asks_first(settings, everywhere):
    assert everywhere
    done = CliRunner().invoke(app, ["workspace", "delete", GONE], input="n\n")

    assert done.exit_code != 0
    assert "jobs: 6 rows" in done.stderr
    assert mentioning(settings.database_url, GONE)


def test_an_export_is_for_its_owner_alone_and_overwrites_nothing(everywhere, tmp_path):
    assert everywhere
    file = tmp_path / "export.json"

    assert run("export", GONE, "-o", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["installations"]
    file.write_text("mine")
    file.chmod(0o644)
    assert run("export", GONE, "-o", str(file)).exit_code == 1
    assert file.read_text() == "mine"
    assert run("export", GONE, "-o", str(file), "--force").exit_code == 0
    assert json.loads(file.read_text())["installations"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # A device stays what it is.
    before = Path(os.devnull).stat().st_mode
    assert run("export", GONE, "-o", os.devnull).exit_code == 0
    assert Path(os.devnull).stat().st_mode == before


def test_an_export_that_cannot_be_written_leaves_nothing(everywhere, tmp_path):
    assert everywhere
    done = run("export", GONE, "-o", str(tmp_path / ("x" * 300)))

    assert done.exit_code == 1
    assert "cannot be written: File name too long" in done.stderr
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("wrong", ["", "t1", "T1; DROP", "%", "U123"])
def test_what_is_no_id_is_wrong_usage(settings, wrong):
    assert settings
    assert run("delete", wrong, "--yes").exit_code == 2


def test_a_workspace_that_nobody_knows(everywhere, tmp_path):
    assert everywhere
    file = str(tmp_path / "export.json")
    for verb in (["delete", "--yes"], ["export"], ["export", "-o", file]):
        done = run(*verb, "T0NOBODY")

        assert done.exit_code == 1
        assert done.stderr == "Nothing is kept about T0NOBODY.\n"
        assert done.stdout == ""
    assert list(tmp_path.glob("*.json")) == []


def test_a_database_that_no_bot_has_used(settings):
    assert settings
    assert run("export", GONE).exit_code == 1
