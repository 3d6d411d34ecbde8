"""Which file in Slack an address names, and who posted it. Pure; never raises."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

#: Hosts on which every workspace has its own name, and those that show files to all.
SLACK_HOSTS = ("slack.com", "slack-gov.com", "slack-files.com")
#: ``/files/U1/F1/party.png``, ``/files-pri/T1-F1/party.png``, ``/T1-F1-0123456789``.
_FILE = re.compile(r"[/-](F[A-Z0-9]{7,})(?=[/-]|$)")
_USER = re.compile(r"/files/([UW][A-Z0-9]{7,})(?=/)")


@dataclass(frozen=True, slots=True)
class SlackFileLink:
    """What an address of a file in Slack tells."""

    file_id: str
    #: Who posted it; empty where the address does not say.
    user_id: str = ""


def slack_file_in(address: str, hosts: Collection[str]) -> SlackFileLink | None:
    """Return the file in Slack that an address names; None for any other address.

    Args:
        address: As somebody typed it.
        hosts: Further hosts (``host`` or ``host:port``) that keep Slack's files.
    """
    try:
        parts = urlsplit(address)
        host, path = (parts.hostname or "").rstrip("."), unquote(parts.path)
    except ValueError:
        return None
    named = {host, parts.netloc.rpartition("@")[2].lower()}
    of_slack = any(f".{host}".endswith(f".{one}") for one in SLACK_HOSTS)
    file = _FILE.search(path)
    if file is None or not (of_slack or named.intersection(hosts)):
        return None
    user = _USER.search(path)
    return SlackFileLink(file[1], user[1] if user else "")
