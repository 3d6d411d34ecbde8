"""Which addresses may be opened, told without the network.

An address is read once, by one strict grammar, into a `Target`. Everything after that
works with the target, so no two readers can disagree about where an address leads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from urllib.parse import quote

import idna

from emojifier_bot.errors import ErrorKind, FetchError

#: Longer addresses are refused; signed ones have about 2,000 characters.
LONGEST_ADDRESS = 8192
#: Longest host name that the domain name system knows.
LONGEST_HOST = 253
DEFAULT_PORTS = {"http": 80, "https": 443}
#: What a path may hold as it is; all else is percent-encoded.
_PLAIN = "%/:=&?~+!$,;'@()*[]"

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+-]*):(?P<slashes>/{0,2})"
    r"(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(#.*)?",
    re.IGNORECASE | re.ASCII,
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(:(?P<port>.*))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
#: Some programs read a host that ends like this as a number: as an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

#: Names that stand for this machine or for a private network.
_PRIVATE_NAMES = re.compile(
    r"([a-z0-9_-]+|(.+\.)?(localhost|local|localdomain|internal|home\.arpa))"
)

#: IPv4 that is not for everybody, or that leads elsewhere than it seems.
_CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind a provider's translation
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's own services, on a public address
        "169.254.0.0/16",  # link-local, metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
#: All of IPv6 that is for everybody. Outside: loopback, unspecified, mapped, NAT64,
#: unique local, link-local, site-local, multicast.
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """An address, taken apart and in one canonical form."""

    #: ``"http"`` or ``"https"``.
    scheme: str
    #: Lower-case ASCII; an IPv6 address in brackets.
    host: str
    port: int
    #: Path and query, percent-encoded; begins with ``/``.
    path: str

    @property
    def url(self) -> str:
        """Return it as a program wants it; the query may be a secret."""
        default = DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{self.host}{'' if default else f':{self.port}'}" + (
            self.path
        )

    @property
    def literal(self) -> str:
        """Return the IP address that the host is, empty for a name."""
        bare = self.host.strip("[]")
        return bare if _ip(bare) else ""


def check_address(address: str, *, allow_hosts: AbstractSet[str] = frozenset()) -> None:
    """Refuse what can be refused without the network.

    Args:
        address: As somebody typed it.
        allow_hosts: Hosts (``host`` or ``host:port``) that may be private.

    Raises:
        FetchError: ``not_an_address``, ``scheme``, ``port`` or ``private_address``.
    """
    read_public(address, allow_hosts)


def read_public(address: str, allow_hosts: AbstractSet[str]) -> Target:
    """Read an address that must be open to everybody, or lead to an allowed host.

    Raises:
        FetchError: ``not_an_address``, ``scheme``, ``port`` or ``private_address``.
    """
    target = read(address)
    if is_named(target, allow_hosts):
        return target
    if target.port not in DEFAULT_PORTS.values():
        raise FetchError(
            "This address names an unusual port. I only open the usual ones, 80 and "
            "443.",
            kind=ErrorKind.PORT,
        )
    if target.literal and not is_public(target.literal):
        raise private_address()
    if not target.literal and _PRIVATE_NAMES.fullmatch(target.host):
        raise private_address()
    return target


def read(address: str) -> Target:
    """Take an address apart, wherever it leads.

    Raises:
        FetchError: ``not_an_address``, ``scheme`` or ``port``.
    """
    address = address.strip(" \t\r\n")
    if len(address) > LONGEST_ADDRESS or _CONTROL.search(address):
        raise not_an_address()
    parts = _ADDRESS.fullmatch(address)
    if not parts:
        raise not_an_address()
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise FetchError(
            "I only open addresses that begin with https:// or http://.",
            kind=ErrorKind.SCHEME,
        )
    if len(parts["slashes"]) != len("//"):
        raise not_an_address()
    host, port = _read_authority(parts["authority"])
    return Target(
        scheme,
        host,
        port or DEFAULT_PORTS[scheme],
        _quoted((parts["path"] or "/") + (parts["query"] or "")),
    )


def is_named(target: Target, hosts: AbstractSet[str]) -> bool:
    """Tell whether a list of ``host`` and ``host:port`` names exactly this host.

    An entry without a port stands for the ports 80 and 443.
    """
    if names_port(target, hosts):
        return True
    forms = {target.host, target.host.strip("[]")}
    return target.port in DEFAULT_PORTS.values() and not forms.isdisjoint(_plain(hosts))


def names_port(target: Target, hosts: AbstractSet[str]) -> bool:
    """Tell whether a list of ``host:port`` names exactly this host and port."""
    return f"{target.host}:{target.port}" in _plain(hosts)


def is_public(address: str) -> bool:
    """Tell whether an IP address is one that everybody on the internet can open."""
    ip = _ip(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not any(ip in closed for closed in _CLOSED_V4)
    if isinstance(ip, IPv6Address):
        usual = ip in _OPEN_V6 and ip.is_global and ip.scope_id is None
        return usual and not any(ip in closed for closed in _CLOSED_V6)
    return False


def is_loopback(host: str) -> bool:
    """Tell whether a target's host is this machine, by name or by address."""
    ip = _ip(host.strip("[]"))
    return ip.is_loopback if ip else host == "localhost"


def not_an_address() -> FetchError:
    """Return the error for what cannot be read."""
    return FetchError(
        "This is not an address that I can open. Give the whole address of a picture, "
        "beginning with https://.",
        kind=ErrorKind.NOT_AN_ADDRESS,
    )


def private_address() -> FetchError:
    """Return the error for what is not open to everybody."""
    return FetchError(
        "This address leads into a private network, where I do not go. Give one that "
        "everybody can open.",
        kind=ErrorKind.PRIVATE_ADDRESS,
    )


def _plain(hosts: AbstractSet[str]) -> set[str]:
    return {entry.strip().lower() for entry in hosts}


def _read_authority(text: str) -> tuple[str, int | None]:
    if "@" in text:
        raise FetchError(
            "This address has a user name or a password in it. Leave it out, and try "
            "again.",
            kind=ErrorKind.NOT_AN_ADDRESS,
        )
    parts = _AUTHORITY.fullmatch(text)
    if not parts:
        raise not_an_address()
    host = _read_host(parts["host"])
    return host, _read_port(parts["port"]) if parts["port"] else None


def _read_port(text: str) -> int:
    last = (1 << 16) - 1
    if not _PORT.fullmatch(text) or int(text) > last:
        raise FetchError(
            "The port in this address is not a number from 1 to 65535.",
            kind=ErrorKind.PORT,
        )
    return int(text)


def _read_host(text: str) -> str:
    if text.startswith("["):
        ip = _ip(text[1:-1])
        if not isinstance(ip, IPv6Address) or ip.scope_id is not None:
            raise not_an_address()
        return f"[{ip.compressed}]"
    name = _in_ascii(text)
    labels = name.split(".")
    if len(name) > LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise not_an_address()
    if _NUMBER.fullmatch(labels[-1]) and not _ip(name):
        raise not_an_address()
    return name


def _in_ascii(host: str) -> str:
    """Return a host's name in lower case, other alphabets as ``xn--``.

    Nothing is mapped to something that only looks alike: full-width digits and the
    like are refused.
    """
    host = host.lower()
    if host.isascii() or len(host) > LONGEST_HOST:
        return host
    try:
        composed = unicodedata.normalize("NFC", host)
        return idna.encode(composed, strict=True).decode("ascii")
    except UnicodeError:
        raise not_an_address() from None


def _quoted(path: str) -> str:
    try:
        return quote(path, safe=_PLAIN)
    except UnicodeError:
        raise not_an_address() from None


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
