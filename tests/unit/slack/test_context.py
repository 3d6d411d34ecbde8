"""What the listeners share: tasks after the acknowledgement, and what is refused."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.db.policy import RateLimiter
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Limit,
    Outcome,
    Workspace,
)
from emojifier_bot.slack.context import Background, duration
from emojifier_bot.slack.messages import render_message
from tests.slack_listeners import HERE, make_context

LIMIT = Limit("user_limit", pictures=2, period_seconds=60, is_personal=True)
ACCEPTED = Outcome("accepted")


def test_closing_without_a_task():
    Background().close()


def test_tasks_run_and_are_waited_for():
    background = Background(threads=2, waiting=8)
    done = []

    assert all(background.submit("test", lambda: done.append(1)) for _ in range(8))
    background.close()

    assert len(done) == 8


def test_more_than_may_wait_is_refused():
    background = Background(threads=1, waiting=1)
    go_on = threading.Event()

    taken = [background.submit("test", go_on.wait) for _ in range(3)]
    go_on.set()
    background.close()

    assert taken == [True, True, False]


def test_after_a_failure_the_next_task_runs(caplog):
    background = Background(threads=1, waiting=0)

    def fail():
        finished.wait()
        raise RuntimeError

    for _ in range(3):
        finished = threading.Event()
        assert background.submit("trial", fail)
        finished.set()
        while not background.submit("empty", lambda: None):
            pass
        while not background._places.acquire(blocking=False):
            pass
        background._places.release()
    background.close()

    failures = [one for one in caplog.records if one.message == "A task failed"]
    assert [one.action for one in failures] == ["trial"] * 3


# Refusals.


@pytest.fixture
def context(database, clock):
    limiter = RateLimiter(database, clock, (LIMIT,))
    return replace(make_context(database, "http://localhost/"), limiter=limiter)


@pytest.fixture
def ask(context):
    keys = itertools.count()

    def enqueue(*posted_by: str, key: str = "") -> Outcome:
        posters = posted_by or ("",)
        first, *more = (ImageReference(file_id="F1", posted_by=one) for one in posters)
        request = EmojifyRequest(HERE, Entrypoint.SHORTCUT, "U1", "C1", first)
        request = replace(request, further=tuple(more))
        return context.enqueue(request, key or str(next(keys)))

    return enqueue


def test_a_channel_that_is_off(context, ask):
    context.settings.switch(HERE, "C1", "U9", off=True)

    assert ask() == Outcome("channel_off")


def test_an_opt_out_is_refused_and_not_counted(context, ask):
    context.settings.opt(Workspace("T2"), "U2", out=True)

    assert {ask("U2").kind for _ in range(9)} == {"opted_out"}
    assert [ask("U3"), ask()] == [ACCEPTED, ACCEPTED]


def test_a_limit_says_how_long_to_wait(ask):
    refused = [ask() for _ in range(3)][-1]

    assert refused == Outcome("user_limit", {"pictures": "2", "wait": "30 seconds"})
    said = render_message(refused.kind, **refused.facts)
    assert "2 pictures" in said
    assert "in 30 seconds" in said


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({}, "accepted", "I will post the result in this conversation."),
        ({"thread_ts": "1.2"}, "accepted", "the result in the thread of that message."),
        (
            {"thread_ts": "1.2", "further": (ImageReference(file_id="F2"),)},
            "accepted",
            "I will post the results in the thread of that message.",
        ),
        ({"private": True}, "accepted_private", "the result to your direct messages"),
        (
            {"in_group": True},
            "accepted_direct",
            "there, unless I cannot see",
        ),
        ({"channel_id": "D1"}, "accepted_direct", "for your direct messages with me"),
        ({"channel_id": "D1", "private": True}, "accepted_private", "to your direct"),
    ],
)
def test_an_acknowledgement_says_where_results_will_be(context, changes, kind, said):
    source = ImageReference(file_id="F1")
    request = EmojifyRequest(HERE, Entrypoint.SHORTCUT, "U1", "C1", source)

    outcome = context.enqueue(replace(request, **changes), "key")

    assert outcome.kind == kind
    assert said in render_message(outcome.kind, **outcome.facts)


def test_a_request_that_comes_again_is_not_counted(ask):
    assert [ask(key="same") for _ in range(5)] == [ACCEPTED] * 5
    assert [ask("", "", key="two").kind, ask().kind] == ["user_limit"] * 2


def test_of_several_pictures_those_above_a_limit_are_left_out(context, ask):
    assert ask("", "", "").kind == "user_limit"

    [request] = context.queue.requests
    assert len(request.sources) == LIMIT.pictures
    assert ask().kind == "user_limit"


def test_several_pictures_are_refused_where_all_of_their_posters_opted_out(
    ask, context
):
    for user_id in ("U2", "U3"):
        context.settings.opt(HERE, user_id, out=True)

    assert ask("U2", "U3").kind == "opted_out"
    assert ask("U2", "U4").kind == "accepted"
    assert len(context.queue.requests[-1].sources) == 2


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
