"""What the listeners share: tasks after the acknowledgement, and what is refused."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.db.policy import NOTED_SECONDS, RateLimiter
from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Limit,
    Outcome,
)
from emojifier_bot.slack.context import Background, duration
from emojifier_bot.slack.messages import render_message
from tests.builders_store import ELSEWHERE, make_installation
from tests.slack_listeners import HERE, make_context
from tests.threads import PATIENCE_SECONDS

LIMIT = Limit("user_limit", pictures=2, period_seconds=60, is_personal=True)
ACCEPTED = Outcome("accepted")


def test_closing_without_a_task():
    Background().close()


def test_tasks_run_and_are_waited_for():
    background = Background(threads=2, waiting=8)
    done = []

    assert all(
        background.submit("test", f"T{n}", partial(done.append, n)) for n in range(8)
    )
    background.close()

    assert len(done) == 8


def test_more_than_may_wait_is_refused():
    background = Background(threads=1, waiting=1)
    go_on = threading.Event()

    taken = [background.submit("test", f"T{n}", go_on.wait) for n in range(3)]
    go_on.set()
    background.close()

    assert taken == [True, True, False]


def test_one_workspace_has_half_of_what_may_wait():
    background = Background(threads=2, waiting=6)
    go_on = threading.Event()

    flood = [background.submit("test", "T1", go_on.wait) for _ in range(20)]
    others = [background.submit("test", "T2", go_on.wait) for _ in range(2)]
    go_on.set()
    background.close()

    assert flood == [True] * 4 + [False] * 16
    assert others == [True] * 2


def test_one_workspace_has_half_of_the_threads():
    background = Background(threads=4, waiting=16)
    go_on, done = threading.Event(), []
    for number in range(9):
        background.submit("test", "T1", lambda n=number: (go_on.wait(), done.append(n)))

    other = threading.Event()
    for _ in range(2):
        other.clear()
        assert background.submit("test", "T2", other.set)
        assert other.wait(PATIENCE_SECONDS)
    assert done == []
    go_on.set()
    background.close()

    assert sorted(done) == list(range(9))


def test_after_a_failure_the_next_task_runs(caplog):
    background = Background(threads=1, waiting=0)

    def fail():
        finished.wait()
        raise RuntimeError

    for _ in range(3):
        finished = threading.Event()
        while not background.submit("trial", "T1", fail):
            pass  # the one before is not over
        finished.set()
        while not background.submit("empty", "T1", lambda: None):
            pass
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

    def enqueue(
        *posted_by: str, key: str = "", entrypoint: Entrypoint = Entrypoint.SHORTCUT
    ) -> Outcome:
        first, *more = (
            ImageReference(file_id=f"F{number}", posted_by=one, name=f"{number}.png")
            for number, one in enumerate(posted_by or ("",), start=1)
        )
        request = EmojifyRequest(HERE, entrypoint, "U1", "C1", first)
        request = replace(request, further=tuple(more))
        return context.enqueue(request, key or str(next(keys)))

    return enqueue


def test_a_channel_that_is_off(context, ask):
    context.settings.switch(HERE, "C1", "U9", off=True)

    assert ask() == Outcome("channel_off")


def test_an_opt_out_is_refused_and_not_counted(context, ask):
    context.installations.save(make_installation(ELSEWHERE))
    context.settings.opt(ELSEWHERE, "U2", out=True)

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
    refused = ask(*[""] * 5)

    assert asked_for(context) == ["F1", "F2"]
    said = render_message(refused.kind, **refused.facts)
    # For all three; but there are never more than two at once.
    assert said.endswith(
        "Please ask again in 60 seconds for “3.png”, “4.png” and “5.png”, which I left "
        "out; the others are on their way."
    )
    assert ask().kind == "user_limit"


def asked_for(context) -> list[str]:
    return [one.file_id for one in context.queue.requests[-1].sources]


def test_who_asks_again_gets_what_was_left_out(context, clock, ask):
    ask(*[""] * 5)
    clock.advance(LIMIT.period_seconds)
    refused = ask(*[""] * 5)
    assert asked_for(context) == ["F3", "F4"]
    assert " for “5.png”, which I left out" in refused.facts["left"]

    nothing = ask(*[""] * 5)  # taken, and nothing forgotten
    assert nothing.facts["left"] == " for “5.png”, which I left out"
    clock.advance(LIMIT.period_seconds)
    assert ask(*[""] * 5) == ACCEPTED
    assert asked_for(context) == ["F5"]

    # Then all are there, and who asks once more wants all of them anew.
    clock.advance(LIMIT.period_seconds)
    ask(*[""] * 5)
    assert asked_for(context) == ["F1", "F2"]


def test_who_asks_again_too_late_gets_the_first_again(context, clock, ask):
    ask(*[""] * 3)
    clock.advance(NOTED_SECONDS)
    ask(*[""] * 3)

    assert asked_for(context) == ["F1", "F2"]


def test_what_is_delivered_again_is_no_second_request(context, clock, ask):
    ask(*[""] * 3, key="same")
    clock.advance(LIMIT.period_seconds)
    ask(*[""] * 3, key="same")
    ask(*[""] * 3)

    assert asked_for(context) == ["F3"]


def test_of_a_message_of_ones_own_the_rest_is_asked_for_by_the_shortcut(ask):
    refused = ask("", "", "", entrypoint=Entrypoint.MENTION)

    said = render_message(refused.kind, **refused.facts)
    assert (
        "Please use *Emojify faces* on your message in 30 seconds for “3.png”" in said
    )


def test_names_that_several_pictures_have_name_none(context):
    first, *more = (
        ImageReference(file_id=f"F{number}", name="image.png") for number in range(3)
    )
    request = EmojifyRequest(HERE, Entrypoint.SHORTCUT, "U1", "C1", first)

    refused = context.enqueue(replace(request, further=tuple(more)), "key")

    assert refused.facts["left"].startswith(" for picture 3, which I left out")


def test_addresses_that_were_left_out_are_known_too(context, clock):
    seal = context.vault.seal
    first, *more = (
        ImageReference(sealed_address=seal(f"https://pictures.example/{number}"))
        for number in range(3)
    )
    request = EmojifyRequest(HERE, Entrypoint.COMMAND, "U1", "C1", first)
    request = replace(request, further=tuple(more))
    context.enqueue(request, "first")
    clock.advance(LIMIT.period_seconds)

    context.enqueue(request, "second")

    assert context.queue.requests[-1].sources == (more[-1],)


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
