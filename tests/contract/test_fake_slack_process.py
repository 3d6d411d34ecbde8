"""The fake Slack as a process of its own, steered from outside."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.images import encoded, flat

ROOT = Path(__file__).parents[2]
SIGNED_WITH = "other words"
PNG = encoded(flat((200, 30, 30)), "PNG")


@pytest.fixture(scope="module")
def facts():
    command = [sys.executable, "-m", "tests.fakes.slack_server"]
    more = [
        "--signing-secret",
        SIGNED_WITH,
        "--redirect-url",
        "http://127.0.0.1:3000/a",
    ]
    with subprocess.Popen(command + more, cwd=ROOT, stdout=subprocess.PIPE) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(timeout=10) == 0


def ask(facts, what, **params):
    answer = requests.get(f"{facts['url']}/control/{what}", params=params, timeout=5)
    answer.raise_for_status()
    return answer.json()


def do(facts, what, **told):
    answer = requests.post(f"{facts['url']}/control/{what}", json=told, timeout=5)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture
def client(facts):
    do(facts, "clear_faults")
    do(facts, "clear_records")
    return WebClient(facts["token"], base_url=facts["environment"]["SLACK_API_URL"])


def test_says_where_it_is(facts, client):
    assert facts["environment"]["SLACK_SIGNING_SECRET"] == SIGNED_WITH
    assert client.auth_test()["team_id"] == facts["team_id"]
    assert [call["method"] for call in ask(facts, "calls")] == ["auth.test"]
    assert ask(facts, "calls", method="chat.postMessage") == []


def test_goes_wrong_on_order(facts, client):
    do(facts, "faults", method="auth.test", status=429, retry_after=1)

    with pytest.raises(SlackApiError, match="ratelimited"):
        client.auth_test()
    assert client.auth_test()["ok"]


def test_shows_what_happened(facts, client):
    room, ada = facts["channels"]["general"], facts["users"]["ada"]
    data = base64.b64encode(PNG).decode()
    message = do(
        facts,
        "pictures",
        user_id=ada,
        channel_id=room,
        name="party.png",
        base64=data,
    )
    client.chat_postMessage(channel=room, text="Nice", thread_ts=message["ts"])
    client.chat_postEphemeral(channel=room, user=ada, text="psst")

    assert [one["text"] for one in ask(facts, "messages", channel=room)] == ["", "Nice"]
    assert [one["text"] for one in ask(facts, "told", user=ada)] == ["psst"]
    assert [one["name"] for one in ask(facts, "files")] == ["party.png"]
    assert ask(facts, "problems") == []


def test_grows(facts, client):
    workspace = do(facts, "workspaces", name="Other")
    team_id = workspace["team_id"]
    user = do(facts, "users", team_id=team_id, name="eve")
    room = do(facts, "channels", team_id=team_id, name="a", members=[user["user_id"]])
    grant = do(facts, "install", team_id=team_id, scopes=["chat:write"])
    url = do(
        facts,
        "response_urls",
        channel_id=room["channel_id"],
        user_id=user["user_id"],
    )["response_url"]
    other = WebClient(grant["token"], base_url=client.base_url)

    assert other.chat_postMessage(channel=room["channel_id"], text="a")["ok"]
    assert requests.post(url, json={"text": "b"}, timeout=5).ok
    assert do(facts, "triggers", user_id=user["user_id"])["trigger_id"]
    assert do(facts, "switches", share_after_polls=1) == {"share_after_polls": 1}
    assert ask(facts, "switches")["share_after_polls"] == 1
    assert do(facts, "redirect_urls", url="http://127.0.0.1:4000/a")


@pytest.mark.parametrize(
    ("what", "told", "status"),
    [
        ("nothing", {}, 404),
        ("switches", {"nothing": 1}, 404),
        ("faults", {"method": "auth.test", "error": "file_not_found"}, 400),
        ("workspaces", {"nothing": 1}, 400),
    ],
)
def test_says_no_to_mistakes(facts, what, told, status):
    answer = requests.post(f"{facts['url']}/control/{what}", json=told, timeout=5)

    assert answer.status_code == status
    assert answer.json()["error"]
