from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import FetchError
from emojifier_bot.http.answers import (
    LONGEST_WAIT_SECONDS,
    check_status,
    next_address,
    retry_after_seconds,
)


def response(status: int, **headers: str) -> requests.Response:
    one = requests.Response()
    one.status_code = status
    one.headers.update({key.replace("_", "-"): headers[key] for key in headers})
    return one


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("0", 0),
        ("30", 30),
        (" 7 ", 7),
        ("999999999999", LONGEST_WAIT_SECONDS),
        ("9" * 400, LONGEST_WAIT_SECONDS),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("soon", None),
        ("٣", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", None),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_the_wait_is_read_if_it_is_clear(text, seconds):
    assert retry_after_seconds(response(429, retry_after=text)) == seconds


def test_the_wait_may_be_a_date():
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert 90 < retry_after_seconds(response(503, retry_after=moment)) <= 100


@given(st.text())
def test_any_wait_is_within_bounds(text):
    seconds = retry_after_seconds(response(429, retry_after=text))

    assert seconds is None or 0 <= seconds <= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, "not_found", False),
        (410, "not_found", False),
        (401, "forbidden", False),
        (403, "forbidden", False),
        (451, "forbidden", False),
        (400, "http_status", False),
        (418, "http_status", False),
        (204, "http_status", False),
        (206, "http_status", False),
        (300, "http_status", False),
        (304, "http_status", False),
        (101, "http_status", False),
        (408, "http_status", True),
        (429, "http_status", True),
        (500, "http_status", True),
        (503, "http_status", True),
        (599, "http_status", True),
    ],
)
def test_a_status_tells_what_happened(status, kind, retryable):
    with pytest.raises(FetchError) as error:
        check_status(response(status, retry_after="9"))

    assert (error.value.kind, error.value.retryable) == (kind, retryable)
    assert kind != "http_status" or error.value.retry_after_seconds == 9


@pytest.mark.parametrize(
    ("status", "location", "onward"),
    [
        (200, "http://b.test/", None),
        (201, "http://b.test/", None),
        (304, "/b", None),
        (301, "http://b.test/c", "http://b.test/c"),
        (302, "/b?c", "http://a.test/b?c"),
        (303, "b", "http://a.test/dir/b"),
        (307, "../b", "http://a.test/b"),
        (308, "//b.test/c", "http://b.test/c"),
        (302, "?c", "http://a.test/dir/x?c"),
        (302, "", "http://a.test/dir/x?y"),
        (302, "f\xc3\xaate.png", "http://a.test/dir/fête.png"),
        (302, "javascript:alert(1)", "javascript:alert(1)"),
        (302, "file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_a_redirect_leads_on(status, location, onward):
    answer = response(status, location=location)

    assert next_address(answer, "http://a.test/dir/x?y") == onward


def test_a_redirect_that_cannot_be_read_is_refused():
    with pytest.raises(FetchError) as error:
        next_address(response(302, location="http://[::1"), "http://a.test/")

    assert error.value.kind == "not_an_address"


def test_a_redirect_without_a_place_is_a_status():
    assert next_address(response(302), "http://a.test/") is None
    with pytest.raises(FetchError) as error:
        check_status(response(302))

    assert error.value.kind == "http_status"
