"""The checker of signatures against examples that Amazon published.

From the Signature Version 4 test suite (its key, date and host are the same in all of
them), and the IAM example of the General Reference with its intermediate values.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.sigv4 import (
    Scope,
    Signed,
    canonical_request,
    refusal,
    signature,
    signing_key,
)

KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
STAMP, NOW = "20150830T123600Z", datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SUITE = Scope("20150830", "us-east-1", "service")
IAM = Scope("20150830", "us-east-1", "iam")
FORM = "application/x-www-form-urlencoded"


def request(method="GET", target="/", body=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    usual = {"host": "example.amazonaws.com", "x-amz-date": STAMP}
    return Signed(method, target, usual | named, body)


LIST_USERS = request(
    target="/?Action=ListUsers&Version=2010-05-08",
    host="iam.amazonaws.com",
    content_type=f"{FORM}; charset=utf-8",
)
VECTORS = {
    "get-vanilla": (
        request(),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        request(target="/?Param2=value2&Param1=value1"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-header-value-trim": (
        request(my_header1=" value1", my_header2=' "a   b   c"'),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": (
        request("POST"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        request("POST", body=b"Param1=value1", content_type=FORM),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize(("sent", "expected"), VECTORS.values(), ids=VECTORS.keys())
def test_signatures_of_the_suite(sent, expected):
    assert signature(sent, sorted(sent.headers), SECRET, SUITE) == expected


def test_every_step_of_the_iam_example():
    names = ["content-type", "host", "x-amz-date"]
    canonical = canonical_request(LIST_USERS, names).encode()

    assert hashlib.sha256(canonical).hexdigest() == (
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    assert signing_key(SECRET, IAM).hex() == (
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    )
    assert signature(LIST_USERS, names, SECRET, IAM) == (
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def authorized(
    signed_by="5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    key=KEY_ID,
    names="host;x-amz-date",
):
    return request(
        authorization=f"AWS4-HMAC-SHA256 Credential={key}/{SUITE}, "
        f"SignedHeaders={names}, Signature={signed_by}"
    )


@pytest.mark.parametrize(
    ("sent", "now", "expected"),
    [
        (request(), NOW, "MissingAuthenticationTokenException"),
        (request(authorization="Bearer x"), NOW, "IncompleteSignatureException"),
        (authorized(key="AKIDOTHER"), NOW, "UnrecognizedClientException"),
        (authorized("0" * 64), NOW, "InvalidSignatureException"),
        (authorized(names="host"), NOW, "InvalidSignatureException"),
        (authorized(names="x-amz-date;host"), NOW, "InvalidSignatureException"),
        (authorized(names="host;x-amz-date;x-more"), NOW, "InvalidSignatureException"),
        (authorized(), NOW + timedelta(minutes=6), "InvalidSignatureException"),
        (authorized(), NOW + timedelta(minutes=4), None),
        (authorized(), NOW, None),
    ],
)
def test_what_is_refused(sent, now, expected):
    found = refusal(sent, {KEY_ID: SECRET}, "us-east-1", "service", now)

    assert found == expected


def test_a_changed_body_is_noticed():
    changed = Signed("GET", "/", authorized().headers, b"x")

    found = refusal(changed, {KEY_ID: SECRET}, "us-east-1", "service", NOW)

    assert found == "InvalidSignatureException"
