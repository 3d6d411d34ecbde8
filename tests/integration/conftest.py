"""Slack's listeners in a web server, jobs with all that they need, an emojifier."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from emojifier_bot import Emojifier
from emojifier_bot.db.engine import open_database
from tests.fakes.slack import sample_workspace
from tests.fakes.slack.server import SlackServer
from tests.jobs_harness import JobsHarness
from tests.slack_bot import Bot
from tests.slack_listeners import ListenerHarness, running_listeners


@pytest.fixture
def listeners(sqlite_url: str) -> Iterator[ListenerHarness]:
    with (
        SlackServer() as slack,
        closing(open_database(sqlite_url)) as database,
        running_listeners(slack, database) as harness,
    ):
        yield harness


@pytest.fixture
def harness(database_url: str, tmp_path: Path) -> Iterator[JobsHarness]:
    with closing(JobsHarness(database_url, tmp_path / "slack")) as harness:
        yield harness


@functools.cache
def shipped() -> Emojifier:
    return Emojifier()


@pytest.fixture
def emojifier() -> Emojifier:
    """Return one emojifier for all tests, made where the environment is scrubbed."""
    return shipped()


@pytest.fixture
def slack():
    """Return a Slack whose clock goes on by a second whenever it is read."""
    seconds = itertools.count(1_790_000_000)
    with SlackServer(clock=lambda: float(next(seconds))) as server:
        yield server
        assert server.problems == []


@pytest.fixture
def make_bot(slack, sqlite_url):
    with closing(open_database(sqlite_url)) as database:

        def make(*scopes, **acme) -> Bot:
            acme = sample_workspace(slack, *scopes, **acme)
            return Bot(slack, acme, database=database)

        yield make


@pytest.fixture
def bot(make_bot):
    return make_bot()
