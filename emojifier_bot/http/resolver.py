"""Where a connection goes, and how long everything may take.

A name is looked up once for every connection, and the connection goes to one of the
addresses that were checked. A name that answers differently the next time changes
nothing. Through a proxy it goes to the proxy, which looks the name up.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from emojifier_bot.errors import ErrorKind, FetchError
from emojifier_bot.http.addresses import Target, fetch_error, is_public
from emojifier_bot.http.route import DIRECT, Proxy, Route

logger = logging.getLogger(__name__)

#: A look-up whose result only confirms what a proxy decides.
PROXIED_LOOK_UP_SECONDS = 3.0

#: From a host's name to its IP addresses, the best first. Raises `socket.gaierror` for
#: an unknown one.
Resolver = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When to stop waiting."""

    #: For one of the host's addresses to answer at all.
    connect_seconds: float
    #: Between two pieces of an answer.
    read_seconds: float
    #: For everything: names, redirects, the last byte.
    total_seconds: float


@dataclass(slots=True)
class Deadline:
    """The moment at which a transfer ends, whatever came until then."""

    timeouts: Timeouts
    _began: float = field(default_factory=time.monotonic)

    def seconds_left(self) -> float:
        """Return how long there is still; raise `FetchError` ``timeout`` for none."""
        seconds = self._began + self.timeouts.total_seconds - time.monotonic()
        if seconds <= 0:
            raise fetch_error(ErrorKind.TIMEOUT)
        return seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Put the moment off by as long as this takes."""
        began = time.monotonic()
        yield
        self._began += time.monotonic() - began


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """A target with the IP addresses that a connection may go to."""

    target: Target
    addresses: tuple[str, ...]
    #: The addresses are those of a proxy on the way.
    proxy: Proxy | None = None

    @property
    def port(self) -> int:
        """Return the port to connect to."""
        return self.proxy.port if self.proxy else self.target.port


def system_resolver(host: str) -> list[str]:
    """Ask as this machine is set up to ask."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True, slots=True)
class Network:
    """How servers are reached."""

    timeouts: Timeouts
    #: Looks names up.
    resolver: Resolver = system_resolver
    route: Route = DIRECT


def resolve(
    target: Target, network: Network, deadline: Deadline, *, public: bool
) -> ResolvedTarget:
    """Look up the IP addresses to connect to: a target's, or those of its proxy.

    Args:
        target: Its name is looked up, unless it is an address itself. Behind a proxy
            it may be unknown here.
        network: Knows the names and the way.
        deadline: The resolver runs in a thread: the system's own has no time limit.
        public: Whether all that the target's name leads to must be open to everybody.

    Raises:
        FetchError: ``unresolvable``, ``timeout``, ``private_address`` or ``proxy``.
    """
    proxy = network.route.proxy_for(target)
    if proxy is None:
        found = _addresses_of(target, network.resolver, deadline.seconds_left())
    else:
        found = ()
        if public:
            seconds = min(PROXIED_LOOK_UP_SECONDS, deadline.seconds_left())
            with suppress(FetchError):
                found = _addresses_of(target, network.resolver, seconds)
    if public and not all(map(is_public, found)):
        raise fetch_error(ErrorKind.PRIVATE_ADDRESS)
    if proxy is None:
        return ResolvedTarget(target, found)
    try:
        found = _look_up(proxy.host, network.resolver, deadline.seconds_left())
    except FetchError:
        raise own_error(ErrorKind.PROXY) from None
    return ResolvedTarget(target, found, proxy)


def _addresses_of(
    target: Target, resolver: Resolver, seconds: float
) -> tuple[str, ...]:
    return (target.ip,) if target.ip else _look_up(target.host, resolver, seconds)


def own_error(kind: ErrorKind) -> FetchError:
    """Return the error for a fault on our side, which the operator must know of."""
    logger.warning(
        "A server cannot be reached", extra={"action": "fetch", "kind": kind}
    )
    return fetch_error(kind)


def _look_up(host: str, resolver: Resolver, seconds: float) -> tuple[str, ...]:
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolver(host))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise fetch_error(ErrorKind.TIMEOUT) from None
    if isinstance(answer, Exception) or not answer:
        # Asking again helps where the name server had a bad moment.
        code = answer.errno if isinstance(answer, socket.gaierror) else None
        raise fetch_error(ErrorKind.UNRESOLVABLE, retryable=code == socket.EAI_AGAIN)
    return tuple(answer)
