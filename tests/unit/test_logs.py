from __future__ import annotations

import json
import logging

import pytest
from structlog.contextvars import bound_contextvars

from emojifier_bot.logs import configure_logging

logger = logging.getLogger("emojifier_bot.somewhere")


def test_text_has_message_and_facts(capsys):
    configure_logging("INFO", "text")

    logger.info("Faces found", extra={"action": "detect", "faces": 3})

    out, err = capsys.readouterr()
    assert out == ""
    assert "Faces found" in err
    assert "action=detect" in err
    assert "faces=3" in err


def test_json_is_one_object_a_line(capsys):
    configure_logging("INFO", "json")

    logger.warning("Slow", extra={"action": "detect", "seconds": 1.5})

    record = json.loads(capsys.readouterr().err)
    assert record.pop("timestamp")
    assert record == {
        "event": "Slow",
        "level": "warning",
        "logger": "emojifier_bot.somewhere",
        "action": "detect",
        "seconds": 1.5,
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_logged_with_its_error(capsys, log_format):
    configure_logging("INFO", log_format)

    try:
        {}["lost"]
    except KeyError:
        logger.exception("Failed")

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "KeyError: 'lost'" in err


def test_what_is_below_the_level_stays_silent(capsys):
    configure_logging("WARNING", "text")

    logger.info("Faces found")

    assert capsys.readouterr().err == ""


def test_configuring_twice_writes_once(capsys):
    configure_logging("INFO", "json")
    configure_logging("INFO", "json")

    logger.info("Faces found")

    assert capsys.readouterr().err.count("Faces found") == 1


TOKEN = "xoxb-1-hunter2"


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        f"xoxe.{TOKEN}",
        TOKEN.replace("xoxb", "xoxe"),
        TOKEN.replace("xoxb", "xapp"),
        "https://hooks.slack.com/commands/T1/hunter2/x",
        "Authorization: Bearer hunter2.abc=",
        "postgresql+psycopg://emojifier:hunter2@db.example.com/emojifier",
        "postgresql+psycopg://emojifier:a/hunter2/b@db.example.com/emojifier",
    ],
)
def test_no_secret_is_logged_wherever_it_stands(
    capsys, monkeypatch, log_format, secret
):
    configure_logging("INFO", log_format)
    # Whoever else listens, as pytest does, gets what is not written yet.
    monkeypatch.setattr(logging.getLogger("emojifier_bot"), "propagate", False)

    try:
        int(secret)
    except ValueError:
        facts = {"action": "x", "nested": {"a": [secret]}}
        logger.exception(f"Met {secret}", extra=facts)  # noqa: G004 - what nobody does

    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert told.count("[secret]") >= 3
    assert "ValueError" in told


@pytest.mark.parametrize(
    "harmless",
    ["xoxb-…", "an app-level token, xapp-", "https://a.example/b@c:1", "a:b@c"],
)
def test_what_only_looks_alike_is_told(capsys, harmless):
    configure_logging("INFO", "text")

    logger.info("Told", extra={"action": harmless})

    assert harmless in capsys.readouterr().err


def test_what_is_known_of_the_job_is_on_every_line(capsys):
    configure_logging("INFO", "json")

    with bound_contextvars(job_id="1", workspace="T1"):
        logger.info("Faces found", extra={"action": "detect"})
        logger.info("Put back", extra={"action": "put_back", "job_id": "2"})
    logger.info("Idle", extra={"action": "idle"})

    found, other, idle = map(json.loads, capsys.readouterr().err.splitlines())
    assert (found["job_id"], found["workspace"]) == ("1", "T1")
    assert (other["job_id"], other["workspace"]) == ("2", "T1")
    assert "job_id" not in idle
