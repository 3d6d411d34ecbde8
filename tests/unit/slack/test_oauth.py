"""What Slack grants becomes an installation; the rest is tested over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from emojifier_bot.db.installations import InstallationStore, OAuthStates
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import ConfigError, DeliveryError, StoreError
from emojifier_bot.slack import oauth
from emojifier_bot.slack.app import flask_handler, make_bolt_app
from emojifier_bot.slack.client import make_app_client
from emojifier_bot.slack.oauth import InstallFlow, OAuthApp, installation_of_token
from tests.fakes.clock import NOW, ManualClock
from tests.fakes.servers import said, serving
from tests.slack_listeners import make_context

ACCESS, AUTH_TEST = "/api/oauth.v2.access", "/api/auth.test"
TOKEN = "xoxb-1"
JSON = {"content_type": "application/json"}
BOT_OF_TOKEN = {
    "ok": True,
    "team_id": "T1",
    "team": "Acme",
    "user_id": "UBOT",
    "bot_id": "BBOT",
}
#: The least that Slack grants.
GRANTED = {"ok": True, "access_token": TOKEN, "team": {"id": "T1"}}


def answer_of(**values: object) -> bytes:
    return said(200, json.dumps(values).encode(), **JSON)


# A token that stands in the settings.


def installation_from(answer: bytes) -> Installation:
    with serving({AUTH_TEST: answer}) as slack:
        client = make_app_client(slack.url("/api/"))
        return installation_of_token(client, TOKEN, ManualClock())


@pytest.mark.parametrize(
    ("more", "workspace"),
    [
        ({}, Workspace("T1")),
        (
            {"enterprise_id": "E1", "is_enterprise_install": True},
            Workspace("", "E1", is_org_install=True),
        ),
    ],
)
def test_a_token_of_the_settings(more, workspace):
    body = json.dumps(BOT_OF_TOKEN | more).encode()

    found = installation_from(said(200, body, x_oauth_scopes="commands, chat", **JSON))

    assert found == Installation(
        workspace=workspace,
        bot_token=TOKEN,
        bot_user_id="UBOT",
        bot_id="BBOT",
        scopes=("commands", "chat"),
        team_name="Acme",
        installed_at=NOW,
    )


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
def test_a_wrong_token_of_the_settings(code):
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN") as caught:
        installation_from(answer_of(ok=False, error=code))

    assert code in caught.value.message
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize(
    "answer", [b"", said(503, b"<html>", content_type="text/html")]
)
def test_a_slack_that_does_not_answer(answer):
    with pytest.raises(DeliveryError) as caught:
        installation_from(answer)

    assert caught.value.retryable


# Add to Slack.


@pytest.fixture
def store(make_store):
    return make_store()


def make_flow(
    api_url: str, store: InstallationStore, public_url: str = "https://bot.example"
) -> InstallFlow:
    return InstallFlow(
        app=OAuthApp("1.2", "secret", public_url, "https://slack.com/x"),
        store=store,
        states=OAuthStates(store.database, store.clock),
        clock=store.clock,
        client=make_app_client(api_url),
        changed=lambda _workspace: None,
        installed_page=lambda name, link: f"installed {name} {link}",
        refused_page=lambda reason: f"refused {reason}",
    )


def request(path: str, **headers: str) -> Request:
    return Request(EnvironBuilder(path, headers=headers).get_environ())


def outcome(done: Response) -> tuple[int, str]:
    return done.status_code, done.get_data(as_text=True)


def finish(answers: dict[str, bytes], store: InstallationStore) -> Response:
    """Return what a browser is answered that comes back from Slack."""
    with serving(answers) as slack:
        flow = make_flow(slack.url("/api/"), store)
        state = flow.states.issue()
        query = urlencode({"code": "123", "state": state})
        cookie = f"slack-app-oauth-state={state}"
        return flow.finish(request(f"/slack/oauth_redirect?{query}", cookie=cookie))


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_browser_is_sent_to_slack_with_a_state_and_a_cookie(store, scheme):
    flow = make_flow("https://slack/api/", store, f"{scheme}://bot.example")

    sent = flow.begin(request("/slack/install?team=T1"))
    odd = flow.begin(request("/slack/install?team=T1%26x=1"))

    kept, *attributes = sent.headers["Set-Cookie"].split("; ")
    state = kept.removeprefix("slack-app-oauth-state=")
    assert sent.status_code == 302
    assert f"state={state}&" in sent.location
    assert "team=T1" in sent.location
    assert "x=1" not in odd.location
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=600"} <= set(attributes)
    assert ("Secure" in attributes) is (scheme == "https")


def test_a_second_cookie_of_that_name_does_not_stop_an_installation(store):
    flow = make_flow("https://slack/api/", store)
    state = flow.states.issue()
    cookies = f"slack-app-oauth-state=old; slack-app-oauth-state={state}"
    path = f"/slack/oauth_redirect?state={state}"

    ours = flow.finish(request(path, cookie=cookies))
    again = flow.finish(request(path, cookie=cookies))
    others = flow.finish(request(path))

    assert outcome(ours) == (401, "refused missing_code")
    assert outcome(again) == (401, "refused invalid_state")
    assert outcome(others) == (400, "refused invalid_browser")


@pytest.fixture
def handle(database, store):
    """Return a function that answers a request, with our flow or without one."""
    context = make_context(database, "https://slack.example/api/")

    def handle(path: str, method: str = "GET", *, ours: bool = True) -> Response:
        flow = make_flow("https://slack/api/", store) if ours else None
        answer = flask_handler(make_bolt_app(context, "signing secret"), flow)
        return answer(Request(EnvironBuilder(path, method=method).get_environ()))

    return handle


CANCELLED = "/slack/oauth_redirect?error=access_denied"


def test_get_begins_and_ends_an_installation_and_head_does_not(handle):
    assert handle("/slack/install").status_code == 302
    assert outcome(handle(CANCELLED)) == (200, "refused access_denied")
    for path in ("/slack/install", CANCELLED):
        assert handle(path, "HEAD").status_code == 404


def test_bolts_own_flow_is_out_of_reach(handle, monkeypatch):
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "secret")

    for path in ("/slack/install", CANCELLED):
        assert handle(path, ours=False).status_code == 404


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, {}),
        (
            {
                "team": {"id": "T1", "name": "\u202eAcme\u200b\n"},
                "enterprise": {"id": "E1", "name": "Umbrella"},
                "app_id": "A1",
                "bot_user_id": "UBOT",
                "scope": "commands,chat:write",
                "refresh_token": "xoxe-1",
                "expires_in": 43200,
                "authed_user": {"id": "U1"},
            },
            {
                "workspace": Workspace("T1", "E1"),
                "team_name": "Acme",
                "enterprise_name": "Umbrella",
                "app_id": "A1",
                "bot_user_id": "UBOT",
                "scopes": ("commands", "chat:write"),
                "refresh_token": "xoxe-1",
                "expires_at": NOW + timedelta(hours=12),
                "installed_by": "U1",
            },
        ),
        (
            {
                "team": None,
                "enterprise": {"id": "E1", "name": "Umbrella"},
                "is_enterprise_install": True,
            },
            {
                "workspace": Workspace("", "E1", is_org_install=True),
                "enterprise_name": "Umbrella",
            },
        ),
    ],
    ids=["least", "all", "organisation"],
)
def test_what_slack_grants_is_stored(store, more, found):
    answers = {ACCESS: answer_of(**GRANTED | more), AUTH_TEST: answer_of(ok=True)}

    finish(answers, store)

    least = {"workspace": Workspace("T1"), "bot_token": TOKEN, "bot_user_id": ""}
    assert store.all() == [Installation(**least | {"installed_at": NOW} | found)]


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
def test_the_installation_is_stored_whatever_is_known_of_the_bot(store, answer):
    done = finish({ACCESS: answer_of(**GRANTED), AUTH_TEST: answer}, store)

    [found] = store.all()
    assert (done.status_code, found.bot_token) == (200, TOKEN)
    assert found.bot_id == ("BBOT" if b"BBOT" in answer else "")
    assert "Max-Age=0" in done.headers["Set-Cookie"]


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
def test_an_answer_that_makes_no_sense_is_no_answer(store, answer):
    done = finish({ACCESS: answer, AUTH_TEST: answer_of(ok=True)}, store)

    assert outcome(done) == (502, "refused slack_unreachable")
    assert store.all() == []
    assert "Set-Cookie" not in done.headers


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "access_token": ""}])
def test_an_answer_without_a_token(store, answer):
    done = finish({ACCESS: answer_of(**answer)}, store)

    assert outcome(done) == (401, "refused invalid_code")


@pytest.mark.parametrize(
    ("failures", "status", "stored"), [(0, 200, 1), (2, 200, 1), (3, 500, 0)]
)
def test_storing_is_tried_three_times(
    store, failures, status, stored, monkeypatch, caplog
):
    save, tries = InstallationStore.save, []

    def fail_at_first(self, installation):
        tries.append(1)
        if len(tries) <= failures:
            raise StoreError("Away.")
        save(self, installation)

    monkeypatch.setattr(InstallationStore, "save", fail_at_first)
    monkeypatch.setattr(oauth, "SHORT_WAITS", (0, 0))
    answers = {ACCESS: answer_of(**GRANTED), AUTH_TEST: answer_of(ok=True)}

    assert finish(answers, store).status_code == status
    assert len(store.all()) == stored
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("secret", [TOKEN, "secret", "123"])
def test_no_failure_logs_a_secret(store, caplog, secret):
    caplog.set_level("DEBUG")
    finish({ACCESS: said(500, secret.encode(), **JSON)}, store)

    assert secret not in caplog.text.replace("bot.example", "")
