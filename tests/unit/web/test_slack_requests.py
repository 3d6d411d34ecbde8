from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from emojifier_bot.web.slack_requests import (
    BAD_REQUEST,
    CONFLICT,
    FORM,
    JSON,
    REMEMBERED_SECONDS,
    SIGNATURE,
    TIMESTAMP,
    UNAUTHORIZED,
    WARN_AGAIN_SECONDS,
    WRONG_TYPE,
    Answer,
    Refusal,
    Refusals,
    ReplayCache,
    find_refusal,
    is_ssl_check,
    request_kind,
)
from tests.fakes.clock import ManualClock
from tests.slack_payloads import Sent, signed
from tests.threads import PATIENCE_SECONDS

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = b"a=b"
SECRET = "any"
GOOD = signed(Sent(BODY, FORM), SECRET, SECONDS)
#: What a header may hold once it went over the wire.
header = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"))


def headers(**changed: str | None) -> Headers:
    """Return good headers with others in their place, as a server hands them over."""
    names = {"kind": "Content-Type", "stamp": TIMESTAMP, "signature": SIGNATURE}
    whole = GOOD | {names[key]: value for key, value in changed.items()}
    made = Headers()
    made._list.extend((name, one) for name, one in whole.items() if one is not None)
    return made


def refusal_status(*request) -> int | None:
    refused = find_refusal(*request)
    return refused and refused.status


class TestRefusalStatus:
    def test_nothing_at_all(self):
        assert refusal_status(Headers(), b"", NOW, SECRET) == WRONG_TYPE

    def test_a_body_that_is_no_text(self):
        body = b"\xff\xfe"
        good = Headers(signed(Sent(body, FORM), SECRET, SECONDS))

        assert refusal_status(good, body, NOW, SECRET) == BAD_REQUEST
        assert refusal_status(good, body, NOW, "another") == UNAUTHORIZED

    @pytest.mark.parametrize("body", [b"", b"a=c", BODY + b"&"])
    def test_another_body_than_the_signed_one(self, body):
        assert refusal_status(headers(), body, NOW, SECRET) == UNAUTHORIZED

    @pytest.mark.parametrize(
        ("status", "changed"),
        [
            *(
                (None, {"kind": kind})
                for kind in (FORM, JSON, f"{FORM}; charset=utf-8", "Application/JSON")
            ),
            *(
                (WRONG_TYPE, {"kind": kind})
                for kind in (None, "", "text/plain", "multipart/form-data; boundary=x")
            ),
            *(
                (UNAUTHORIZED, {"stamp": str(SECONDS + seconds)})
                for seconds in (-301, 301, -86400)
            ),
            *(
                (UNAUTHORIZED, {"stamp": stamp})
                for stamp in (
                    *(None, "", "now", "-1", "1e9", "1.5", " "),
                    *(f"{SECONDS}\n", "²", "٣", "9" * 5000),
                )
            ),
            *(
                (UNAUTHORIZED, {"signature": signature})
                for signature in (
                    *(None, "", "v0=", "0a" * 32, "v1=" + "0a" * 32),
                    *("v0=" + "0A" * 32, "v0=" + "ü" * 64),
                )
            ),
        ],
    )
    def test_what_is_let_through_and_what_is_not(self, changed, status):
        assert refusal_status(headers(**changed), BODY, NOW, SECRET) == status

    @pytest.mark.parametrize(
        ("seconds", "status"),
        [(0, None), (-299, None), (299, None), (-301, UNAUTHORIZED)],
    )
    def test_a_signature_is_good_for_five_minutes(self, seconds, status):
        own = Headers(signed(Sent(BODY, FORM), SECRET, SECONDS + seconds))

        assert refusal_status(own, BODY, NOW, SECRET) == status

    @given(header, header, header, st.binary())
    def test_never_raises(self, kind, stamp, signature, body):
        odd = headers(kind=kind, stamp=stamp, signature=signature)

        refusal_status(odd, body, NOW, SECRET)
        is_ssl_check(odd, body)
        request_kind(odd, body)


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b"", False),
        (b"ssl_check=1", True),
        (b"ssl_check=1&token=x", True),
        (b"token=x&ssl_check=1", True),
        (b"ssl_check=12", False),
        (b"text=ssl_check=1", False),
        (b"xssl_check=1", False),
        (b"a&" * 500_000 + b"ssl_check=1", False),
    ],
)
def test_checks_of_our_certificate(body, is_one):
    assert is_ssl_check(headers(), body) is is_one


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        (JSON, b"{}", "event"),
        (FORM, b"payload=%7B%7D", "interaction"),
        (FORM, b"token=x&command=%2Femojify", "command"),
    ],
)
def test_kinds_of_requests(kind, body, found):
    assert request_kind(headers(kind=kind), body) == found


class TestRefusals:
    @pytest.mark.parametrize(
        ("reason", "remedy"),
        [("signature", "SLACK_SIGNING_SECRET"), ("age", "clock"), ("encoding", "")],
    )
    def test_one_warning_names_what_an_operator_can_mend(self, caplog, reason, remedy):
        caplog.set_level("INFO", "emojifier_bot")
        clock = ManualClock()
        refusals = Refusals(clock)

        for _ in range(3):
            refusals.note(Refusal(UNAUTHORIZED, reason))
        warned = [one.getMessage() for one in caplog.records if one.levelname != "INFO"]

        assert len(warned) == bool(remedy)
        assert all(remedy in one for one in warned)
        assert {one.reason for one in caplog.records} == {reason}
        assert len(caplog.records) == 3

        clock.advance(WARN_AGAIN_SECONDS)
        refusals.note(Refusal(UNAUTHORIZED, reason))
        assert (caplog.records[-1].levelname == "WARNING") is bool(remedy)


class Counter:
    """Answers with how often it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.asked = status, 0

    def __call__(self) -> Answer:
        self.asked += 1
        return Answer(self.status, str(self.asked).encode(), "text/plain")


class TestReplayCache:
    def test_the_same_request_gets_the_same_answer(self):
        cache, answer = ReplayCache(ManualClock()), Counter()

        first = cache.answer_once(headers(), BODY, answer)
        again = cache.answer_once(headers(), BODY, answer)

        assert first == again == Answer(200, b"1", "text/plain")

    @pytest.mark.parametrize(
        ("other", "body"),
        [
            (headers(signature="v0=2"), BODY),
            (headers(stamp="2"), BODY),
            (headers(kind=JSON), BODY),
            (headers(kind="\u0100"), BODY),
            (headers(), b""),
            (headers(), BODY + b"c"),
        ],
    )
    def test_any_other_request_is_another(self, other, body):
        cache, answer = ReplayCache(ManualClock()), Counter()
        cache.answer_once(headers(), BODY, answer)

        assert cache.answer_once(other, body, answer).body == b"2"

    @pytest.mark.parametrize("status", [401, 400, 404, 500])
    def test_a_request_that_failed_is_tried_again(self, status):
        cache, answer = ReplayCache(ManualClock()), Counter(status)
        cache.answer_once(headers(), BODY, answer)
        cache.answer_once(headers(), BODY, answer)

        assert answer.asked == 2

    def test_a_request_that_raised_is_tried_again(self):
        cache, answer = ReplayCache(ManualClock()), Counter()

        def fail() -> Answer:
            raise KeyError

        with pytest.raises(KeyError):
            cache.answer_once(headers(), BODY, fail)

        assert cache.answer_once(headers(), BODY, answer).body == b"1"

    def test_answers_are_forgotten_when_the_timestamp_is_too_old(self):
        clock = ManualClock()
        cache, answer = ReplayCache(clock), Counter()
        cache.answer_once(headers(), BODY, answer)
        clock.advance(REMEMBERED_SECONDS - 1)
        cache.answer_once(headers(), BODY, answer)
        assert answer.asked == 1
        clock.advance(2)

        assert cache.answer_once(headers(), BODY, answer).body == b"2"

    def test_memory_is_bounded(self):
        cache, answer = ReplayCache(ManualClock(), most=10), Counter()
        for number in range(100):
            cache.answer_once(headers(signature=f"v0={number}"), BODY, answer)

        assert len(cache._answers) == 10
        assert cache._under_way == set()

    def test_two_at_the_same_time_are_answered_once(self):
        cache, answer = ReplayCache(ManualClock()), Counter()
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> Answer:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)
            return answer()

        arguments = headers(), BODY, slow
        thread = threading.Thread(target=cache.answer_once, args=arguments)
        thread.start()
        assert begun.wait(PATIENCE_SECONDS)
        assert cache.answer_once(headers(), BODY, answer) == CONFLICT
        go_on.set()
        thread.join()

        assert cache.answer_once(headers(), BODY, answer).body == b"1"
        assert answer.asked == 1
