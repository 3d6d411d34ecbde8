"""What operators ask for: told well, and nothing is made or changed by looking."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests

from emojifier_bot.app.bot import make_queue, open_stores
from emojifier_bot.config import load_settings
from tests.fakes.servers import said, serving
from tests.fakes.slack import SlackServer
from tests.fakes.socket_mode import SocketModeLine
from tests.jobs_harness import make_request

BOT = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}
OAUTH = {
    "SLACK_CLIENT_ID": "1.2",
    "SLACK_CLIENT_SECRET": "c",
    "SLACK_SIGNING_SECRET": "s",
    "PUBLIC_URL": "https://bot.example.com/",
}
KEY = "B3nI1zPvjUTHEhHVo4zLFAFwvMPU4ZgQ0qYjvIZkx8E="
OPEN, WHO = "/api/apps.connections.open", "/api/auth.test"


def answer(**fields: object) -> bytes:
    return said(200, json.dumps(fields).encode(), content_type="application/json")


ACME = answer(ok=True, team="Acme", team_id="T1", user_id="U1")


def network(slack) -> dict[str, str]:
    """Return the settings with which all that `check` tries is on this machine."""
    return {"SLACK_API_URL": slack.url("/api/"), "SLACK_FILE_HOSTS": slack.host}


def line_of(done, name: str) -> str:
    lines = done.stdout.decode().splitlines()
    return next(one for one in lines if one[7:17].strip() == name)


def words(done) -> str:
    return " ".join(done.stderr.decode().split())


def everything(folder: Path) -> dict[str, bytes]:
    files = (one for one in folder.rglob("*") if one.is_file())
    return {str(one): one.read_bytes() for one in files}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PUBLIC_URL": ""}, {"slack": "wrong  slack     PUBLIC_URL is missing"}),
        (
            {"PUBLIC_URL": "http://bot.example.com"},
            {"slack": "wrong  slack     PUBLIC_URL begins with http://"},
        ),
        (
            {},
            {
                "slack": "ok     slack     Add to Slack at https://bot.example.com/slack",
                "database": "ok     database  emojifier-bot.db, made at the first st",
            },
        ),
        (
            {"DATABASE_URL": "sqlite:////no/such/folder/bot.db"},
            {"database": "wrong  database  The database /no/such/folder/bot.db cannot"},
        ),
    ],
    ids=["no address", "unsafe address", "nothing yet", "no folder"],
)
def test_check_of_add_to_slack(run, variables, expected):
    with serving() as slack:
        done = run("check", **OAUTH | network(slack) | variables)

    for name, line in expected.items():
        assert line_of(done, name).startswith(line)
        assert done.returncode == line.startswith("wrong")


@pytest.mark.parametrize(
    ("url", "verdict"),
    [("", "ok"), ("http://b.example.com", "wrong"), ("https://b.example.com", "ok")],
)
def test_one_workspace_needs_no_address_but_a_safe_one(run, url, verdict):
    with serving({WHO: ACME}) as slack:
        done = run("check", PUBLIC_URL=url, **network(slack), **BOT)

    assert line_of(done, "slack").startswith(verdict)


@pytest.mark.parametrize(
    ("reply", "verdict", "says"),
    [
        (None, "ok", "Socket Mode"),
        (answer(ok=False, error="invalid_auth"), "wrong", "SLACK_APP_TOKEN is refused"),
        (answer(ok=False, error="missing_scope"), "wrong", "connections:write"),
        (b"", "wrong", "did not answer"),
    ],
    ids=["good", "unknown", "scope", "silent"],
)
def test_check_tries_the_token_of_socket_mode(run, reply, verdict, says):
    with serving({OPEN: reply or b"", WHO: ACME}) as slack:
        tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
        if reply is None:
            slack.paths[OPEN] = answer(ok=True, url=f"ws://{slack.host}/link")
        done = run("check", **network(slack), **tokens)

    heard = {one.path: one.headers.get("authorization") for one in slack.heard}
    # The address of the API, and a website's.
    nothing = dict.fromkeys(("/api/", "/"))
    assert heard == {OPEN: "Bearer xapp-1", WHO: "Bearer xoxb-1"} | nothing
    assert line_of(done, "network").startswith("ok")
    assert line_of(done, "app token").startswith(verdict)
    assert says in line_of(done, "app token")
    assert line_of(done, "token").startswith("ok     token     bot of Acme")
    assert done.returncode == (verdict == "wrong")


@pytest.mark.parametrize(
    ("file", "variables", "says"),
    [
        ("", {}, []),
        (
            "SLACK_SIGNING_SECRETS=s\nPUBLIC_URI=https://example.com\n",
            {},
            [
                "PUBLIC_URI is no setting; PUBLIC_URL is: nothing reads it.",
                "SLACK_SIGNING_SECRETS is no setting; SLACK_SIGNING_SECRET is: ",
            ],
        ),
        ("POSTGRES_PASSWORD=p\nTZ=UTC\n", {"LANG": "C.UTF-8", "PORTS": "1"}, []),
        ("EMOJIFIER_NONSENSE=1\n", {}, ["EMOJIFIER_NONSENSE is no setting: noth"]),
        ("", {"EMOJIFIER_THREAD": "2"}, ["EMOJIFIER_THREADS is: nothing reads it."]),
    ],
    ids=["none", "slips", "of others", "ours", "environment"],
)
def test_check_notices_misspelt_names(run, tmp_path, file, variables, says):
    (tmp_path / ".env").write_text(file)
    (tmp_path / ".env").chmod(0o600)

    done = run("check", **variables)

    told = [one for one in done.stdout.decode().splitlines() if one[:4] == "look"]
    assert len(told) == len(says)
    assert all(one in line for line, one in zip(told, says, strict=True))
    assert done.returncode == 0


def test_check_bears_a_file_of_another_encoding(run, tmp_path):
    (tmp_path / ".env").write_bytes("SUPPORT_CONTACT=café\n".encode("latin-1"))

    done = run("check")

    assert done.returncode == 1
    assert b"not UTF-8" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("reading", "verdict", "says"),
    [
        ("expressions", "look", "in the EU choose shapes or off"),
        ("shapes", "ok", "shapes: texts only name what is visible"),
        ("off", "ok", "off: no model for emotions is loaded"),
    ],
)
def test_check_names_the_reading_mode(run, reading, verdict, says):
    with serving() as slack:
        done = run("check", EMOJIFIER_READING=reading, **OAUTH, **network(slack))

    line = line_of(done, "reading")
    assert line.startswith(verdict)
    assert says in line
    unread = "emotion model none, since EMOJIFIER_READING is off"
    assert (unread in line_of(done, "models")) == (reading == "off")


@pytest.mark.parametrize("verb", [["check"], ["jobs", "list"], ["jobs", "show", "x"]])
def test_looking_makes_nothing(run, tmp_path, verb):
    # At home too: `check` runs the models, and their runtime would number the machine.
    run(*verb, **OAUTH, HOME=str(tmp_path))

    assert everything(tmp_path) == {}


def test_check_changes_no_empty_database(run, empty_postgres_url):
    variables = {"DATABASE_URL": empty_postgres_url, "ENCRYPTION_KEYS": KEY}
    done = run("check", **OAUTH, **variables)

    assert "the first start makes its tables" in line_of(done, "database")
    plain = empty_postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT LIKE 'pg_%'"
            " AND schemaname <> 'information_schema'"
        ).fetchone()
    assert tables == (0,)


@pytest.fixture
def used(tmp_path):
    """Return the URL of a database that a bot has run with, its job still waiting."""
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    settings = load_settings(database_url=url)
    open_stores(settings).database.close()
    queue = make_queue(settings)
    queue.enqueue(make_request(), "one")
    queue.close()
    return url


def test_looking_at_a_used_database_leaves_it_as_it_is(run, tmp_path, used):
    before = everything(tmp_path)

    with SlackServer() as slack:
        more = {**OAUTH, "DATABASE_URL": used}
        checked = run("check", **slack.environment | more)

    assert line_of(checked, "network").startswith("ok     network   Slack, its files")
    listed = run("jobs", "list", DATABASE_URL=used)
    (job,) = json.loads(run("jobs", "list", "--json", DATABASE_URL=used).stdout)

    assert job["entrypoint"] == make_request().entrypoint
    assert "0 installed, 1 jobs waiting" in line_of(checked, "database")
    assert listed.stdout.decode().count("queued") == 1
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"HTTPS_PROXY": "http://me:hunter2@127.0.0.1:1"},
            [
                "Slack's API: slack.com",
                "Files in Slack: files.slack.com",
                "Websites: s",
            ],
        ),
        ({"HTTPS_PROXY": "socks5://127.0.0.1:1"}, ["HTTPS_PROXY must be the address"]),
        ({"SSL_CERT_FILE": "/nowhere.pem"}, ["SSL_CERT_FILE names /nowhere.pem"]),
    ],
    ids=["proxy", "no proxy", "certificates"],
)
def test_check_tries_each_kind_of_call_and_serve_refuses(run, variables, says):
    done = run("check", **OAUTH, **variables)

    line = line_of(done, "network")
    assert line.startswith("wrong")
    assert all(one in line for one in says)
    assert "hunter2" not in done.stdout.decode()
    if len(says) == 1:
        refused = run("serve", "--no-worker", **OAUTH, **variables)
        assert refused.returncode == 2
        assert says[0] in words(refused)


def test_check_misses_the_keys(run, tmp_path, used):
    (tmp_path / "bot.db.keys").unlink()

    done = run("check", **OAUTH, DATABASE_URL=used)

    assert "bot.db.keys is missing. Put it back" in line_of(done, "database")
    assert done.returncode == 1
    assert not (tmp_path / "bot.db.keys").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE emojifier_version SET version_num = 'v9999'", "wrong  database  The"),
        ("DELETE FROM emojifier_version", "empty; the first start makes its tables"),
    ],
    ids=["newer", "none"],
)
def test_check_knows_shapes(run, used, change, says):
    with closing(sqlite3.connect(used.removeprefix("sqlite:///"))) as database:
        database.execute(change)
        database.commit()

    done = run("check", **OAUTH, DATABASE_URL=used)

    assert says in line_of(done, "database")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///nowhere.db", "nowhere.db holds no jobs: no bot has run with it"),
        ("sqlite:///:memory:", "DATABASE_URL names no database"),
        ("postgresql+psycopg://me:hunter2@host:none/x", "DATABASE_URL names no data"),
        ("postgresql+psycopg://me:hunter2@127.0.0.1:1/x", "x at 127.0.0.1:1 refuses"),
        ("mysql://me:hunter2@host/x", "DATABASE_URL must be `sqlite:///FILE` or"),
        ("sqlite:///notes.db", "file is not a database"),
    ],
)
def test_jobs_say_what_is_wrong_with_the_database(run, tmp_path, url, says):
    (tmp_path / "notes.db").write_text("no database, whatever its name says\n" * 99)

    done = run("jobs", "list", DATABASE_URL=url)

    assert done.returncode in {1, 2}
    assert says in words(done)
    assert "hunter2" not in words(done)
    assert "minute" not in words(done)


@pytest.mark.parametrize(
    "first", [["migrate"], ["keys", "rotate"], ["serve", "--no-worker"]], ids=" ".join
)
def test_a_database_that_no_bot_has_started_with(run, tmp_path, first):
    """The queue has its tables only when the bot has started."""
    with serving({WHO: answer(ok=False, error="invalid_auth")}) as slack:
        begun = run(*first, **network(slack), **BOT)
        checked = run("check", **network(slack), **BOT)
    listed = run("jobs", "list")
    exported = run("workspace", "export", "T123", "-o", "kept.json")
    deleted = run("workspace", "delete", "T123", "--yes")

    assert begun.returncode == (2 if "serve" in first else 0)
    assert line_of(checked, "database") == (
        "ok     database  emojifier-bot.db, without a queue; the first start makes it"
    )
    assert line_of(checked, "token").startswith("wrong")
    assert words(listed) == (
        "emojifier-bot.db holds no jobs: the bot has not started with it yet. "
        "`emojifier-bot check` says what is missing."
    )
    for done in (exported, deleted):
        assert words(done) == "Nothing is kept about T123."
        assert done.returncode == 1
    assert not (tmp_path / "kept.json").exists()


def test_jobs_of_an_empty_database_of_postgresql(run, empty_postgres_url):
    done = run("jobs", "list", DATABASE_URL=empty_postgres_url)

    assert done.returncode == 1
    assert "holds no jobs: no bot has run with it" in words(done)
    assert "postgres:" not in words(done)

    stored = {"DATABASE_URL": empty_postgres_url, "ENCRYPTION_KEYS": KEY}
    assert run("migrate", **stored).returncode == 0
    assert "has not started with it yet" in words(run("jobs", "list", **stored))
    make_queue(load_settings(database_url=empty_postgres_url)).close()
    assert "There are no such jobs" in words(run("jobs", "list", **stored))


def test_a_token_that_slack_revokes_ends_the_process_with_a_sentence(tmp_path):
    with SocketModeLine() as line, serving({WHO: ACME}) as slack:
        slack.paths[OPEN] = answer(ok=True, url=line.url)
        environment = os.environ | {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "SLACK_API_URL": slack.url("/api/"),
            "PORT": "0",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "emojifier_bot", "serve", "--no-worker"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as web:
            url = web.stdout.readline().split()[-1]
            state = requests.get(f"{url}/readyz", timeout=60)
            assert (state.status_code, state.json()["socket_mode"]) == (200, True)

            slack.paths[OPEN] = answer(ok=False, error="invalid_auth")
            line.drop()
            assert web.wait(60) == 2
            assert "SLACK_APP_TOKEN is refused by Slack (invalid_auth)" in " ".join(
                web.stderr.read().split()
            )


def test_a_manifest_of_two_minds_is_wrong_usage(run):
    done = run("manifest", "--socket-mode", "--url", "https://bot.example.com")

    assert (done.returncode, done.stdout) == (2, b"")
    assert "leave --url out" in words(done)
