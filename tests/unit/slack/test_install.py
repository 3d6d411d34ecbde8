"""What Slack grants becomes an installation of ours; the rest is tested over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from slack_bolt.request import BoltRequest
from slack_sdk import WebClient
from slack_sdk.oauth.installation_store import Installation as BoltInstallation

from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import ConfigError, DeliveryError, StoreError
from emojifier_bot.slack import insist
from emojifier_bot.slack.app_client import AppClient
from emojifier_bot.slack.install import (
    OAuthApp,
    StateCookie,
    StoredInstallations,
    from_bolt,
    installation_of_token,
    make_install_flow,
)
from tests.fakes.inbound import NOW, SetClock
from tests.fakes.servers import said, serving
from tests.fakes.stores import FakeInstallationStore, FakeOAuthStates

AUTH_TEST = "/api/auth.test"
TOKEN = "xoxb-1"
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
    found = from_bolt(BoltInstallation(user_id="U1", bot_token="x"), NOW)

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
        bot_refresh_token="xoxe-1",
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
        refresh_token="xoxe-1",
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


# What Slack answers when asked for a token.

ACCESS = "/api/oauth.v2.access"
GRANTED = {
    "ok": True,
    "access_token": TOKEN,
    "team": {"id": "T1", "name": "Acme"},
    "bot_user_id": "UBOT",
    "scope": "commands",
    "app_id": "A1",
    "authed_user": {"id": "U1"},
}
JSON = {"content_type": "application/json"}


class Pages:
    """Pages that say what they are about."""

    def installed(self, name: str, open_url: str) -> str:
        return f"installed {name} {open_url}"

    def refused(self, reason: str) -> str:
        return f"refused {reason}"


@dataclass
class Stubborn(FakeInstallationStore):
    """A store that fails at first."""

    failures: int = 0
    tries: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def save(self, installation: Installation) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise StoreError("Away.")
        super().save(installation)


def finished(answers: dict[str, bytes], store: FakeInstallationStore, **query: str):
    """Return what a browser is answered that comes back from Slack."""
    states = FakeOAuthStates()
    state = states.issue()
    with serving(answers) as slack:
        flow = make_install_flow(
            OAuthApp("1.2", "secret", "https://bot.example", "https://slack.com/x"),
            installations=StoredInstallations(store, SetClock(), lambda _one: None),
            states=states,
            pages=Pages(),
            client=AppClient(slack.url("/api/")),
        )
        return flow.handle_callback(
            BoltRequest(
                body="",
                query={"code": "123", "state": state} | query,
                headers={"cookie": [f"slack-app-oauth-state={state}"]},
            )
        )


def answer_of(**values: object) -> bytes:
    return said(200, json.dumps(values).encode(), **JSON)


@pytest.mark.parametrize(
    "answer",
    [
        answer_of(ok=True, bot_id="BBOT"),
        answer_of(ok=False, error="internal_error"),
        said(503, b"<html>", content_type="text/html"),
        said(200, b"[]", **JSON),
        said(200, b"\xff", **JSON),
        b"",
    ],
    ids=["good", "refused", "broken", "no object", "no text", "cut off"],
)
def test_the_installation_is_kept_whatever_is_known_of_the_bot(answer):
    store = FakeInstallationStore()

    done = finished({ACCESS: answer_of(**GRANTED), AUTH_TEST: answer}, store)

    [found] = store.all()
    assert (done.status, found.bot_token) == (200, TOKEN)
    assert found.bot_id == ("BBOT" if b"BBOT" in answer else "")
    assert "Max-Age=0" in done.headers["set-cookie"][0]


@pytest.mark.parametrize(
    "answer",
    [
        said(200, b"[]", **JSON),
        said(200, b"null", **JSON),
        said(200, b"\xff", **JSON),
        said(500, b"", **JSON),
        b"",
        answer_of(**GRANTED | {"team": None}),
        answer_of(**GRANTED | {"team": {}}),
        answer_of(**GRANTED | {"team": "T1"}),
        answer_of(**GRANTED | {"team": ["T1"]}),
        answer_of(**GRANTED | {"authed_user": "U1"}),
        answer_of(**GRANTED | {"expires_in": "soon"}),
    ],
)
def test_an_answer_that_makes_no_sense_is_none(answer):
    store = FakeInstallationStore()

    done = finished({ACCESS: answer, AUTH_TEST: answer_of(ok=True)}, store)

    assert (done.status, done.body) == (502, "refused slack_unreachable")
    assert store.all() == []
    assert "set-cookie" not in done.headers


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "access_token": ""}])
def test_an_answer_without_a_token(answer):
    done = finished({ACCESS: answer_of(**answer)}, FakeInstallationStore())

    assert (done.status, done.body) == (401, "refused invalid_code")


def test_a_database_with_a_bad_moment_keeps_the_installation(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    answers = {ACCESS: answer_of(**GRANTED), AUTH_TEST: answer_of(ok=True)}
    store = Stubborn(failures=2)

    assert finished(answers, store).status == 200
    assert len(store.all()) == 1


def test_a_database_that_stays_away_is_told(monkeypatch, caplog):
    monkeypatch.setattr(insist, "WAITS_SECONDS", (0.0,))
    answers = {ACCESS: answer_of(**GRANTED), AUTH_TEST: answer_of(ok=True)}

    done = finished(answers, Stubborn(failures=99))

    assert (done.status, done.body) == (500, "refused storage_error")
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("secret", [TOKEN, "secret", "123"])
def test_no_failure_logs_a_secret(caplog, secret):
    caplog.set_level("DEBUG")
    finished({ACCESS: said(500, secret.encode(), **JSON)}, FakeInstallationStore())

    assert secret not in caplog.text.replace("bot.example", "")
