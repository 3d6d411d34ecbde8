"""A fake Slack, a workspace in it and a client of the bot's."""

from __future__ import annotations

import pytest
from slack_sdk import WebClient

from tests.contract.fake_slack.scene import BACK, Scene
from tests.fakes.slack import SlackApp, SlackServer, SlackUser, found_town


@pytest.fixture
def times():
    return [1_800_000_000.0]


@pytest.fixture
def slack(times):
    app = SlackApp(redirect_urls=[BACK])
    with SlackServer(app, clock=lambda: times[0]) as server:
        yield server


@pytest.fixture
def town(slack):
    return found_town(slack)


@pytest.fixture
def client(slack, town):
    return WebClient(town.token, base_url=slack.api_url)


@pytest.fixture
def ada(slack, town):
    return SlackUser(slack, town.workspace, town.ada, "http://127.0.0.1:9")


@pytest.fixture
def scene(slack, town, client, times):
    return Scene(slack, town, client, times)
