"""What Slack grants becomes an installation of ours; the rest is tested over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from slack_sdk import WebClient
from slack_sdk.oauth.installation_store import Installation as BoltInstallation

from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import ConfigError, DeliveryError
from emojifier_bot.slack.install import StateCookie, from_bolt, installation_of_token
from tests.fakes.inbound import NOW, SetClock
from tests.fakes.servers import said, serving

AUTH_TEST = "/api/auth.test"
TOKEN = "xoxb-1"  # noqa: S105
WHOLE = {
    "ok": True,
    "team_id": "T1",
    "team": "Acme",
    "user_id": "UBOT",
    "bot_id": "BBOT",
}


def asked(**answer: object) -> Installation:
    body = json.dumps(answer).encode()
    header = {"content_type": "application/json", "x_oauth_scopes": "commands, chat"}
    return asked_for(said(200, body, **header))


def asked_for(answer: bytes) -> Installation:
    with serving({AUTH_TEST: answer}) as slack:
        client = WebClient(base_url=slack.url("/api/"), retry_handlers=[])
        return installation_of_token(client, TOKEN, SetClock())


def test_least_that_slack_grants():
    found = from_bolt(BoltInstallation(user_id="U1", bot_token="x"), NOW)  # noqa: S106

    assert found.workspace == Workspace("")
    assert found.scopes == ()
    assert found.expires_at is None
    assert found.installed_at == NOW


@pytest.mark.parametrize(
    ("whole", "workspace"),
    [
        (False, Workspace("T1", "E1")),
        (True, Workspace("", "E1", is_org_install=True)),
    ],
)
def test_all_that_slack_grants(whole, workspace):
    granted = BoltInstallation(
        app_id="A1",
        enterprise_id="E1",
        enterprise_name="Umbrella",
        team_id="T1",
        team_name="Acme",
        bot_token=TOKEN,
        bot_id="BBOT",
        bot_user_id="UBOT",
        bot_scopes="commands,chat:write",
        bot_refresh_token="xoxe-1",  # noqa: S106
        bot_token_expires_at=1_793_664_000,
        user_id="U1",
        is_enterprise_install=whole,
    )

    assert from_bolt(granted, NOW) == Installation(
        workspace=workspace,
        bot_token=TOKEN,
        bot_user_id="UBOT",
        bot_id="BBOT",
        app_id="A1",
        scopes=("commands", "chat:write"),
        refresh_token="xoxe-1",  # noqa: S106
        expires_at=datetime(2026, 11, 3, tzinfo=UTC),
        team_name="Acme",
        enterprise_name="Umbrella",
        installed_by="U1",
        installed_at=NOW,
    )


def test_a_token_of_the_settings():
    found = asked(**WHOLE)

    assert found.workspace == Workspace("T1")
    assert (found.bot_token, found.bot_user_id, found.bot_id) == (TOKEN, "UBOT", "BBOT")
    assert found.scopes == ("commands", "chat")
    assert found.team_name == "Acme"


def test_an_organisations_token_of_the_settings():
    found = asked(**WHOLE | {"enterprise_id": "E1", "is_enterprise_install": True})

    assert found.workspace == Workspace("", "E1", is_org_install=True)


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
def test_a_wrong_token_of_the_settings(code):
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN") as caught:
        asked(ok=False, error=code)

    assert code in caught.value.message
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize(
    "answer", [b"", said(503, b"<html>", content_type="text/html")]
)
def test_a_slack_that_does_not_answer(answer):
    with pytest.raises(DeliveryError) as caught:
        asked_for(answer)

    assert caught.value.retryable


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_of_a_state(secure):
    cookie = StateCookie(secure=secure)
    kept = cookie.build_set_cookie_for_new_state("abc")

    assert kept.startswith("slack-app-oauth-state=abc; ")
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=600"} <= set(kept.split("; "))
    assert ("Secure" in kept.split("; ")) is secure
    assert "Max-Age=0" in cookie.build_set_cookie_for_deletion()
    assert cookie.is_valid_browser("abc", {"cookie": [kept]})
    assert not cookie.is_valid_browser("abd", {"cookie": [kept]})
