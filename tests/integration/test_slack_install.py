"""The end of an installation, over real HTTP."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from slack_bolt import BoltContext

from emojifier_bot.db.installations import InstallationStore
from emojifier_bot.domain import Installation, Workspace
from emojifier_bot.errors import QueueError
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.uninstall import Uninstallations
from tests.builders_store import make_installation
from tests.slack_listeners import HERE
from tests.slack_payloads import ASKER, BOT, EVENT_TIME, TEAM, command, event
from tests.threads import wait_until

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
    listeners.context.background.submit("busy", "T1", go_on.wait)

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


class InstalledAgain(InstallationStore):
    """A store of a workspace that installs the bot again right after a question."""

    def __init__(self, store, questions):
        super().__init__(store.database, store.vault, store.clock)
        object.__setattr__(self, "left", iter(range(questions - 1, -1, -1)))

    def find(self, workspace):
        return self._install_after(super().find(workspace))

    def holders(self):
        return self._install_after(super().holders())

    def _install_after(self, found):
        if next(self.left, None) == 0:
            ended = datetime.fromtimestamp(EVENT_TIME, UTC)
            again = ended + timedelta(minutes=1)
            self.save(make_installation(HERE, installed_at=again))
        return found


@pytest.mark.parametrize("questions", [1, 2, 3])
def test_a_new_installation_outlives_whatever_was_asked_just_before_it(
    listeners, questions
):
    store = InstalledAgain(listeners.installations, questions)
    context = replace(listeners.context, installations=store)
    ended = {"event_time": EVENT_TIME}

    Uninstallations(context).forget(ended, BoltContext(team_id=TEAM))
    listeners.await_background()

    was_installed = next(store.left, None) is None
    assert len(listeners.installations.all()) == was_installed


def test_a_workspace_that_its_organisation_serves_keeps_what_people_want(listeners):
    store = listeners.installations
    store.save(Installation(ORGANISATION, "xoxb-org", BOT))
    there = Workspace(TEAM, "E1")
    listeners.settings.opt(HERE, ASKER, out=True)
    ended = {"authorizations": [], "enterprise_id": "E1"}

    listeners.send(event(UNINSTALLED, **ended))
    listeners.await_background()

    assert store.find(there).workspace == ORGANISATION
    assert listeners.settings.opted_out([ASKER]) == {ASKER}


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
