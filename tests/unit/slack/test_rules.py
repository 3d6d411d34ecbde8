from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Limit,
    Outcome,
    Workspace,
)
from emojifier_bot.slack.orders import is_admin
from emojifier_bot.slack.replies import say
from emojifier_bot.slack.rules import Rules, in_words
from tests.fakes.clock import FakeClock
from tests.fakes.stores import FakeAllowances, FakeWorkspaceSettings

HERE = Workspace("T1", "E1")
LIMIT = Limit("user_limit", pictures=2, period_seconds=60, is_personal=True)


def request(posted_by: str = "") -> EmojifyRequest:
    source = ImageReference(file_id="F1", posted_by=posted_by)
    return EmojifyRequest(HERE, Entrypoint.SHORTCUT, "U1", "C1", source)


@pytest.fixture
def rules():
    return Rules(FakeWorkspaceSettings(), FakeAllowances(FakeClock(), LIMIT))


def test_nothing_is_in_the_way_at_first(rules):
    assert rules.refusal(request()) is None
    assert rules.refusal(request("U2")) is None


def test_a_channel_that_is_off(rules):
    rules.settings.switch(HERE, "C1", "U9", off=True)

    assert rules.refusal(request()) == Outcome("channel_off")


def test_who_posted_it_opted_out(rules):
    rules.settings.opt(Workspace("T2"), "U2", out=True)

    assert rules.refusal(request("U2")) == Outcome("opted_out")
    assert rules.refusal(request("U3")) is None


def test_what_is_refused_for_another_reason_is_not_counted(rules):
    rules.settings.opt(HERE, "U2", out=True)
    for _ in range(9):
        rules.refusal(request("U2"))

    assert [rules.refusal(request()) for _ in range(2)] == [None, None]


def test_who_asks_too_often_is_told_how_long_to_wait(rules):
    refused = [rules.refusal(request()) for _ in range(3)][-1]

    assert refused == Outcome("user_limit", {"pictures": "2", "wait": "30 seconds"})
    said = say(refused.kind, **refused.facts)
    assert "2 pictures" in said
    assert "in 30 seconds" in said


def test_what_was_given_back_may_be_asked_for(rules):
    for _ in range(5):
        assert rules.refusal(request()) is None
        rules.give_back(request())


def test_further_pictures_count_too(rules):
    rules.charge_further(request(), 0)
    rules.charge_further(request(), 1)

    assert rules.refusal(request()) is None
    assert rules.refusal(request())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (0.2, "1 second"),
        (1, "1 second"),
        (1.001, "2 seconds"),
        (60, "60 seconds"),
        (60.1, "2 minutes"),
        (119, "2 minutes"),
        (121, "3 minutes"),
        (3600, "60 minutes"),
        (3601, "2 hours"),
        (86_400, "24 hours"),
    ],
)
def test_a_time_in_words_is_never_too_short(seconds, words):
    assert in_words(seconds) == words


@given(st.floats(0, 86_400))
def test_who_waits_as_long_as_told_has_waited_enough(seconds):
    count, unit = in_words(seconds).split()
    lengths = {"second": 1, "minute": 60, "hour": 3600}

    assert int(count) * lengths[unit.rstrip("s")] >= seconds


@pytest.mark.parametrize(
    ("user", "admin"),
    [
        ({}, False),
        ({"team_id": "T1"}, False),
        ({"team_id": "T1", "is_admin": False}, False),
        ({"team_id": "T1", "is_admin": True}, True),
        ({"team_id": "T1", "is_owner": True}, True),
        ({"team_id": "T1", "is_primary_owner": True}, True),
        # Somebody's admin, but not ours.
        ({"team_id": "T2", "is_admin": True}, False),
        ({"is_admin": True}, False),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E2"}}, False),
        (
            {"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}
            | {"is_admin": True},
            True,
        ),
        ({"enterprise_user": {"enterprise_id": "E1", "is_owner": True}}, True),
        ({"enterprise_user": {"enterprise_id": "E2", "is_owner": True}}, False),
        ({"enterprise_user": {"enterprise_id": "", "is_owner": True}}, False),
    ],
)
def test_who_decides_for_a_workspace(user, admin):
    assert is_admin(user, HERE) is admin
