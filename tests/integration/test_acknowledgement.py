"""Commands are answered while Slack is slow itself, for nothing is asked of it.

How fast is measured by `scripts/acknowledgement.py`, with a worker beside it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
import requests

from emojifier_bot.app.bot import make_limiter
from emojifier_bot.clock import SystemClock
from emojifier_bot.config import load_settings
from emojifier_bot.db.engine import open_database
from emojifier_bot.slack.app import flask_handler, make_bolt_app
from emojifier_bot.web.app import WebDependencies, create_app
from emojifier_bot.web.server import WebServer
from tests.fakes.slack.server import SlackServer
from tests.slack_listeners import make_context
from tests.slack_payloads import command, signed
from tests.threads import in_thread

PER_SECOND, SECONDS = 50, 3
AUTH_TEST_SECONDS = 0.1
#: As many people as may be waiting at once.
SENDERS = 25


@pytest.fixture
def slack():
    with SlackServer() as server:
        server.faults.add("*", slow_seconds=AUTH_TEST_SECONDS, times=None)
        yield server


@pytest.fixture
def bot(slack, sqlite_url):
    names = ("user_per_minute", "workspace_per_hour", "workspace_per_day")
    many = load_settings(**dict.fromkeys(names, 1_000_000))
    with closing(open_database(sqlite_url)) as database:
        context = replace(
            make_context(database, slack.api_url),
            limiter=make_limiter(many, database, SystemClock()),
        )
        bolt = make_bolt_app(context, slack.app.signing_secret)
        parts = WebDependencies(
            flask_handler(bolt), slack.app.signing_secret, SystemClock()
        )
        server = WebServer(create_app(parts), host="127.0.0.1", port=0, threads=16)
        with closing(context), in_thread(server.run, server.stop):
            yield server


def one_round(url: str, secret: str) -> list[float]:
    """Send commands when they are due; return how long each sender waited."""
    local, began = threading.local(), time.perf_counter()

    def send(number: int) -> float:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        sent, due = command("surprise"), began + number / PER_SECOND
        headers = signed(sent, secret)
        time.sleep(max(0.0, due - time.perf_counter()))
        answer = local.session.post(url, data=sent.body, headers=headers, timeout=60)
        assert answer.status_code == 200
        assert answer.json()["text"]
        return time.perf_counter() - due

    with ThreadPoolExecutor(SENDERS) as pool:
        return sorted(pool.map(send, range(PER_SECOND * SECONDS)))


def test_50_commands_a_second_are_acknowledged_without_asking_slack(slack, bot):
    url = f"http://127.0.0.1:{bot.port}/slack/events"

    waits = one_round(url, slack.app.signing_secret)

    assert len(waits) == PER_SECOND * SECONDS
    assert slack.calls == []
