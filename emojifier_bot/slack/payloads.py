"""Reads what Slack sends: whose it is, which pictures, which thread. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slack_bolt import BoltContext

from emojifier_bot.domain import Workspace

#: Modes of files that are no longer there.
GONE_MODES = ("tombstone", "hidden_by_limit")
#: Subtypes of messages that people write; all others are edits, joins, bots and so on.
WRITTEN_SUBTYPES = (None, "", "file_share")

#: Number of the delivery that is no repeat.
FIRST_DELIVERY = "0"
#: Why Slack sends again what was not read to its end.
NOT_HEARD = frozenset({"connection_failed", "http_error", "ssl_error"})
#: What a message must have to be answered.
PLACED = ("user", "channel", "ts")

Payload = Mapping[str, Any]


def workspace_of(context: BoltContext, body: Payload) -> Workspace:
    """Return whose installation a request speaks for.

    An event of an organisation's installation may name the workspace only at its top.
    """
    return Workspace(
        team_id=context.team_id or str(body.get("team_id") or ""),
        enterprise_id=context.enterprise_id or "",
        is_org_install=bool(context.is_enterprise_install),
    )


def image_ids(files: Iterable[Payload]) -> tuple[str, ...]:
    """Return the ids of the files that are images, in order, each once.

    A file of another organisation comes without a type; it may be an image.
    """
    return tuple(dict.fromkeys(str(file["id"]) for file in files if _is_image(file)))


def _is_image(file: Payload) -> bool:
    if not file.get("id") or file.get("mode") in GONE_MODES:
        return False
    if file.get("file_access") == "check_file_info":
        return True
    return str(file.get("mimetype") or "").startswith("image/")


def is_from_person(event: Payload) -> bool:
    """Tell whether somebody wrote a message just now: no bot, no edit, no notice."""
    if event.get("bot_id") or event.get("bot_profile") or event.get("edited"):
        return False
    written = event.get("subtype") in WRITTEN_SUBTYPES
    placed = all(event.get(name) for name in PLACED)
    return written and placed and not event.get("hidden")


def was_heard(headers: Mapping[str, Any]) -> bool:
    """Tell whether an event comes again that may have been answered before.

    Not one that comes again because nobody was there, as while the bot starts. Over
    HTTP the first delivery has no number; in Socket Mode its number is 0.

    Args:
        headers: As Bolt gives them, each name in lower case with a list of values.
    """
    [number, *_] = headers.get("x-slack-retry-num") or (FIRST_DELIVERY,)
    [reason, *_] = headers.get("x-slack-retry-reason") or ("",)
    return number != FIRST_DELIVERY and reason not in NOT_HEARD
