from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from emojifier_bot.web.slack_requests import (
    BAD_REQUEST,
    FORM,
    JSON,
    UNAUTHORIZED,
    WRONG_TYPE,
    is_ssl_check,
    refusal_status,
    request_kind,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
GOOD = {
    "Content-Type": FORM,
    "X-Slack-Request-Timestamp": STAMP,
    "X-Slack-Signature": "v0=" + "0a" * 32,
}
TIMESTAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"
#: What a header may hold once it went over the wire.
header = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"))


def looked_at(body: bytes = b"a=b", **changed: str | None) -> int | None:
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    whole = {name: one for name, one in (GOOD | named).items() if one is not None}
    return refusal_status(Headers(whole), body, NOW)


def test_nothing_at_all():
    assert refusal_status(Headers(), b"", NOW) == WRONG_TYPE


@pytest.mark.parametrize(
    "content_type", [FORM, JSON, f"{FORM}; charset=utf-8", "Application/JSON"]
)
def test_what_slack_sends_is_looked_at(content_type):
    assert looked_at(Content_Type=content_type) is None


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "multipart/form-data; boundary=x"]
)
def test_other_types(content_type):
    assert looked_at(Content_Type=content_type) == WRONG_TYPE


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        (0, None),
        (-299, None),
        (299, None),
        (-301, UNAUTHORIZED),
        (301, UNAUTHORIZED),
        (-86400, UNAUTHORIZED),
    ],
)
def test_the_age_of_a_request(seconds, status):
    stamp = str(int(NOW.timestamp()) + seconds)

    assert looked_at(X_Slack_Request_Timestamp=stamp) == status


@pytest.mark.parametrize(
    "stamp",
    [None, "", "now", "-1", "1e9", "1.5", " ", STAMP + "\n", "²", "٣", "9" * 5000],
)
def test_what_is_no_timestamp(stamp):
    headers = Headers(GOOD)
    del headers[TIMESTAMP]
    if stamp is not None:
        # As the server hands it over, unchecked.
        headers._list.append((TIMESTAMP, stamp))

    assert refusal_status(headers, b"", NOW) == UNAUTHORIZED


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "v0=",
        "0a" * 32,
        "v0=" + "0A" * 32,
        "v0=" + "ü" * 64,
        "v1=" + "0a" * 32,
    ],
)
def test_what_is_no_signature(signature):
    assert looked_at(X_Slack_Signature=signature) == UNAUTHORIZED


def test_a_body_that_is_no_text():
    assert looked_at(b"\xff\xfe") == BAD_REQUEST


@given(header, header, header, st.binary())
def test_never_raises(content_type, stamp, signature, body):
    headers = Headers()
    headers._list.extend(
        [
            ("Content-Type", content_type),
            (TIMESTAMP, stamp),
            (SIGNATURE, signature),
        ]
    )

    refusal_status(headers, body, NOW)
    is_ssl_check(headers, body)
    request_kind(headers, body)


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
    ],
)
def test_checks_of_our_certificate(body, is_one):
    assert is_ssl_check(Headers(GOOD), body) is is_one


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        (JSON, b"{}", "event"),
        (FORM, b"payload=%7B%7D", "interaction"),
        (FORM, b"token=x&command=%2Femojify", "command"),
    ],
)
def test_kinds_of_requests(content_type, body, kind):
    assert request_kind(Headers(GOOD | {"Content-Type": content_type}), body) == kind
