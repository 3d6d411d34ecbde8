"""A web server with Slack's listeners, and jobs with all that they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from emojifier_bot.db.engine import open_database
from tests.fakes.slack.server import SlackServer
from tests.jobs_harness import JobsHarness
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
