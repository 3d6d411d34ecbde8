"""What a server's answer says: where to go next, what went wrong, or the body."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin

import requests

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import not_an_address
from emojifier_bot.http.line import Line, too_large

#: Read and counted at a time.
CHUNK_BYTES = 1 << 16
#: So much of a body is looked at before the rest is read.
HEAD_BYTES = 1 << 12
#: A server may ask to wait for this long at most.
LONGEST_WAIT_SECONDS = 3600.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_FOUND = frozenset({404, 410})
_FORBIDDEN = frozenset({401, 402, 403, 407, 451})
#: Beside all that begin with 5.
_PASSING = frozenset({408, 425, 429})


def next_address(response: requests.Response, address: str) -> str | None:
    """Return where a redirect leads, None for any other answer.

    Raises:
        FetchError: ``not_an_address``: that cannot be read.
    """
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS or location is None:
        return None
    try:
        # Headers are read byte by byte; many servers write UTF-8.
        location = location.encode("latin-1").decode("utf-8", "replace")
        return urljoin(address, location.strip())
    except ValueError:
        raise not_an_address() from None


def check_status(response: requests.Response) -> None:
    """Go on only with an answer that holds what was asked for.

    Raises:
        FetchError: ``not_found``, ``forbidden`` or ``http_status``.
    """
    status = response.status_code
    if status in {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}:
        return
    if status in _NOT_FOUND:
        raise FetchError(
            "There is nothing at this address. Check it for a typing mistake, or "
            "whether the picture was removed.",
            kind=ErrorKind.NOT_FOUND,
        )
    if status in _FORBIDDEN:
        raise FetchError(
            "The server does not show this to everybody. Give the address of a public "
            "picture, or upload it.",
            kind=ErrorKind.FORBIDDEN,
        )
    raise FetchError(
        f"The server answered with the status {status} in place of a picture. Try "
        "again later, or give another address.",
        kind=ErrorKind.HTTP_STATUS,
        retryable=is_passing(status),
        retry_after_seconds=retry_after_seconds(response),
    )


def is_passing(status: int) -> bool:
    """Tell whether the same request may go well later."""
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after_seconds(response: requests.Response) -> float | None:
    """Return how long the server asks to wait, None if it does not or is not clear."""
    text = response.headers.get("retry-after", "").strip()
    seconds = float(text) if text.isascii() and text.isdigit() else _until(text)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def read_body(
    response: requests.Response, line: Line, judge: Callable[[bytes], None]
) -> bytes:
    """Read a body as it comes over the wire; nothing is unpacked.

    Args:
        response: Its head is read.
        line: What it came over.
        judge: Called with the first bytes and again with all; raises if they are not
            what is wanted.

    Raises:
        FetchError: ``too_large``, ``timeout``, ``unreachable``, or as ``judge`` says.
    """
    announced = response.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit():
        # As text: no whole number is too long to compare.
        longest = str(line.max_bytes)
        digits = announced.lstrip("0")
        if (len(digits), digits) > (len(longest), longest):
            raise too_large(line.max_bytes)
    data = bytearray()
    judged = False
    for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
        data += chunk
        if len(data) > line.max_bytes:
            raise too_large(line.max_bytes)
        line.check_framing(len(data))
        if not judged and len(data) >= HEAD_BYTES:
            judge(bytes(data[:HEAD_BYTES]))
            judged = True
    # A body without a length that was cut at the deadline looks like a whole one.
    line.deadline.check()
    body = bytes(data)
    judge(body)
    return body


def _until(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # no date, or one without a time zone
