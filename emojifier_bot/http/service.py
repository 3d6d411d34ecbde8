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
from emojifier_bot.http.connection import PinnedConnection
from emojifier_bot.http.fetch import retry_after_seconds
from emojifier_bot.http.resolver import Deadline, Network, Timeouts, resolve
from emojifier_bot.http.route import DIRECT, Route

#: A server that is there answers the knock within this.
CONNECT_SECONDS = 5.0
#: For a check whether a server is there.
REACH_SECONDS = 10.0
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
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def post_to_service(
    call: ServiceCall,
    timeout_seconds: float,
    *,
    max_bytes: int = MAX_ANSWER_BYTES,
    route: Route = DIRECT,
) -> ServiceAnswer:
    """Send a request and read its answer, within a time for everything together.

    Args:
        call: What to send.
        timeout_seconds: From the look-up of the name to the last byte.
        max_bytes: Largest answer that is read.
        route: How servers are reached.

    Raises:
        FetchError: ``unresolvable``, ``unreachable``, ``timeout``, ``tls``,
            ``unknown_issuer``, ``proxy`` or ``too_large``.
    """
    connect_seconds = min(CONNECT_SECONDS, timeout_seconds)
    timeouts = Timeouts(connect_seconds, timeout_seconds, timeout_seconds)
    network, deadline = Network(timeouts, route=route), Deadline(timeouts)
    resolved = resolve(read(call.address), network, deadline, public=False)
    connection = PinnedConnection(resolved, deadline, max_bytes, route)
    with connection.send("POST", call.headers, call.body) as response:
        return ServiceAnswer(
            response.status_code,
            connection.read_body(response),
            retry_after_seconds(response),
            response.headers,
        )


def reach(address: str, route: Route, *, public: bool) -> None:
    """Connect to a server and hear that it speaks HTTP, whatever it says.

    Args:
        address: Of the server.
        route: How servers are reached.
        public: Whether it must be open to everybody, as for people's addresses.

    Raises:
        FetchError: As `post_to_service`, or ``private_address``.
    """
    timeouts = Timeouts(CONNECT_SECONDS, REACH_SECONDS, REACH_SECONDS)
    network, deadline = Network(timeouts, route=route), Deadline(timeouts)
    resolved = resolve(read(address), network, deadline, public=public)
    with PinnedConnection(resolved, deadline, 0, route).send("GET", {}):
        pass


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
