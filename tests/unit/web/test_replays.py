from __future__ import annotations

import threading

import pytest
from werkzeug.datastructures import Headers

from emojifier_bot.web.slack_requests import (
    CONFLICT,
    FORM,
    JSON,
    REMEMBERED_SECONDS,
    SIGNATURE,
    TIMESTAMP,
    Answer,
    ReplayCache,
)
from tests.fakes.inbound import SetClock

BODY = b"a=b"


def headers(signature: str = "v0=1", stamp: str = "1", kind: str = FORM) -> Headers:
    return Headers({SIGNATURE: signature, TIMESTAMP: stamp, "Content-Type": kind})


class Counter:
    """Answers with how often it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.asked = status, 0

    def __call__(self) -> Answer:
        self.asked += 1
        return Answer(self.status, str(self.asked).encode(), "text/plain")


def test_the_same_request_gets_the_same_answer():
    answered, answer = ReplayCache(SetClock()), Counter()

    first = answered.answer_once(headers(), BODY, answer)
    again = answered.answer_once(headers(), BODY, answer)

    assert first == again == Answer(200, b"1", "text/plain")


@pytest.mark.parametrize(
    ("other", "body"),
    [
        (headers("v0=2"), BODY),
        (headers(stamp="2"), BODY),
        (headers(kind=JSON), BODY),
        (headers(kind="\u0100"), BODY),
        (headers(), b""),
        (headers(), BODY + b"c"),
    ],
)
def test_any_other_request_is_another(other, body):
    answered, answer = ReplayCache(SetClock()), Counter()
    answered.answer_once(headers(), BODY, answer)

    assert answered.answer_once(other, body, answer).body == b"2"


@pytest.mark.parametrize("status", [401, 400, 404, 500])
def test_what_went_wrong_is_tried_again(status):
    answered, answer = ReplayCache(SetClock()), Counter(status)
    answered.answer_once(headers(), BODY, answer)
    answered.answer_once(headers(), BODY, answer)

    assert answer.asked == 2


def test_what_raises_is_tried_again():
    answered, answer = ReplayCache(SetClock()), Counter()

    def fail() -> Answer:
        raise KeyError

    with pytest.raises(KeyError):
        answered.answer_once(headers(), BODY, fail)

    assert answered.answer_once(headers(), BODY, answer).body == b"1"


def test_answers_are_forgotten_when_the_timestamp_is_too_old():
    clock = SetClock()
    answered, answer = ReplayCache(clock), Counter()
    answered.answer_once(headers(), BODY, answer)
    clock.advance(REMEMBERED_SECONDS - 1)
    answered.answer_once(headers(), BODY, answer)
    assert answer.asked == 1
    clock.advance(2)

    assert answered.answer_once(headers(), BODY, answer).body == b"2"


def test_memory_is_bounded():
    answered, answer = ReplayCache(SetClock(), most=10), Counter()
    for number in range(100):
        answered.answer_once(headers(f"v0={number}"), BODY, answer)

    assert len(answered._answers) == 10
    assert answered._under_way == set()


def test_two_at_the_same_time_do_it_once():
    answered, answer = ReplayCache(SetClock()), Counter()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Answer:
        begun.set()
        go_on.wait(10)
        return answer()

    arguments = headers(), BODY, slow
    thread = threading.Thread(target=answered.answer_once, args=arguments)
    thread.start()
    begun.wait(10)
    assert answered.answer_once(headers(), BODY, answer) == CONFLICT
    go_on.set()
    thread.join()

    assert answered.answer_once(headers(), BODY, answer).body == b"1"
    assert answer.asked == 1
