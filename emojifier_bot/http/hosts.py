"""Lists of hosts, as the settings name them: who may be reached, who may be told."""

from __future__ import annotations

import re

from emojifier_bot.errors import FetchError
from emojifier_bot.http.addresses import DEFAULT_PORTS, Target, is_loopback, read

#: Slack's own domains, in the country and for its government.
_SLACKS = re.compile(r"([a-z0-9-]+\.)*slack(-gov|-files)?\.com")


def read_hosts(listed: str) -> frozenset[str]:
    """Read a list: ``host`` or ``host:port``, by commas.

    Raises:
        ValueError: An entry is no host: it has a scheme, a path, a wildcard, a mask.
    """
    entries = (entry.strip().lower() for entry in listed.split(","))
    hosts = frozenset(entry for entry in entries if entry)
    for host in hosts:
        _target_of(host)
    return hosts


def is_slacks(listed: str) -> bool:
    """Tell whether all hosts of a list are Slack's, or this machine for tests."""
    return all(_may_be_told(_target_of(host)) for host in read_hosts(listed))


def is_slacks_address(address: str) -> bool:
    """Tell whether an address is Slack's, by TLS, or this machine's for tests."""
    try:
        target = read(address)
    except FetchError:
        return False
    if is_loopback(target.host):
        return True
    return target.scheme == "https" and _may_be_told(target)


def _may_be_told(target: Target) -> bool:
    if is_loopback(target.host):
        return True
    usual = target.port in DEFAULT_PORTS.values()
    return usual and bool(_SLACKS.fullmatch(target.host))


def _target_of(entry: str) -> Target:
    bare_ip_v6 = entry.count(":") > 1 and not entry.startswith("[")
    name = f"[{entry}]" if bare_ip_v6 else entry
    try:
        target = read(f"http://{name}")
    except FetchError as error:
        raise ValueError(error.message) from None
    # In one canonical form, or it would never be met: no path, no other alphabet.
    if name not in {target.host, f"{target.host}:{target.port}"}:
        raise ValueError("That is more than a host.")
    return target
