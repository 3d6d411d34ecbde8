"""The client for addresses that people give: nobody vouches for any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import Target, check_address, is_named, read_public
from emojifier_bot.http.answers import check_status, next_address, read_body
from emojifier_bot.http.deadline import Deadline, Timeouts
from emojifier_bot.http.line import Line, answer
from emojifier_bot.http.pictures import (
    Fetched,
    check_head,
    content_type,
    picture_name,
)
from emojifier_bot.http.resolve import (
    Resolver,
    all_addresses,
    public_addresses,
    system_resolver,
)

MOST_REDIRECTS = 5
#: Somebody is waiting.
FETCH_TIMEOUTS = Timeouts(connect_seconds=5.0, read_seconds=10.0, total_seconds=30.0)
#: Some servers want to know who asks.
USER_AGENT = "emojifier-bot (Slack app)"
_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class Hop:
    """One checked stop on the way to a picture."""

    target: Target
    #: Where the connection may go.
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Errand:
    """How to get one picture."""

    #: Checks an address, at every redirect anew; raises `FetchError`.
    admit: Callable[[str, Deadline], Hop]
    max_bytes: int
    timeouts: Timeouts
    #: Called with the first bytes of a body, then with all; raises `FetchError`.
    check_body: Callable[[bytes], None]
    #: Kind of the error for a web page.
    page_kind: ErrorKind
    #: Sent to every host that was admitted.
    headers: Mapping[str, str]
    #: Certificates to trust in place of the usual ones.
    ca_file: str | None = None

    def run(self, address: str) -> Fetched:
        """Follow an address to its picture.

        Raises:
            FetchError: It leads nowhere good.
        """
        deadline = Deadline(self.timeouts)
        for _ in range(1 + MOST_REDIRECTS):
            hop = self.admit(address, deadline)
            found = self._visit(hop, deadline)
            if isinstance(found, Fetched):
                return found
            address = found
        raise FetchError(
            "The server passed me on too often. Open the address in a browser, and "
            "copy the address of the picture itself.",
            kind=ErrorKind.TOO_MANY_REDIRECTS,
        )

    def _visit(self, hop: Hop, deadline: Deadline) -> Fetched | str:
        """Return the picture, or the address of the next stop."""
        url = hop.target.url
        call = requests.Request("GET", url, {**_HEADERS, **self.headers})
        line = Line(hop.addresses, hop.target.port, deadline, self.max_bytes)
        with answer(call, line, self.ca_file) as response:
            onward = next_address(response, url)
            if onward is not None:
                return onward
            check_status(response)
            check_head(response.headers, self.page_kind)
            data = read_body(response, line, self.check_body)
        return Fetched(
            data,
            content_type(response.headers),
            picture_name(response.headers, hop.target),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedClient:
    """Fetches pictures from addresses that people give; the doors inward stay shut.

    Only public addresses are connected to. Every redirect is checked like the first
    address, and a connection goes to an address that was checked, whatever the name
    says the next moment.
    """

    #: Hosts (``host`` or ``host:port``) that may be private, on any port they name.
    allow_hosts: frozenset[str]
    max_bytes: int
    #: Called with the first bytes of a body, then with all; raises `FetchError` where
    #: they are not what is wanted.
    check_body: Callable[[bytes], None]
    timeouts: Timeouts = FETCH_TIMEOUTS
    resolver: Resolver = system_resolver
    #: Certificates to trust in place of the usual ones, a file in PEM format.
    ca_file: str | None = None

    def check(self, address: str) -> None:
        """Refuse what can be refused without the network.

        Raises:
            FetchError: As `check_address` says.
        """
        check_address(address, allow_hosts=self.allow_hosts)

    def get(
        self, address: str, look: Callable[[str], None] = lambda _address: None
    ) -> Fetched:
        """Fetch one picture.

        Args:
            address: As somebody typed it.
            look: Called with the address, and with that of each redirect, before it is
                opened; what it raises ends the errand.

        Raises:
            FetchError: ``not_an_address``, ``scheme``, ``port``, ``private_address``,
                ``unresolvable``, ``unreachable``, ``timeout``, ``tls``,
                ``too_many_redirects``, ``too_large``, ``http_status``, ``not_found``,
                ``forbidden``, ``page``, or as ``check_body`` says.
        """

        def admit(place: str, deadline: Deadline) -> Hop:
            look(place)
            return self._admit(place, deadline)

        errand = Errand(
            admit=admit,
            check_body=self.check_body,
            max_bytes=self.max_bytes,
            timeouts=self.timeouts,
            page_kind=ErrorKind.PAGE,
            headers={},
            ca_file=self.ca_file,
        )
        return errand.run(address)

    def _admit(self, address: str, deadline: Deadline) -> Hop:
        target = read_public(address, self.allow_hosts)
        allowed = is_named(target, self.allow_hosts)
        look_up = all_addresses if allowed else public_addresses
        return Hop(target, look_up(target, self.resolver, deadline))
