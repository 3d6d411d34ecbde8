"""How often one address may ask: a bucket of tokens for each, bounded in memory.

An address whose bucket is full again says nothing any more and is forgotten.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from werkzeug.datastructures import Headers

from emojifier_bot.clock import Clock

#: Addresses that are remembered, the longest unseen forgotten first: about 2 MB.
MOST_ADDRESSES = 10_000
#: Whoever has one IPv6 address has all that share so many bits with it.
HOUSEHOLD_BITS = 64


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, then so many each second."""

    burst: int
    per_second: float


#: A page loads about ten files, and a company may share one address.
PAGES = Rate(burst=300, per_second=5.0)
#: Each beginning is a row in the database, each end a call to Slack.
INSTALLATIONS = Rate(burst=20, per_second=0.2)


class Limiter:
    """Counts by address; threads may share it."""

    def __init__(self, rate: Rate, clock: Clock, most: int = MOST_ADDRESSES) -> None:
        """Begin with full buckets."""
        self._rate = rate
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        #: Tokens that were left, and when, by address; the longest unseen first.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Take a token; return 0, or how long until there is one."""
        now = self._clock.monotonic()
        full = float(self._rate.burst)
        with self._lock:
            left = self._tokens(self._left.pop(address, (full, now)), now)
            taken = left >= 1
            self._left[address] = (left - taken, now)
            self._forget(now)
        return 0.0 if taken else (1 - left) / self._rate.per_second

    def _tokens(self, left_at: tuple[float, float], now: float) -> float:
        left, at = left_at
        return min(float(self._rate.burst), left + (now - at) * self._rate.per_second)

    def _forget(self, now: float) -> None:
        """Forget the longest unseen: those too many, and those whose bucket is full."""
        while self._left:
            address, longest = next(iter(self._left.items()))
            is_full = self._tokens(longest, now) >= self._rate.burst
            if not is_full and len(self._left) <= self._most:
                return
            del self._left[address]


@dataclass(frozen=True, slots=True)
class Limits:
    """Who may ask how often for what."""

    pages: Limiter
    installations: Limiter
    #: The header that the proxy in front writes; empty where none is believed.
    address_header: str = ""

    def who(self, headers: Headers, connected: str) -> str:
        """Return who asks.

        Args:
            headers: By names in any case; several of a name are joined by commas.
            connected: The address at the other end of the connection.
        """
        told = headers.get(self.address_header, "") if self.address_header else ""
        # What stands before the last comma was sent to the proxy: anybody's words.
        return household(told.rpartition(",")[2]) or household(connected)


def make_limits(clock: Clock, address_header: str) -> Limits:
    """Build the usual limits, with nobody counted yet."""
    return Limits(Limiter(PAGES, clock), Limiter(INSTALLATIONS, clock), address_header)


def household(address: str) -> str:
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
    return str(ip_network((int(ip), HOUSEHOLD_BITS), strict=False))
