"""The started bot in each reading mode: what it says, stores, logs and measures."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.builders_store import stored_bytes
from tests.emotion_words import found_in
from tests.fakes.slack import SlackServer
from tests.running_bot import PATIENCE_SECONDS, Bot, address_of, process

METRICS_PORT = 29464
#: Words of tables, settings and requests, which say nothing of a face.
SPARED = frozenset({"surprise", "emojified", "emojify", "emojifier", "emoji"})
#: What is sealed, and the key: random letters, which may be a word by chance.
SEALED = re.compile(r"gAAAA[\w-]{40,}=*|[\w-]{43}=", re.ASCII)


@dataclass(frozen=True)
class Running:
    """A bot, and what it leaves behind."""

    bot: Bot
    database: str
    log: Path

    def metrics(self) -> str:
        """Return the figures of its processes."""
        found = []
        for port in range(METRICS_PORT, METRICS_PORT + 8):
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
            except requests.ConnectionError:
                continue
            found.append(answer.text)
        return "\n".join(found)


@contextmanager
def running(folder: Path, **settings: str):
    database = f"sqlite:///{folder / 'bot.db'}"
    more = {
        "EMOJIFIER_LOG_LEVEL": "DEBUG",
        "EMOJIFIER_LOG_FORMAT": "json",
        "METRICS_PORT": str(METRICS_PORT),
    }
    log = folder / "log"
    with (
        SlackServer() as slack,
        log.open("w") as written,
        process(
            "serve",
            slack=slack,
            database=database,
            folder=folder,
            log=written,
            **more | settings,
        ) as web,
    ):
        yield Running(Bot(slack, address_of(web)), database, log)


def facts_logged(log: Path) -> str:
    """Return what the bot itself has logged: not what its libraries say."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return "\n".join(line for line in lines if "emojifier_bot" in str(json.loads(line)))


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ("shapes", "1 face covered: mouth open"),
        ("off", "1 face covered"),
    ],
)
def test_no_emotion_is_said_stored_logged_or_measured(tmp_path, reading, said):
    settings = {"EMOJIFIER_READING": reading}
    if reading == "off":
        # A model that cannot be opened: nothing tries to.
        (tmp_path / "empty").mkdir()
        settings["EMOJIFIER_EMOTION_MODEL_DIR"] = str(tmp_path / "empty")
    with running(tmp_path, **settings) as one:
        bot, channel = one.bot, one.bot.channel()
        bot.ada.command(channel, bot.address())
        message, file = bot.result(channel)

        assert file.alt_txt == said
        texts = [file.alt_txt, file.title, file.name, message.everything]
        bot.ada.press(message, "try_another")
        bot.slack.wait_until(lambda: file.deleted, PATIENCE_SECONDS)
        another, second = bot.result(channel)
        texts += [second.alt_txt, second.title, another.everything]
        measured, stored = one.metrics(), stored_bytes(one.database)

    assert found_in("\n".join(texts), spared=SPARED) == set()
    assert "emojifier_picture_seconds" in measured
    assert found_in(measured, spared=SPARED) == set()
    assert b"U" in stored
    plain = SEALED.sub(" ", stored.decode("utf-8", "replace"))
    assert found_in(plain, spared=SPARED) == set()
    logged = facts_logged(one.log)
    assert "faces read" in logged
    assert found_in(logged, spared=SPARED) == set()
