"""Calls to a service that the settings name: one request, one bounded answer.

No redirect is followed, since it would take a picture and a key along. What fails is
reported without the address, the headers or the body: each of them may hold a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from urllib3.filepost import encode_multipart_formdata

from emojifier_bot.errors import FetchError
from emojifier_bot.http.addresses import read
from emojifier_bot.http.connection import (
    Deadline,
    PinnedConnection,
    Timeouts,
    resolve,
    system_resolver,
)
from emojifier_bot.http.fetch import retry_after_seconds

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
    connect_seconds = min(CONNECT_SECONDS, timeout_seconds)
    deadline = Deadline(Timeouts(connect_seconds, timeout_seconds, timeout_seconds))
    resolved = resolve(read(call.address), system_resolver, deadline, public=False)
    connection = PinnedConnection(resolved, deadline, max_bytes, ca_file)
    with connection.send("POST", call.headers, call.body) as response:
        body = connection.read_body(response)
        return ServiceAnswer(response.status_code, body, retry_after_seconds(response))


def is_safe_for_keys(address: str) -> bool:
    """Return whether an address uses TLS, or never leaves this machine."""
    try:
        target = read(address)
    except FetchError:
        return False
    return target.scheme == "https" or target.is_loopback()


def multipart(
    fields: Mapping[str, str], file_field: str, filename: str, data: bytes
) -> tuple[str, bytes]:
    """Return content type and body of a form with one file."""
    file = (filename, data, "image/jpeg")
    parts: list[tuple[str, str | tuple[str, bytes, str]]] = [*fields.items()]
    parts.append((file_field, file))
    body, content_type = encode_multipart_formdata(parts)
    return content_type, body
