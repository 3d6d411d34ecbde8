"""Which addresses may be opened, decided without the network.

An address is read once, by one strict grammar, into a `Target`. Everything after that
works with the target, so no two readers can disagree about where an address leads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote

import idna

from emojifier_bot.errors import ErrorKind, FetchError

#: Longer addresses are refused; signed ones have about 2,000 characters.
LONGEST_ADDRESS = 8192
#: Longest host name that the domain name system knows.
LONGEST_HOST = 253
DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = (1 << 16) - 1
#: What a path may hold as it is; all else is percent-encoded.
_PLAIN = "%/:=&?~+!$,;'@()*[]"

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+-]*):(?P<slashes>/{0,2})"
    r"(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(#.*)?",
    re.IGNORECASE | re.ASCII,
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]@]*)(:(?P<port>[^@]*))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
#: Some programs read a host that ends like this as a number: as an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

#: Names that stand for this machine or for a private network.
_PRIVATE_NAMES = re.compile(
    r"([a-z0-9_-]+|(.+\.)?(localhost|local|localdomain|internal|home\.arpa))"
)
#: What `ipaddress` calls global, or did in some version, and what is not for everybody
#: or leads elsewhere than it seems.
_CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "168.63.129.16/32",  # a cloud's own services, on a public address
        "192.0.0.0/24",  # protocol assignments
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.175.48.0/24",  # AS112
        "224.0.0.0/4",  # multicast
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
#: What may go well the next time.
_PASSING = frozenset({ErrorKind.PROXY, ErrorKind.TIMEOUT, ErrorKind.UNREACHABLE})


def fetch_error(
    kind: ErrorKind,
    *,
    retryable: bool | None = None,
    retry_after_seconds: float | None = None,
) -> FetchError:
    """Return the error of a kind; None takes whether that kind may pass.

    It does not name the address, which may be a secret.
    """
    return FetchError(
        f"A file was not fetched ({kind}). Check its address.",
        kind=kind,
        retryable=kind in _PASSING if retryable is None else retryable,
        retry_after_seconds=retry_after_seconds,
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
    def ip(self) -> str:
        """Return the IP address that the host is, empty for a name."""
        bare = self.host.strip("[]")
        return bare if _ip(bare) else ""

    def is_listed(self, hosts: AbstractSet[str]) -> bool:
        """Return whether a list of ``host`` and ``host:port`` has exactly this host.

        An entry without a port stands for the ports 80 and 443.
        """
        if self.is_listed_with_port(hosts):
            return True
        forms = {self.host, self.host.strip("[]")}
        usual = self.port in DEFAULT_PORTS.values()
        return usual and not forms.isdisjoint(_lower(hosts))

    def is_listed_with_port(self, hosts: AbstractSet[str]) -> bool:
        """Return whether a list of ``host:port`` has exactly this host and port."""
        return f"{self.host}:{self.port}" in _lower(hosts)

    def is_loopback(self) -> bool:
        """Return whether the host is this machine, by name or by address."""
        ip = _ip(self.host.strip("[]"))
        return ip.is_loopback if ip else self.host == "localhost"


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
    if target.is_listed(allow_hosts):
        return target
    if target.port not in DEFAULT_PORTS.values():
        raise fetch_error(ErrorKind.PORT)
    is_private = (
        not is_public(target.ip) if target.ip else _PRIVATE_NAMES.fullmatch(target.host)
    )
    if is_private:
        raise fetch_error(ErrorKind.PRIVATE_ADDRESS)
    return target


def read(address: str) -> Target:
    """Take an address apart, wherever it leads.

    Raises:
        FetchError: ``not_an_address``, ``scheme`` or ``port``.
    """
    address = address.strip(" \t\r\n")
    if len(address) > LONGEST_ADDRESS or _CONTROL.search(address):
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS)
    parts = _ADDRESS.fullmatch(address)
    if not parts:
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS)
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise fetch_error(ErrorKind.SCHEME)
    # A user name, or what pretends to be a host, ends with "@" and does not match.
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if not authority or parts["slashes"] != "//":
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS)
    host, port = _read_host(authority["host"]), authority["port"]
    if port and (not _PORT.fullmatch(port) or int(port) > _LAST_PORT):
        raise fetch_error(ErrorKind.PORT)
    path = (parts["path"] or "/") + (parts["query"] or "")
    try:
        path = quote(path, safe=_PLAIN)
    except UnicodeError:
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS) from None
    return Target(scheme, host, int(port) if port else DEFAULT_PORTS[scheme], path)


def is_public(address: str) -> bool:
    """Return whether everybody on the internet can open an IP address."""
    ip = _ip(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not any(ip in closed for closed in _CLOSED_V4)
    if isinstance(ip, IPv6Address):
        usual = ip in _OPEN_V6 and ip.is_global and ip.scope_id is None
        return usual and not any(ip in closed for closed in _CLOSED_V6)
    return False


def _lower(hosts: AbstractSet[str]) -> set[str]:
    return {entry.strip().lower() for entry in hosts}


def _read_host(text: str) -> str:
    """Return a host in canonical form; other alphabets become ``xn--``.

    Nothing is mapped to something that only looks alike: full-width digits and the
    like are refused.
    """
    if text.startswith("["):
        ip = _ip(text[1:-1])
        if not isinstance(ip, IPv6Address) or ip.scope_id is not None:
            raise fetch_error(ErrorKind.NOT_AN_ADDRESS)
        return f"[{ip.compressed}]"
    name = text.lower()
    if not name.isascii() and len(name) <= LONGEST_HOST:
        try:
            composed = unicodedata.normalize("NFC", name)
            name = idna.encode(composed, strict=True).decode("ascii")
        except UnicodeError:
            raise fetch_error(ErrorKind.NOT_AN_ADDRESS) from None
    labels = name.split(".")
    if len(name) > LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS)
    if _NUMBER.fullmatch(labels[-1]) and not _ip(name):
        raise fetch_error(ErrorKind.NOT_AN_ADDRESS)
    return name


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
