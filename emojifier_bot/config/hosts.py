"""Lists of hosts in the settings: which may be reached, which may receive tokens.

A host is accepted in its canonical form only: ``http`` compares what it connects to
with these entries, and an entry in another form would never match.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(
    rf"(?:\[(?P<bracketed>[0-9a-f:.]+)\]|(?P<name>{_LABEL}(?:\.{_LABEL})*))"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"|(?P<bare>[0-9a-f:.]+)",
    re.ASCII,
)
#: Some programs read a host that ends like this as a number: as an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^\]]*\](?::\d+)?|[^/?#@\s:]+(?::\d+)?)"
    r"(?:[/?#][^\s\x00-\x1f\x7f\ud800-\udfff]*)?",
    re.ASCII,
)
_LONGEST_HOST, _LAST_PORT = 253, (1 << 16) - 1
#: Slack's own domains, in the country and for its government.
_SLACKS = re.compile(r"([a-z0-9-]+\.)*slack(-gov|-files)?\.com")
_USUAL_PORTS = frozenset({None, 80, 443})


def read_hosts(listed: str) -> frozenset[str]:
    """Read a list: ``host`` or ``host:port``, by commas.

    Raises:
        ValueError: An entry is no host: it has a scheme, a path, a wildcard, a mask.
    """
    entries = (entry.strip().lower() for entry in listed.split(","))
    hosts = frozenset(entry for entry in entries if entry)
    for host in hosts:
        _read_host(host)
    return hosts


def read_slacks_hosts(listed: str) -> frozenset[str]:
    """Read a list of hosts that are Slack's, or this machine's for tests.

    Raises:
        ValueError: An entry is no host, or somebody else's.
    """
    hosts = read_hosts(listed)
    if not all(map(_may_receive_tokens, hosts)):
        raise ValueError("One of these is not Slack's.")
    return hosts


def is_slacks_address(address: str) -> bool:
    """Return whether an address is Slack's, by TLS, or this machine's for tests."""
    parts = _ADDRESS.fullmatch(address.lower())
    if not parts:
        return False
    try:
        host, _ = _read_host(parts["host"])
    except ValueError:
        return False
    if _is_loopback(host):
        return True
    return parts["scheme"] == "https" and _may_receive_tokens(parts["host"])


def _may_receive_tokens(entry: str) -> bool:
    host, port = _read_host(entry)
    return _is_loopback(host) or (
        port in _USUAL_PORTS and bool(_SLACKS.fullmatch(host))
    )


def _is_loopback(host: str) -> bool:
    if ":" in host:
        return IPv6Address(host).is_loopback
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return IPv4Address(host).is_loopback
    return host == "localhost"


def _read_host(entry: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry.

    Raises:
        ValueError: It is no host, or not in its canonical form.
    """
    parts = _HOST.fullmatch(entry)
    port = int(parts["port"]) if parts and parts["port"] else None
    if not parts or len(entry) > _LONGEST_HOST or (port or 0) > _LAST_PORT:
        raise ValueError("That is no host.")
    if parts["name"] is None:
        host = parts["bracketed"] or parts["bare"]
        if IPv6Address(host).compressed != host:
            raise ValueError("This IPv6 address has a shorter form.")
        return host, port
    if _NUMBER.fullmatch(parts["name"].rpartition(".")[2]):
        IPv4Address(parts["name"])
    return parts["name"], port
