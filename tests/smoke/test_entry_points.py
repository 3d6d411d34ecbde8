"""One thin run of every way in: the shell, Python, *Add to Slack*, a slash command.

Each is what people run: a process with the shipped models, Slack over HTTP, a worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import requests

from emojifier_bot import emojify
from tests.fakes.slack import SlackServer
from tests.running_bot import ROOT, SAMPLE, Bot, address_of, assert_emojified, process


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bot")
    database = f"sqlite:///{folder / 'bot.db'}"
    with (
        SlackServer() as slack,
        process("serve", slack=slack, database=database, folder=folder) as web,
    ):
        yield Bot(slack, address_of(web))
        assert not slack.problems


def test_replay_writes_the_picture_beside_the_photo(tmp_path):
    (tmp_path / "photo.png").write_bytes(SAMPLE)

    done = subprocess.run(
        [sys.executable, "-m", "emojifier_bot", "replay", "photo.png", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )

    assert len(json.loads(done.stdout)["faces"]) == 1
    assert (tmp_path / "photo.emojified.png").is_file()


def test_emojify_returns_the_picture():
    result = emojify(SAMPLE)

    assert len(result.faces) == 1
    assert (result.width, result.height) == (512, 512)


def test_add_to_slack_installs_the_bot(bot):
    assert bot.installed.ok
    assert "Acme" in bot.installed.text
    assert requests.get(f"{bot.url}/healthz", timeout=60).ok


def test_a_slash_command_ends_as_a_posted_picture(bot):
    channel = bot.channel()

    answer = bot.ada.command(channel, bot.address())

    assert "Got it" in answer.json()["text"]
    message, file = bot.result(channel)
    assert_emojified(file)
    assert file.alt_txt
    assert f"<@{bot.ada.user_id}>" in message.everything
