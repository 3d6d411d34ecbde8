"""How often one address may ask for pages, bounded in memory.

A bucket of tokens for each network: an address whose bucket is full again says nothing
any more and is forgotten. The limits of people and workspaces are in the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from werkzeug.datastructures import Headers

from emojifier_bot.clock import Clock

#: Networks that are remembered, the longest unseen forgotten first: about 2 MB.
MOST_NETWORKS = 10_000
#: Whoever has one IPv6 address has all that share so many bits with it.
NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, then so many each second."""

    burst: int
    per_second: float


#: A page loads about ten files, and a company may share one address.
PAGES = Rate(burst=300, per_second=5.0)
#: Each beginning is a row in the database, each end a call to Slack.
INSTALLATIONS = Rate(burst=20, per_second=0.2)
#: Several monitors and load balancers may share an address.
HEALTH = Rate(burst=60, per_second=2.0)
#: Requests in Slack's name whose signature is wrong.
UNSIGNED = Rate(burst=20, per_second=0.2)

#: What sums of such times may be wrong by: not the last token of a bucket.
ROUNDING_SECONDS = 1e-6


class AddressRateLimiter:
    """Counts by network; threads may share it."""

    def __init__(self, rate: Rate, clock: Clock, most: int = MOST_NETWORKS) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        #: When each bucket is full again; the longest unseen first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_seconds(self, network: str, *, takes: bool = True) -> float:
        """Take a token, or only look; return 0, or how long until there is one."""
        now = self._clock.monotonic()
        token_seconds = 1 / self._rate.per_second
        with self._lock:
            full_at = max(self._full_at.pop(network, now), now)
            # With a token less, the bucket must not be emptier than empty.
            wait = full_at + token_seconds - now - self._rate.burst * token_seconds
            if wait < ROUNDING_SECONDS:
                wait = 0.0
            taken = takes and not wait
            self._full_at[network] = full_at + token_seconds if taken else full_at
            while self._full_at:
                network, full_at = next(iter(self._full_at.items()))
                if full_at > now and len(self._full_at) <= self._most:
                    break
                del self._full_at[network]
        return wait


class RateLimits:
    """Who may ask how often for what; nobody is counted yet.

    Args:
        clock: Counts the seconds.
        address_header: Written by the proxy in front; empty where none is believed.
    """

    def __init__(self, clock: Clock, address_header: str) -> None:
        self.pages = AddressRateLimiter(PAGES, clock)
        self.installations = AddressRateLimiter(INSTALLATIONS, clock)
        self.health = AddressRateLimiter(HEALTH, clock)
        self.unsigned = AddressRateLimiter(UNSIGNED, clock)
        self._address_header = address_header

    def network_of(self, headers: Headers, connected: str) -> str:
        """Return the network that a request comes from.

        Args:
            headers: By names in any case; several of a name are joined by commas.
            connected: The address at the other end of the connection.
        """
        sent = headers.get(self._address_header, "") if self._address_header else ""
        # What stands before the last comma was sent to the proxy: anybody's words.
        return client_network(sent.rpartition(",")[2]) or client_network(connected)


def client_network(address: str) -> str:
    """Return what stands for all addresses of one customer; empty for no address."""
    address = address.strip()
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip), NETWORK_BITS), strict=False))
