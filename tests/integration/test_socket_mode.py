"""Commands and events over Socket Mode: no public address, no signature."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from emojifier_bot.db.engine import open_database
from emojifier_bot.errors import ConfigError, DeliveryError
from emojifier_bot.slack.app import SocketMode, make_bolt_app
from emojifier_bot.slack.messages import render_message
from tests.fakes.servers import said, serving
from tests.fakes.socket_mode import SocketModeLine
from tests.slack_listeners import make_context
from tests.slack_payloads import (
    ASKER,
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
def slack_api():
    with serving({}) as server:
        yield server


@pytest.fixture
def context(slack_api, sqlite_url):
    with closing(open_database(sqlite_url)) as database:
        context = make_context(database, slack_api.url("/api/"))
        yield context
        context.close()


@pytest.fixture
def connection(context):
    with closing(SocketMode(make_bolt_app(context, ""), "xapp-1")) as connection:
        yield connection


@pytest.fixture
def slack(slack_api, connection):
    """Return Slack's end of the open connection."""
    with SocketModeLine() as slack:
        slack_api.paths[OPEN] = told(ok=True, url=slack.url)
        connection.open()
        yield slack
        connection.close()


def test_a_command_is_answered(slack, slack_api, context):
    answer = slack.send_command(COMMAND)

    assert slack_api.heard[0].headers["authorization"] == "Bearer xapp-1"
    assert answer["payload"]["text"] == render_message("accepted")
    assert [one.surprise for one in context.queue.requests] == [True]


@pytest.mark.parametrize("make_event", [mention, direct_message])
def test_an_opt_out_by_event_is_stored_answered_and_not_repeated(
    slack, context, make_event
):
    settings = context.settings
    opt_out = json.loads(make_event("opt out").body)
    opt_in = json.loads(make_event("opt in").body)

    slack.send_event(opt_out)
    assert settings.opted_out({ASKER}) == {ASKER}

    slack.send_event(opt_in)
    slack.send_event(opt_out, retry_attempt=1, retry_reason="timeout")
    assert settings.opted_out({ASKER}) == set()

    context.close()
    assert context.sink.kinds == ["opted_out_now", "opted_in_now"]


@pytest.mark.parametrize(
    ("answer", "error", "part"),
    [
        (told(ok=False, error="invalid_auth"), ConfigError, "SLACK_APP_TOKEN"),
        (
            told(ok=False, error="not_allowed_token_type"),
            ConfigError,
            "connections:write",
        ),
        (told(ok=False, error="internal_error"), DeliveryError, "internal_error"),
        (b"", DeliveryError, "did not answer"),
    ],
)
def test_a_connection_that_slack_refuses(slack_api, connection, answer, error, part):
    slack_api.paths[OPEN] = answer

    with pytest.raises(error, match=part):
        connection.open()
