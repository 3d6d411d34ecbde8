"""A web server with Slack's listeners, for whoever tests them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from emojifier_bot.db.engine import open_database
from tests.fakes.slack.server import SlackServer
from tests.slack_listeners import ListenerHarness, running_listeners


@pytest.fixture
def listeners(sqlite_url: str) -> Iterator[ListenerHarness]:
    with (
        SlackServer() as slack,
        closing(open_database(sqlite_url)) as database,
        running_listeners(slack, database) as harness,
    ):
        yield harness
