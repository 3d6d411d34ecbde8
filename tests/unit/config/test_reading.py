from __future__ import annotations

import traceback
from dataclasses import fields

import pytest

from emojifier_bot.config import Settings, load_settings, settings_table
from emojifier_bot.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_defaults_need_no_environment():
    settings = load_settings()

    assert settings.max_bytes == 30_000_000
    assert settings.max_pixels == 60_000_000
    assert settings.theme == "classic"
    assert settings.emotion_model == "fused"
    assert settings.min_confidence == 0.6
    assert settings.face_backend == "local"
    assert settings.detector_model is None
    assert settings.threads == 0


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("MAX_BYTES", "1", 1),
        ("MIN_CONFIDENCE", "0.01", 0.01),
        ("MIN_CONFIDENCE", "1", 1.0),
        ("EMOTION_MODEL", "landmarks", "landmarks"),
        ("THREADS", "2", 2),
        ("LOG_FORMAT", "json", "json"),
        ("DETECTOR_MODEL", "", None),
    ],
)
def test_environment_wins_over_the_default(monkeypatch, variable, text, value):
    monkeypatch.setenv(f"EMOJIFIER_{variable}", text)

    assert getattr(load_settings(), variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("MAX_BYTES", "0", "a whole number, 1 or more"),
        ("MAX_PIXELS", "many", "a whole number, 1 or more"),
        ("MIN_CONFIDENCE", "0", "a number from 0.01 to 1"),
        ("MIN_CONFIDENCE", "nan", "a number from 0.01 to 1"),
        ("EMOTION_MODEL", "magic", "`fused`, `landmarks` or `shared_points`"),
        ("LANDMARKS_MODEL", "/no/such/folder", "a model's folder, or empty"),
        ("THREADS", "-1", "a whole number, 0 or more"),
        ("LOG_LEVEL", "LOUD", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
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
    ("variable", "text"),
    [
        ("DATABASE_URL", "postgres://bot:hunter2@db/bot"),
        ("DATABASE_URL", "mysql://bot:hunter2@db/bot"),
        ("DATABASE_URL", "hunter2"),
    ],
)
def test_a_problem_with_a_secret_does_not_tell_it(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)

    with pytest.raises(
        ConfigError, match=f"^{variable} must be `sqlite:///FILE`"
    ) as caught:
        load_settings()

    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told


def test_settings_printed_tell_no_secret(monkeypatch):
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


def test_the_environment_wins_over_the_env_file(monkeypatch, tmp_path):
    text = "EMOJIFIER_THEME=other\nEMOJIFIER_THREADS=1\nSOMEBODY_ELSES=1\n"
    (tmp_path / ".env").write_text(text)
    monkeypatch.setenv("EMOJIFIER_THREADS", "3")

    settings = load_settings()

    assert (settings.theme, settings.threads) == ("other", 3)


def test_overrides_win_and_none_is_not_given(monkeypatch):
    monkeypatch.setenv("EMOJIFIER_THEME", "from-environment")
    monkeypatch.setenv("EMOJIFIER_THREADS", "3")

    settings = load_settings(theme="from-option", threads=None)

    assert (settings.theme, settings.threads) == ("from-option", 3)


def test_a_wrong_override_is_a_problem_like_any_other():
    with pytest.raises(ConfigError, match="EMOJIFIER_MIN_CONFIDENCE is '7'"):
        load_settings(min_confidence=7)


def test_a_model_folder_replaces_the_shipped_one(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOJIFIER_EMOTION_MODEL_DIR", str(tmp_path))

    assert load_settings().emotion_model_dir == tmp_path


def test_the_table_has_a_full_row_for_every_setting():
    rows = settings_table()

    assert len(rows) == len(fields(Settings))
    assert len({row.variable for row in rows}) == len(rows)
    assert all(row.variable.isupper() for row in rows)
    assert all(row.help.endswith(".") and row.allowed for row in rows)
