"""A fake Slack, a workspace in it and a client of the bot's."""

import pytest
from slack_sdk import WebClient

from tests.contract.fake_slack.scene import BACK, Scene
from tests.fakes.slack import SlackApp, SlackServer, SlackUser, sample_workspace


@pytest.fixture
def times():
    return [1_800_000_000.0]


@pytest.fixture
def slack(times):
    app = SlackApp(redirect_urls=[BACK])
    with SlackServer(app, clock=lambda: times[0]) as server:
        yield server


@pytest.fixture
def acme(slack):
    return sample_workspace(slack)


@pytest.fixture
def client(slack, acme):
    return WebClient(acme.token, base_url=slack.api_url)


@pytest.fixture
def ada(slack, acme):
    return SlackUser(slack, acme.workspace, acme.ada, "http://127.0.0.1:9")


@pytest.fixture
def scene(slack, acme, client, times):
    return Scene(slack, acme, client, times)
