"""Calls to a service that the settings name: one request, one bounded answer.

No redirect is followed, since it would take a picture and a key along. What fails is
told without the address, the headers or the body: each of them may hold a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
from urllib3.filepost import encode_multipart_formdata

from emojifier_bot.errors import FetchError
from emojifier_bot.http.addresses import is_loopback, read
from emojifier_bot.http.answers import read_body, retry_after_seconds
from emojifier_bot.http.client import USER_AGENT
from emojifier_bot.http.deadline import Deadline, Timeouts
from emojifier_bot.http.line import Line, answer
from emojifier_bot.http.resolve import all_addresses, system_resolver

#: A server that is there answers the knock within this.
CONNECT_SECONDS = 5.0
#: An answer about a hundred faces with all their points is a fifth of it.
MAX_ANSWER_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """A POST request. The address may hold no secret; headers and body may."""

    address: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What came back, whatever the status."""

    status: int
    body: bytes = field(repr=False)
    retry_after_seconds: float | None = None


def post_to_service(
    call: ServiceCall,
    timeout_seconds: float,
    *,
    max_bytes: int = MAX_ANSWER_BYTES,
    ca_file: str | None = None,
) -> ServiceAnswer:
    """Send a request and read its answer, within a time for everything together.

    Args:
        call: What to send.
        timeout_seconds: From the look-up of the name to the last byte.
        max_bytes: Largest answer that is read.
        ca_file: Certificates to trust in place of the usual ones.

    Raises:
        FetchError: ``unresolvable``, ``unreachable``, ``timeout``, ``tls`` or
            ``too_large``.
    """
    target = read(call.address)
    connect = min(CONNECT_SECONDS, timeout_seconds)
    deadline = Deadline(Timeouts(connect, timeout_seconds, timeout_seconds))
    addresses = all_addresses(target, system_resolver, deadline)
    line = Line(addresses, target.port, deadline, max_bytes)
    headers = {
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Connection": "close",
        **call.headers,
    }
    request = requests.Request("POST", target.url, headers, data=call.body)
    with answer(request, line, ca_file) as response:
        body = read_body(response, line, lambda _: None)
        return ServiceAnswer(response.status_code, body, retry_after_seconds(response))


def is_safe_for_keys(address: str) -> bool:
    """Tell whether an address uses TLS, or never leaves this machine."""
    try:
        target = read(address)
    except FetchError:
        return False
    return target.scheme == "https" or is_loopback(target.host)


def multipart(
    fields: Mapping[str, str], file_field: str, filename: str, data: bytes
) -> tuple[str, bytes]:
    """Return content type and body of a form with one file."""
    file = (filename, data, "image/jpeg")
    parts: list[tuple[str, str | tuple[str, bytes, str]]] = [*fields.items()]
    parts.append((file_field, file))
    body, content_type = encode_multipart_formdata(parts)
    return content_type, body
