"""Commands and events over Socket Mode: no public address, no signature."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing, contextmanager, suppress

import pytest

from emojifier_bot.db.engine import open_database
from emojifier_bot.errors import ConfigError, DeliveryError
from emojifier_bot.slack.app import make_bolt_app
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.socket_mode import SocketMode, _WhileCurrent
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
from tests.threads import PATIENCE_SECONDS, wait_until

OPEN = "/api/apps.connections.open"
#: A connection counts as broken after four times as long without a sign of life: here
#: no busy machine makes it so, unless a test is about that.
PING_SECONDS, SOON_SECONDS = 30.0, 0.5
often = pytest.mark.parametrize("ping_seconds", [SOON_SECONDS])
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
def ping_seconds():
    return PING_SECONDS


@pytest.fixture
def connection(context, ping_seconds):
    app = make_bolt_app(context, "")
    with closing(SocketMode(app, "xapp-1", ping_seconds=ping_seconds)) as connection:
        yield connection


@pytest.fixture
def ended():
    """Return what is set when Slack refuses the token of an open connection."""
    return threading.Event()


@pytest.fixture
def slack(slack_api, connection, ended):
    """Return Slack's end of the open connection."""
    with SocketModeLine() as slack:
        slack_api.paths[OPEN] = told(ok=True, url=slack.url)
        connection.open(on_refusal=ended.set)
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


def is_heard(slack):
    with suppress(OSError):  # the connection was replaced meanwhile
        return slack.send_command(COMMAND)["payload"]["text"] == render_message(
            "accepted"
        )
    return False


@often
def test_the_state_of_the_connection_is_known(slack, slack_api, connection, caplog):
    good = slack_api.paths[OPEN]
    assert connection.is_connected()

    slack_api.paths[OPEN] = told(ok=False, error="internal_error")
    slack.drop()
    wait_until(lambda: not connection.is_connected())
    time.sleep(3 * SOON_SECONDS)
    assert not connection.is_connected()

    slack_api.paths[OPEN] = good
    wait_until(connection.is_connected)
    wait_until(lambda: is_heard(slack))
    told_about = [one for one in caplog.records if one.action == "socket_mode"]
    assert [getattr(one, "error", "") for one in told_about] == ["internal_error", ""]


@pytest.mark.parametrize("ping_seconds", [0.1])
def test_a_connection_whose_other_end_never_answers_is_replaced(slack):
    slack.silent = True
    slack.drop()
    wait_until(lambda: slack.connections > 2)

    slack.silent = False
    wait_until(lambda: is_heard(slack))


def test_reconnecting_as_slack_asks_for_it_never_makes_it_deaf(slack):
    for number in range(1, 3):
        slack.disconnect()
        wait_until(lambda number=number: slack.connections > number)
        assert is_heard(slack)


def test_a_connection_that_another_thread_closes_too_is_replaced_all_the_same(
    slack, connection
):
    client = connection._client
    session = client.current_session
    lock = session.sock_send_lock

    @contextmanager
    def closed_meanwhile():
        with lock:
            if session.sock is not None:
                session.sock.close()
                session.sock = None
            yield

    session.sock_send_lock = closed_meanwhile()
    client.connect_to_new_endpoint(force=True)

    assert client.current_session is not session
    wait_until(lambda: slack.connections == 2)
    assert is_heard(slack)


def test_a_connection_that_is_opened_while_it_closes_does_not_stay_open(
    slack, connection
):
    client = connection._client
    shutdown = client.current_app_monitor.shutdown

    def connects_once_more():
        client.connect_to_new_endpoint(force=True)
        shutdown()

    client.current_app_monitor.shutdown = connects_once_more
    connection.close()

    wait_until(lambda: slack.connections == 2)
    assert not connection.is_connected()


@pytest.mark.usefixtures("slack")
def test_the_replaced_connection_is_not_read_on(connection):
    """The SDK's reader may have begun with the state of the connection before."""
    client = connection._client
    stale = client.current_session
    client.connect_to_new_endpoint(force=True)

    assert _WhileCurrent(client, stale).terminated
    assert not _WhileCurrent(client, client.current_session).terminated


@often
def test_a_token_that_is_refused_later_ends_it(slack, slack_api, connection, ended):
    assert connection.refusal is None

    slack_api.paths[OPEN] = told(ok=False, error="invalid_auth")
    slack.drop()
    assert ended.wait(PATIENCE_SECONDS)

    assert "SLACK_APP_TOKEN is refused" in connection.refusal.message
    asked = len(slack_api.heard)
    time.sleep(3 * SOON_SECONDS)
    assert len(slack_api.heard) == asked
    assert not connection.is_connected()
