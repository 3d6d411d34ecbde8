from __future__ import annotations

import traceback
from dataclasses import fields
from pathlib import Path

import pytest

from emojifier_bot.config import (
    Secret,
    Settings,
    bot_problems,
    env_file_report,
    load_picture_settings,
    load_settings,
    settings_table,
)
from emojifier_bot.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("EMOJIFIER_MAX_BYTES", "1", 1),
        ("EMOJIFIER_MAX_BYTES", " 2.0 ", 2),
        ("EMOJIFIER_MIN_CONFIDENCE", "0.01", 0.01),
        ("EMOJIFIER_MIN_CONFIDENCE", "1", 1.0),
        ("EMOJIFIER_EMOTION_MODEL", "landmarks", "landmarks"),
        ("emojifier_threads", "2", 2),
        ("EMOJIFIER_LOG_FORMAT", "json", "json"),
        ("EMOJIFIER_DETECTOR_MODEL", ".", Path()),
        ("PORT", "0", 0),
        ("SLACK_FILE_HOSTS", "127.0.0.1:1", {"127.0.0.1:1"}),
    ],
)
def test_the_environment_wins_over_the_default(monkeypatch, variable, text, value):
    name = variable.lower().removeprefix("emojifier_")
    assert getattr(load_settings(), name) != value

    monkeypatch.setenv(variable, text)

    assert getattr(load_settings(), name) == value


def test_what_is_empty_is_not_set(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("EMOJIFIER_THREADS=3\nEMOJIFIER_THEME=\nPORT\n")
    monkeypatch.setenv("EMOJIFIER_THREADS", "")

    settings = load_settings()

    assert (settings.threads, settings.theme, settings.port) == (3, "classic", 3000)


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("MAX_BYTES", "0", "a whole number, 1 or more"),
        ("MAX_PIXELS", "many", "a whole number, 1 or more"),
        ("MIN_CONFIDENCE", "0", "a number from 0.01 to 1"),
        ("MIN_CONFIDENCE", "nan", "a number from 0.01 to 1"),
        ("THREADS", "1.", "a whole number, 0 or more"),
        ("THREADS", "\u0661", "a whole number, 0 or more"),
        ("THREADS", "-1", "a whole number, 0 or more"),
        ("LANDMARKS_MODEL", "/no/such/folder", "a model's folder, or empty"),
        ("LOG_LEVEL", "LOUD", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
        ("EMOTION_MODEL", "magic", "`fused`, `landmarks` or `shared_points`"),
    ],
)
def test_a_problem_names_variable_value_and_what_is_allowed(
    monkeypatch, variable, text, allowed
):
    monkeypatch.setenv(f"EMOJIFIER_{variable}", text)

    with pytest.raises(ConfigError) as caught:
        load_settings()

    assert caught.value.problems == [
        f"EMOJIFIER_{variable} is {text!r}, but must be {allowed}."
    ]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://bot:hunter2@db/bot",
        "hunter2@db/bot",
        "postgresql://",
        # SQLAlchemy takes the password to end at the first @.
        "postgresql://bot:x@hunter2@db/bot",
        "postgres://bot:x@hunter2/y@db/bot",
        "postgresql+psycopg://bot:x@hunter2?y@db/bot",
        "postgresql://me@hunter2:x@db",
    ],
)
def test_a_problem_with_a_secret_does_not_show_it(monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(
        ConfigError, match=r"^DATABASE_URL must be `sqlite:///FILE`.*`%40` for an `@`"
    ) as caught:
        load_settings()

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "rest",
    [
        "//bot:hunter%402@db:5432/bot?sslmode=require",
        "//bot:a/b?c:d#e@db/bot",
        "///bot?host=/run/postgresql",
        "//db",
    ],
)
def test_every_spelling_of_postgresql_is_one_url(monkeypatch, scheme, rest):
    monkeypatch.setenv("DATABASE_URL", f"{scheme}:{rest}")

    assert load_settings().database_url == f"postgresql+psycopg:{rest}"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DATABASE_URL", "mysql://shop@db/shop"),
        ("PORT", "tcp://10.0.0.1:3000"),
        ("METRICS_PORT", "tcp://10.0.0.1:9464"),
        ("PUBLIC_URL", "/assets"),
        ("EMOJIFIER_SOURCE_URL", "http://git.example/bot"),
        ("EMOJIFIER_SOURCE_URL", "https://git.example/bot|Free emoji"),
        ("EMOJIFIER_QUEUE_LIMIT", "none"),
    ],
)
def test_what_only_the_bot_reads_does_not_concern_pictures(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)

    assert load_picture_settings().theme == "classic"
    with pytest.raises(ConfigError, match=variable):
        load_settings()


@pytest.mark.parametrize("content", [b"NAME=\xe9\n", b"if [ x ]; then\n", None])
def test_the_env_file_of_another_program_does_not_concern_pictures(
    tmp_path, capfd, content
):
    file = tmp_path / ".env"
    file.mkdir() if content is None else file.write_bytes(content)

    assert load_picture_settings().theme == "classic"
    assert capfd.readouterr() == ("", "")


def test_pictures_read_their_settings_from_the_env_file_unless_told_not_to(tmp_path):
    (tmp_path / ".env").write_text("EMOJIFIER_THEME=other\nPORT=tcp://10.0.0.1:3000\n")

    assert load_picture_settings().theme == "other"
    assert load_picture_settings(env_file=False).theme == "classic"


@pytest.mark.parametrize(
    ("mode", "is_kept_well", "says"),
    [
        (None, True, "no file "),
        (0o600, True, "settings are read from "),
        (0o640, True, "settings are read from "),
        (0o644, False, "everybody can read "),
        (0o604, False, "everybody can read "),
    ],
)
def test_who_can_read_the_env_file_is_said(tmp_path, mode, is_kept_well, says):
    if mode is not None:
        (tmp_path / ".env").touch()
        (tmp_path / ".env").chmod(mode)

    verdict, words = env_file_report()

    assert verdict is is_kept_well
    assert words.startswith(f"{says}{tmp_path / '.env'}")


def test_printed_settings_show_no_secret(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://bot:hunter2@db/bot")
    for variable in ("SLACK_BOT_TOKEN", "ENCRYPTION_KEYS", "SLACK_CLIENT_SECRET"):
        monkeypatch.setenv(variable, "hunter2")

    settings = load_settings()

    assert "hunter2" not in f"{settings!r} {settings}"
    assert settings.slack_bot_token.get_secret_value() == "hunter2"


def test_every_problem_is_reported_at_once(monkeypatch):
    monkeypatch.setenv("EMOJIFIER_MAX_BYTES", "-1")
    monkeypatch.setenv("EMOJIFIER_LOG_FORMAT", "xml")

    with pytest.raises(ConfigError, match="MAX_BYTES") as caught:
        load_settings()

    assert len(caught.value.problems) == 2
    assert "EMOJIFIER_LOG_FORMAT" in caught.value.message


def test_options_win_over_the_environment_which_wins_over_the_file(
    monkeypatch, tmp_path
):
    text = "EMOJIFIER_THEME=other\nEMOJIFIER_THREADS=1\nPORT=1\nSOMEBODY_ELSES=1\n"
    (tmp_path / ".env").write_text(text)
    monkeypatch.setenv("EMOJIFIER_THREADS", "3")
    monkeypatch.setenv("PORT", "2")

    settings = load_settings(port=4, threads=None)

    assert (settings.theme, settings.threads, settings.port) == ("other", 3, 4)


def test_a_wrong_override_is_a_problem_like_any_other():
    with pytest.raises(ConfigError, match=r"^min_confidence is 7, but"):
        load_settings(min_confidence=7)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("xoxb-1", []),
        ("xoxe.xoxb-1", ["it expires after twelve hours"]),
        ("xapp-1", ["it is an app-level token"]),
    ],
)
def test_what_a_bot_token_begins_with_is_explained(token, says):
    settings = Settings(slack_bot_token=Secret(token), slack_signing_secret=Secret("s"))

    problems = bot_problems(settings)

    assert len(problems) == len(says)
    assert all(one in problem for one, problem in zip(says, problems, strict=True))
    assert all("--one-workspace" in one for one in problems if "xoxe." in one)


def test_the_table_has_a_full_row_for_every_setting():
    rows = settings_table()

    assert len(rows) == len(fields(Settings))
    assert len({row.variable for row in rows}) == len(rows)
    assert all(row.variable.isupper() for row in rows)
    assert all(row.help.endswith(".") and row.kind.words for row in rows)
