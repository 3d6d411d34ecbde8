from __future__ import annotations

import json
import logging

import pytest

from emojifier_bot.logs import configure_logging

logger = logging.getLogger("emojifier_bot.somewhere")


@pytest.fixture(autouse=True)
def _restored_logger():
    ours = logging.getLogger("emojifier_bot")
    handlers, level = ours.handlers, ours.level
    yield
    ours.handlers = handlers
    ours.setLevel(level)


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
