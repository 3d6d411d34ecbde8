"""Slack's Web API as it fails: every way ends as one kind of error, none in the log."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import replace

import pytest
from slack_sdk.errors import SlackApiError

from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import DeliveryError
from emojifier_bot.slack.client import SlackClient, make_app_client
from tests.fakes.servers import said, serving
from tests.fakes.slack import SlackServer, sample_workspace
from tests.slack_bot import Bot, FixedTokens

TOKEN = "xoxb-fake-token"


@pytest.fixture
def slack():
    with SlackServer() as server:
        yield server


@pytest.fixture
def bot(slack):
    return Bot(slack, sample_workspace(slack))


def refused(bot: Bot, method: str = "files.info", **arguments) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        bot.client.call(bot.workspace, method, **arguments or {"file": "F0"})
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "after"),
    [
        ({"status": 429, "retry_after": 30}, "ratelimited", True, 30.0),
        ({"status": 429}, "ratelimited", True, None),
        ({"status": 500}, "slack_unreachable", True, None),
        ({"status": 503, "retry_after": 5}, "slack_unreachable", True, 5.0),
        ({"html": True}, "slack_unreachable", True, None),
        ({"drop": True}, "slack_unreachable", True, None),
        ({"error": "internal_error"}, "internal_error", True, None),
        ({"error": "fatal_error"}, "fatal_error", True, None),
        ({"error": "service_unavailable"}, "service_unavailable", True, None),
        ({"error": "file_deleted"}, "file_deleted", False, None),
        ({"error": "missing_scope"}, "missing_scope", False, None),
        ({"error": "token_revoked"}, "token_revoked", False, None),
    ],
)
def test_each_failure_has_its_kind_and_may_be_retried_or_not(
    bot, fault, kind, retryable, after
):
    bot.slack.faults.add("files.info", **fault)

    error = refused(bot)

    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.retry_after_seconds == after
    # One call is one try: waiting is for the job.
    assert len(bot.slack.calls_of("files.info")) <= 1


def test_half_of_a_surrogate_pair_in_an_answer_becomes_a_sign(bot):
    body = (
        rb'{"ok": true, "file": {"name": "party \ud83d.png", "title": "\ud83d\ude06"}}'
    )
    answer = said(200, body, content_type="application/json")
    with serving({"/api/files.info": answer}) as slack:
        client = SlackClient(slack.url("/api/"), bot.tokens.installation)
        found = client.call(bot.workspace, "files.info", file="F1")

    assert found["file"] == {"name": "party \ufffd.png", "title": "😆"}


def test_slack_that_never_answers_is_not_waited_for(bot, slack):
    slack.faults.add("files.info", held=threading.Event())
    bot.client = replace(bot.client, timeout_seconds=1)

    error = refused(bot)

    assert (error.kind, error.retryable) == ("slack_unreachable", True)


def test_a_closed_port_is_no_answer(bot):
    closed = SlackClient("http://127.0.0.1:9/api/", bot.tokens.installation, 1)
    with pytest.raises(DeliveryError, match="did not answer") as caught:
        closed.call(bot.workspace, "auth.test")
    assert (caught.value.kind, caught.value.retryable) == ("slack_unreachable", True)


def test_a_workspace_without_the_bot(bot, slack):
    with pytest.raises(DeliveryError) as caught:
        bot.client.call(Workspace("T-elsewhere"), "auth.test")
    assert caught.value.kind == "not_installed"
    assert slack.calls == []


def test_no_secret_is_logged(bot, slack, caplog):
    caplog.set_level(logging.DEBUG)
    for fault in ({"status": 500}, {"html": True}, {"error": "file_deleted"}):
        slack.faults.add("files.info", **fault)
        refused(bot)
        refused(bot, "chat.postMessage", channel="C0", text="a secret of somebody's")

    said = caplog.text + "".join(str(vars(one)) for one in caplog.records)
    for secret in (bot.acme.token, "a secret of somebody's", slack.url, "<html>"):
        assert secret not in said
    assert {one.action for one in caplog.records} == {"call_slack"}


def test_empty_arguments_are_not_sent(bot, slack):
    bot.client.call(
        bot.workspace,
        "chat.postMessage",
        channel=bot.acme.general.channel_id,
        text="Hello & <all> ünïcödé 😆",
        thread_ts="",
        unfurl_links=False,
        blocks=None,
    )
    (call,) = slack.calls
    assert set(call.args) == {"channel", "text", "unfurl_links"}
    assert call.args["text"] == "Hello & <all> ünïcödé 😆"
    assert slack.problems == []


def test_an_organisations_token_names_the_workspace(slack):
    acme = sample_workspace(slack, org_wide=True, enterprise_id="E1")
    bot = Bot(slack, acme)

    bot.client.call(bot.workspace, "files.list", types="images")

    (call,) = slack.calls
    assert call.args["team_id"] == acme.workspace.team_id
    assert slack.problems == []


@pytest.mark.parametrize(
    ("scopes", "known", "may"),
    [(["files:read"], True, False), (["im:write"], True, True), ([], False, True)],
)
def test_whether_a_scope_is_granted(slack, scopes, known, may):
    bot = Bot(slack, sample_workspace(slack, scopes), knows_scopes=known)
    assert bot.client.has_scope(bot.workspace, "im:write") is may


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_token_along(status):
    with serving() as slack, serving() as elsewhere:
        elsewhere.paths["/"] = said(200, b"{}", content_type="application/json")
        slack.paths["/api/files.info"] = said(status, location=elsewhere.url())
        slack.paths["/api/oauth.v2.access"] = said(status, location=elsewhere.url())
        tokens = FixedTokens({"T1": Installation(Workspace("T1"), TOKEN, "UBOT")})
        client = SlackClient(slack.url("/api/"), tokens.installation, 2)
        with contextlib.suppress(DeliveryError):
            client.call(Workspace("T1"), "files.info", file="F1")
        with contextlib.suppress(SlackApiError):
            make_app_client(slack.url("/api/")).oauth_v2_access(
                client_id="1.2", client_secret=TOKEN, code="3"
            )

    assert [TOKEN in one.headers["authorization"] for one in slack.heard[:1]] == [True]
    assert slack.heard[1].headers["authorization"].startswith("Basic ")
    for one in elsewhere.heard:
        assert "authorization" not in one.headers
        assert TOKEN not in f"{one.path}{one.headers}{one.body}"
