"""A whole command over Socket Mode: no public address, no signature."""

from __future__ import annotations

import json

import pytest
from slack_sdk import WebClient

from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import ConfigError, DeliveryError
from emojifier_bot.slack.app import make_bolt_app
from emojifier_bot.slack.authorize import CachedAuthorize
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.policy import RequestPolicy
from emojifier_bot.slack.socket_mode import SocketMode
from emojifier_bot.slack.tokens import RotatingBotTokens
from tests.fakes.inbound import MemoryQueue, PlainVault, SetClock, TalkingSink
from tests.fakes.servers import said, serving
from tests.fakes.socket_mode import SocketModeLine
from tests.fakes.stores import (
    FakeAllowances,
    FakeInstallationStore,
    FakePostLog,
    FakeWorkspaceSettings,
)
from tests.slack_payloads import (
    ASKER,
    BOT,
    CHANNEL,
    RESPONSE_URL,
    TEAM,
    direct_message,
    mention,
)

OPEN = "/api/apps.connections.open"
COMMAND = {
    "team_id": TEAM,
    "channel_id": CHANNEL,
    "user_id": ASKER,
    "command": "/emojify",
    "text": "surprise",
    "response_url": RESPONSE_URL,
    "trigger_id": "1.2.3",
}


def told(**answer: object) -> bytes:
    return said(200, json.dumps(answer).encode(), content_type="application/json")


@pytest.fixture
def queue():
    return MemoryQueue()


@pytest.fixture
def settings():
    return FakeWorkspaceSettings()


@pytest.fixture
def sink():
    return TalkingSink()


@pytest.fixture
def make_line(queue, settings, sink):
    opened = []

    def make(api_url: str) -> SocketMode:
        clock = SetClock()
        store = FakeInstallationStore(Installation(Workspace(TEAM), "xoxb-1", BOT))
        web = WebClient(base_url=api_url, retry_handlers=[])
        tokens = RotatingBotTokens(store, clock, web, "", "")
        inbound = ListenerContext(
            queue=queue,
            posts=FakePostLog(),
            installations=store,
            authorize=CachedAuthorize(store, clock),
            sink=sink,
            vault=PlainVault(),
            client=SlackClient(api_url, tokens.installation),
            policy=RequestPolicy(settings, FakeAllowances()),
            themes=("classic",),
        )
        line = SocketMode(make_bolt_app(inbound, ""), "xapp-1")
        opened.append((line, inbound))
        return line

    yield make
    for line, inbound in opened:
        line.close()
        inbound.close()


def test_a_command_is_answered_over_the_line(make_line, queue):
    with (
        SocketModeLine() as slack,
        serving({OPEN: told(ok=True, url=slack.url)}) as web,
    ):
        make_line(web.url("/api/")).open()
        answer = slack.send_command(COMMAND)

    assert web.heard[0].headers["authorization"] == "Bearer xapp-1"
    assert answer["payload"]["text"] == render_message("accepted")
    assert [one.surprise for one in queue.requests] == [True]


@pytest.mark.parametrize("make_event", [mention, direct_message])
def test_an_opt_out_by_event_is_stored_answered_and_not_repeated(
    make_line, settings, sink, make_event
):
    opt_out = json.loads(make_event("opt out").body)
    opt_in = json.loads(make_event("opt in").body)

    with (
        SocketModeLine() as slack,
        serving({OPEN: told(ok=True, url=slack.url)}) as web,
    ):
        line = make_line(web.url("/api/"))
        line.open()
        slack.send_event(opt_out)
        assert settings.opted_out({ASKER}) == {ASKER}

        slack.send_event(opt_in)
        slack.send_event(opt_out, retry_attempt=1, retry_reason="timeout")
        assert settings.opted_out({ASKER}) == set()

    line.close()
    assert sink.kinds == ["opted_out_now", "opted_in_now"]


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        ("invalid_auth", ConfigError, "SLACK_APP_TOKEN"),
        ("not_allowed_token_type", ConfigError, "connections:write"),
        ("internal_error", DeliveryError, "internal_error"),
    ],
)
def test_a_line_that_slack_refuses(make_line, code, error, says):
    with serving({OPEN: told(ok=False, error=code)}) as web:
        line = make_line(web.url("/api/"))

        with pytest.raises(error, match=says):
            line.open()


def test_a_slack_that_does_not_answer(make_line):
    with serving({OPEN: b""}) as web:
        line = make_line(web.url("/api/"))

        with pytest.raises(DeliveryError, match="did not answer"):
            line.open()
