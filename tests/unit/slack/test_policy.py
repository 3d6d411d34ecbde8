from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.db.rate_limits import RateLimiter
from emojifier_bot.db.workspace_settings import WorkspaceSettings
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Limit,
    Outcome,
    Workspace,
)
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.policy import RequestPolicy, duration

HERE = Workspace("T1", "E1")
LIMIT = Limit("user_limit", pictures=2, period_seconds=60, is_personal=True)


def request(posted_by: str = "") -> EmojifyRequest:
    source = ImageReference(file_id="F1", posted_by=posted_by)
    return EmojifyRequest(HERE, Entrypoint.SHORTCUT, "U1", "C1", source)


@pytest.fixture
def policy(database, clock):
    return RequestPolicy(
        WorkspaceSettings(database, clock), RateLimiter(database, clock, [LIMIT])
    )


def test_nothing_is_refused_at_first(policy):
    assert policy.refusal(request()) is None
    assert policy.refusal(request("U2")) is None


def test_a_channel_that_is_off(policy):
    policy.settings.switch(HERE, "C1", "U9", off=True)

    assert policy.refusal(request()) == Outcome("channel_off")


def test_the_poster_has_opted_out(policy):
    policy.settings.opt(Workspace("T2"), "U2", out=True)

    assert policy.refusal(request("U2")) == Outcome("opted_out")
    assert policy.refusal(request("U3")) is None


def test_a_request_refused_for_another_reason_is_not_counted(policy):
    policy.settings.opt(HERE, "U2", out=True)
    for _ in range(9):
        policy.refusal(request("U2"))

    assert [policy.refusal(request()) for _ in range(2)] == [None, None]


def test_a_limit_says_how_long_to_wait(policy):
    refused = [policy.refusal(request()) for _ in range(3)][-1]

    assert refused == Outcome("user_limit", {"pictures": "2", "wait": "30 seconds"})
    said = render_message(refused.kind, **refused.facts)
    assert "2 pictures" in said
    assert "in 30 seconds" in said


def test_a_refunded_request_does_not_count(policy):
    for _ in range(5):
        assert policy.refusal(request()) is None
        policy.refund(request())


def test_further_pictures_count_too(policy):
    policy.charge_further(request(), 0)
    policy.charge_further(request(), 1)

    assert policy.refusal(request()) is None
    assert policy.refusal(request())


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
    assert duration(seconds) == words


@given(st.floats(0, 86_400))
def test_the_wait_is_long_enough(seconds):
    count, unit = duration(seconds).split()
    lengths = {"second": 1, "minute": 60, "hour": 3600}

    assert int(count) * lengths[unit.rstrip("s")] >= seconds
