"""AWS Signature Version 4, from Amazon's description alone: it checks what others sign.

Nothing of botocore is in here; `tests/unit/test_sigv4.py` holds Amazon's own examples.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
#: How far a request's time may be off.
LARGEST_SKEW = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^/,]+)/(?P<date>\d{{8}})/(?P<region>[^/]+)/"
    r"(?P<service>[^/]+)/aws4_request, ?SignedHeaders=(?P<headers>[a-z0-9;-]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
#: Signed, or the signature is worth nothing.
_MUST_BE_SIGNED = frozenset({"host", "x-amz-date"})


@dataclass(frozen=True)
class Signed:
    """A request as it came."""

    method: str
    #: Path and query.
    target: str
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Scope:
    """What a key is good for."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def canonical_request(request: Signed, signed_headers: list[str]) -> str:
    parts = urlsplit(request.target)
    lines = [
        request.method,
        quote(unquote(parts.path) or "/", safe="/-_.~"),
        _canonical_query(parts.query),
    ]
    lines += [
        f"{name}:{' '.join(request.headers[name].split())}" for name in signed_headers
    ]
    lines += ["", ";".join(signed_headers), hashlib.sha256(request.body).hexdigest()]
    return "\n".join(lines)


def signing_key(secret: str, scope: Scope) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(
    request: Signed, signed_headers: list[str], secret: str, scope: Scope
) -> str:
    canonical = canonical_request(request, signed_headers).encode()
    text = "\n".join(
        [
            ALGORITHM,
            request.headers["x-amz-date"],
            str(scope),
            hashlib.sha256(canonical).hexdigest(),
        ]
    )
    return hmac.digest(signing_key(secret, scope), text.encode(), "sha256").hex()


def refusal(
    request: Signed,
    secrets: Mapping[str, str],
    region: str,
    service: str,
    now: datetime | None = None,
) -> str | None:
    """Return the name of Amazon's error for a bad signature, None for a good one."""
    given = request.headers.get("authorization")
    if given is None:
        return "MissingAuthenticationTokenException"
    parts = _AUTHORIZATION.fullmatch(given)
    if not parts:
        return "IncompleteSignatureException"
    if parts["key"] not in secrets:
        return "UnrecognizedClientException"
    names = parts["headers"].split(";")
    scope = Scope(parts["date"], parts["region"], parts["service"])
    if (
        names != sorted(names)
        or not _MUST_BE_SIGNED.issubset(names)
        or not set(names).issubset(request.headers)
        or (scope.region, scope.service) != (region, service)
        or not _is_now(request.headers["x-amz-date"], scope.date, now)
    ):
        return "InvalidSignatureException"
    expected = signature(request, names, secrets[parts["key"]], scope)
    if not hmac.compare_digest(expected, parts["signature"]):
        return "InvalidSignatureException"
    return None


def _canonical_query(query: str) -> str:
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _is_now(stamp: str, date: str, now: datetime | None) -> bool:
    try:
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    off = abs((now or datetime.now(UTC)) - moment)
    return stamp.startswith(date) and off <= LARGEST_SKEW
