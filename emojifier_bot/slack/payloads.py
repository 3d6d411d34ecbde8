"""Reads what Slack sends and answers: workspaces, messages, files. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from slack_bolt import BoltContext

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    Share,
    ShareState,
    Workspace,
)

Payload = Mapping[str, Any]

#: Modes of files that are no longer there.
GONE_MODES = ("tombstone", "hidden_by_limit")
#: What Slack says of another organisation's file in place of its type.
STUB = "check_file_info"
#: Subtypes of messages that people write; all others are edits, joins, bots and so on.
WRITTEN_SUBTYPES = (None, "", "file_share")
#: What a message must have to be answered.
REQUIRED_FIELDS = ("user", "channel", "ts")
#: Ids of direct messages between two begin so, names of those among several.
DIRECT, GROUP = "D", "mpdm-"
#: Entrypoints that work in direct messages of which the bot is not a member.
ANYWHERE = frozenset({Entrypoint.COMMAND, Entrypoint.SHORTCUT})

#: Number of the delivery that is no repeat.
FIRST_DELIVERY = "0"
#: Reasons to deliver again what the bot has not read to its end.
NOT_RECEIVED = frozenset({"connection_failed", "http_error", "ssl_error"})

#: The older lists of the conversations that show a file, by their kinds.
_CHANNEL_LISTS = ("channels", "groups", "ims")

#: Hosts on which every workspace has its own name, and those that show files to all.
SLACK_HOSTS = ("slack.com", "slack-gov.com", "slack-files.com")
#: ``/files/U1/F1/party.png``, ``/files-pri/T1-F1/party.png``, ``/T1-F1-0123456789``.
_FILE_ID = re.compile(r"[/-](F[A-Z0-9]{7,})(?=[/-]|$)")
_USER_ID = re.compile(r"/files/([UW][A-Z0-9]{7,})(?=/)")


def workspace_of(context: BoltContext, body: Payload) -> Workspace:
    """Return the workspace that a request comes from, and whose installation it uses.

    An event of an organisation's installation may name the workspace only at its top.
    """
    return Workspace(
        team_id=context.team_id or str(body.get("team_id") or ""),
        enterprise_id=context.enterprise_id or "",
        is_org_install=bool(context.is_enterprise_install),
    )


def is_direct(channel_id: str) -> bool:
    """Return whether a conversation is a direct message between two."""
    return channel_id.startswith(DIRECT)


def is_group(channel_name: str) -> bool:
    """Return whether a conversation is a direct message among several people."""
    return channel_name.startswith(GROUP)


def is_between_people(request: EmojifyRequest) -> bool:
    """Return whether a request may come from a direct message between people.

    The bot cannot post there, and nobody can invite it. One between two has an id like
    those of the direct messages with the bot.
    """
    may_be = request.in_group or is_direct(request.channel_id)
    return may_be and request.entrypoint in ANYWHERE


def is_from_person(event: Payload) -> bool:
    """Return whether a person wrote a new message: no bot, no edit, no notice."""
    if event.get("bot_id") or event.get("bot_profile") or event.get("edited"):
        return False
    written = event.get("subtype") in WRITTEN_SUBTYPES
    complete = all(event.get(name) for name in REQUIRED_FIELDS)
    return written and complete and not event.get("hidden")


def is_repeat(headers: Mapping[str, Any]) -> bool:
    """Return whether an event is delivered again that may have been answered before.

    An event that the bot never received, as while it starts, is no repeat. Over HTTP
    the first delivery has no number; in Socket Mode its number is 0.

    Args:
        headers: As Bolt gives them, each name in lower case with a list of values.
    """
    [number, *_] = headers.get("x-slack-retry-num") or (FIRST_DELIVERY,)
    [reason, *_] = headers.get("x-slack-retry-reason") or ("",)
    return number != FIRST_DELIVERY and reason not in NOT_RECEIVED


def image_ids(files: Iterable[Payload]) -> tuple[str, ...]:
    """Return the ids of the files that are images, in order, each once.

    A file of another organisation comes without a type; it may be an image.
    """
    return tuple(image_names(files))


def image_names(files: Iterable[Payload]) -> dict[str, str]:
    """Return the names of those files, by their ids, in order; empty for unknown."""
    return {str(f["id"]): str(f.get("name") or "") for f in files if _is_image(f)}


def _is_image(file: Payload) -> bool:
    if not file.get("id") or file.get("mode") in GONE_MODES:
        return False
    is_stub = file.get("file_access") == STUB
    return is_stub or str(file.get("mimetype") or "").startswith("image/")


def share_of(file: Payload, channel_id: str) -> Share:
    """Return how a file is shown in a channel."""
    if file.get("mode") in GONE_MODES:
        return Share(ShareState.DELETED)
    if shares := shares_in(file, channel_id):
        first = shares[0]
        return Share(
            ShareState.SHARED,
            str(first.get("ts") or ""),
            str(first.get("thread_ts") or ""),
        )
    listed = any(channel_id in (file.get(name) or ()) for name in _CHANNEL_LISTS)
    return Share(ShareState.SHARED if listed else ShareState.PENDING)


def shares_in(file: Payload, channel_id: str) -> list[Payload]:
    """Return every message that shows a file in a channel, the oldest first."""
    kinds = (file.get("shares") or {}).values()
    found = (one for channels in kinds for one in channels.get(channel_id) or ())
    return sorted(found, key=lambda one: str(one.get("ts")))


def sharers_in(file: Payload, channel_id: str) -> set[str]:
    """Return who showed a file in a channel, as far as Slack says."""
    shares = shares_in(file, channel_id)
    return {str(one["share_user_id"]) for one in shares if one.get("share_user_id")}


@dataclass(frozen=True, slots=True)
class SlackFileLink:
    """What the address of a file in Slack says."""

    file_id: str
    #: Who posted it; empty if the address does not say.
    user_id: str = ""


def parse_file_link(address: str, hosts: Collection[str]) -> SlackFileLink | None:
    """Return the file in Slack that an address names; None for any other address.

    Args:
        address: As a user typed it.
        hosts: Further hosts (``host`` or ``host:port``) that keep Slack's files.
    """
    try:
        parts = urlsplit(address)
        host, path = (parts.hostname or "").rstrip("."), unquote(parts.path)
    except ValueError:
        return None
    names = {host, parts.netloc.rpartition("@")[2].lower()}
    of_slack = any(f".{host}".endswith(f".{one}") for one in SLACK_HOSTS)
    file = _FILE_ID.search(path)
    if file is None or not (of_slack or names.intersection(hosts)):
        return None
    user = _USER_ID.search(path)
    return SlackFileLink(file[1], user[1] if user else "")
