"""Add to Slack over real HTTP, and the end of an installation."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import QueueError
from emojifier_bot.slack.messages import render_message
from tests.jobs_harness import wait_until
from tests.slack_listeners import HERE, ListenerHarness
from tests.slack_payloads import BOT, EVENT_TIME, command, event

UNINSTALLED = {"type": "app_uninstalled"}
ORGANISATION = Workspace("", "E1", is_org_install=True)


@pytest.mark.parametrize(
    "ended",
    [
        UNINSTALLED,
        {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": [BOT]}},
    ],
)
def test_an_uninstallation_takes_effect_at_once(listeners, ended):
    listeners.reply_to(command())

    assert listeners.send(event(ended, authorizations=[])).status_code == 200

    assert listeners.installations.all() == []
    assert listeners.reply_to(command()) == render_message("not_installed")
    wait_until(lambda: not listeners.queue.jobs)


def test_jobs_are_forgotten_although_the_queue_fails_at_first(listeners):
    listeners.reply_to(command())
    listeners.queue.refuse_forget.append(QueueError("Away."))

    listeners.send(event(UNINSTALLED, authorizations=[]))

    wait_until(lambda: not listeners.queue.jobs)


def test_slack_repeats_an_uninstallation_while_too_many_tasks_wait(listeners):
    listeners.reply_to(command())
    go_on = threading.Event()
    listeners.context.background.submit("busy", go_on.wait)

    refused = listeners.send(event(UNINSTALLED, authorizations=[]))
    assert refused.status_code == 500
    go_on.set()

    def accepted() -> bool:
        ended = event(UNINSTALLED, authorizations=[])
        return listeners.send(ended).status_code == 200

    wait_until(accepted)
    wait_until(lambda: not listeners.queue.jobs)


@pytest.mark.parametrize(
    "sent",
    [
        event(UNINSTALLED, authorizations=[], team_id=None),
        event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}),
    ],
    ids=["nobody", "a person's own token"],
)
def test_what_ends_no_installation(listeners, sent):
    listeners.reply_to(command())

    listeners.send(sent)

    assert len(listeners.installations.all()) == 1
    assert len(listeners.queue.jobs) == 1


@pytest.mark.parametrize(("seconds", "remaining"), [(-60, 0), (5, 0), (60, 1)])
def test_a_late_event_does_not_end_a_new_installation(listeners, seconds, remaining):
    [old] = listeners.installations.all()
    again = datetime.fromtimestamp(EVENT_TIME, UTC) + timedelta(seconds=seconds)
    listeners.installations.save(replace(old, installed_at=again))

    listeners.send(event(UNINSTALLED))

    assert len(listeners.installations.all()) == remaining


@pytest.mark.parametrize("team_id", ["T7", None])
def test_an_organisations_installation_ends_as_a_whole(listeners, team_id):
    listeners.installations.save(Installation(ORGANISATION, "xoxb-org", BOT))
    names = {
        "team_id": team_id,
        "enterprise_id": "E1",
        "is_enterprise_install": bool(team_id),
    }

    listeners.send(event(UNINSTALLED, authorizations=[], **names))

    there = Workspace("T7", "E1", is_org_install=True)
    assert listeners.installations.find(there) is None
    assert listeners.installations.find(HERE) is not None


# Add to Slack.


def begin(listeners: ListenerHarness) -> tuple[str, dict[str, str]]:
    """Press the button and consent; return where Slack sends the browser to."""
    first = requests.get(
        f"{listeners.url}/slack/install", allow_redirects=False, timeout=10
    )
    assert first.status_code == 302
    cookie = first.headers["Set-Cookie"]
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    asked = requests.get(first.headers["Location"], allow_redirects=False, timeout=10)
    assert asked.status_code == 302, asked.text
    query = urlsplit(asked.headers["Location"]).query
    return query, {"Cookie": cookie.partition(";")[0]}


def finish(
    listeners: ListenerHarness, query: str, headers: dict[str, str]
) -> requests.Response:
    address = f"{listeners.url}/slack/oauth_redirect?{query}"
    return requests.get(address, headers=headers, timeout=10)


def test_somebody_adds_it_to_slack(listeners):
    listeners.slack.app.token_rotation = True
    listeners.slack.add_workspace("Initech", team_id="T3")
    listeners.slack.switches.consent_team_id = "T3"

    done = finish(listeners, *begin(listeners))

    assert done.status_code == 200
    assert "Initech" in done.text
    assert "team=T3" in done.text
    found = listeners.installations.find(Workspace("T3"))
    assert found.bot_token in listeners.slack.world.grants
    assert all((found.scopes, found.bot_user_id, found.bot_id, found.refresh_token))
    lasts = found.expires_at - found.installed_at
    assert abs(lasts - timedelta(hours=12)) < timedelta(minutes=1)
    assert listeners.reply_to(command(team_id="T3")) == render_message("accepted")
    assert listeners.slack.problems == []


def test_a_state_is_good_once(listeners):
    query, cookie = begin(listeners)

    assert finish(listeners, query, cookie).status_code == 200
    again = finish(listeners, query, cookie)

    assert again.status_code == 401
    assert "used before" in again.text


def test_somebody_cancels(listeners):
    listeners.slack.switches.consent_denied = True

    done = finish(listeners, *begin(listeners))

    assert done.status_code == 200
    assert "cancelled" in done.text


def test_an_unexpected_error_at_the_last_step(listeners, caplog, monkeypatch):
    query, cookie = begin(listeners)

    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(InstallationStore, "save", fail)
    done = finish(listeners, query, cookie)

    assert done.status_code == 500
    assert "Something went wrong" in done.text
    assert parse_qs(query)["code"][0] not in caplog.text
