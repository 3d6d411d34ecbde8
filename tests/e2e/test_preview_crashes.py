"""Workers that die while they show, redraw or post a preview: never two, never left."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from emojifier_bot.slack import preview_blocks as ids
from tests.fakes.slack import SlackServer
from tests.fakes.slack.exchange import Reply, Request
from tests.running_bot import Bot, process, serving

#: Another worker must notice that one is dead, and load its models.
PATIENCE_SECONDS = 90.0
BEFORE, AFTER = "before", "after"


class KillingSlack(SlackServer):
    """A `SlackServer` that kills the worker in one of its calls, once."""

    armed: tuple[str, str] | None = None
    worker: subprocess.Popen | None = None

    def _meet(self, request: Request, name: str, arguments: Any) -> Reply | None:
        if self.armed == (name, BEFORE):
            self._kill()
            return None
        reply = super()._meet(request, name, arguments)
        if self.armed == (name, AFTER):
            self._kill()
            return None
        return reply

    def _kill(self) -> None:
        assert self.worker is not None
        self.armed = None
        os.kill(self.worker.pid, signal.SIGKILL)


@dataclass
class Stage:
    """A bot whose workers may be killed."""

    bot: Bot
    slack: KillingSlack
    parts: dict[str, Any]
    workers: ExitStack

    def worker(self) -> subprocess.Popen:
        """Return the one that works: a new one if the last one was killed."""
        if self.slack.worker is None or self.slack.worker.poll() is not None:
            running = process("worker", fast=True, killed=True, **self.parts)
            self.slack.worker = self.workers.enter_context(running)
        return self.slack.worker

    def wait(self, holds):
        return self.slack.wait_until(holds, PATIENCE_SECONDS)

    def previews(self, person):
        own = self.slack.world.direct_message(self.bot.home, person.user_id)
        return [
            one
            for one in self.slack.bot_messages(own.channel_id)
            if any(block["type"] == "image" for block in one.blocks)
        ]

    def files(self):
        return [
            one
            for one in self.slack.world.files.values()
            if one.name == "preview.jpg" and one.completed and not one.deleted
        ]


@pytest.fixture(scope="module")
def stage(parts):
    with (
        KillingSlack() as slack,
        serving(slack, "--no-worker", **parts) as bot,
        ExitStack() as workers,
    ):
        yield Stage(bot, slack, parts | {"slack": slack}, workers)


def first_preview(stage, person, channel):
    person.command(channel, f"{stage.bot.address()} preview")
    [message] = stage.wait(lambda: stage.previews(person))
    return message


def is_left(message) -> bool:
    said = [one["text"]["text"] for one in message.blocks if "accessory" in one]
    return said == ["*Face 1:* left as it is"]


@pytest.mark.parametrize(
    ("method", "when"),
    [
        ("upload", AFTER),
        ("files.completeUploadExternal", BEFORE),
        ("files.completeUploadExternal", AFTER),
        ("chat.postMessage", BEFORE),
        ("chat.postMessage", AFTER),
    ],
)
def test_showing_a_preview(stage, method, when):
    person = stage.bot.sit("kay")
    stage.slack.armed = (method, when)
    worker = stage.worker()
    person.command(stage.bot.channel(), f"{stage.bot.address()} preview")
    assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    stage.worker()
    [message] = stage.wait(lambda: stage.previews(person))
    stage.wait(lambda: len(stage.files()) == 1)
    person.press(message, ids.FACE, "1/leave")
    stage.wait(lambda: is_left(message))
    stage.wait(lambda: len(stage.files()) == 1)
    assert stage.previews(person) == [message]
    person.press(message, ids.DISCARD)
    stage.wait(lambda: not stage.previews(person) and not stage.files())


@pytest.mark.parametrize(
    ("method", "when"),
    [("chat.update", BEFORE), ("chat.update", AFTER), ("files.delete", BEFORE)],
)
def test_redrawing_a_preview(stage, method, when):
    person = stage.bot.sit("lee")
    worker = stage.worker()
    message = first_preview(stage, person, stage.bot.channel())
    stage.slack.armed = (method, when)
    person.press(message, ids.FACE, "1/leave")
    assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    stage.worker()
    stage.wait(lambda: is_left(message) and len(stage.files()) == 1)
    assert stage.previews(person) == [message]
    person.press(message, ids.DISCARD)
    stage.wait(lambda: not stage.previews(person) and not stage.files())


@pytest.mark.parametrize(
    ("method", "when"),
    [
        ("upload", AFTER),
        ("files.completeUploadExternal", AFTER),
        ("chat.delete", BEFORE),
    ],
)
def test_posting_a_preview(stage, method, when):
    person, channel = stage.bot.sit("mo"), stage.bot.channel()
    worker = stage.worker()
    message = first_preview(stage, person, channel)
    stage.slack.armed = (method, when)
    person.press(message, ids.POST)
    assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    stage.worker()
    stage.wait(lambda: stage.slack.results(channel))
    stage.wait(lambda: not stage.previews(person) and not stage.files())
    assert len(stage.slack.results(channel)) == 1
