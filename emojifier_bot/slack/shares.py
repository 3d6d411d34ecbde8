"""What Slack's description of a file says about where it is shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emojifier_bot.domain import Share, ShareState
from emojifier_bot.slack.payloads import GONE_MODES

File = Mapping[str, Any]

#: The older lists of the conversations that show a file, by their kinds.
_LISTS = ("channels", "groups", "ims")


def share_of(file: File, channel_id: str) -> Share:
    """Return how a file is shown in a channel."""
    if file.get("mode") in GONE_MODES:
        return Share(ShareState.DELETED)
    shown = share_in(file, channel_id)
    if shown:
        return Share(
            ShareState.SHARED,
            str(shown.get("ts") or ""),
            str(shown.get("thread_ts") or ""),
        )
    listed = any(channel_id in (file.get(name) or ()) for name in _LISTS)
    return Share(ShareState.SHARED if listed else ShareState.PENDING)


def share_in(file: File, channel_id: str) -> File:
    """Return the first message that shows a file in a channel; empty for none."""
    return min(
        shares_in(file, channel_id), key=lambda one: str(one.get("ts")), default={}
    )


def shares_in(file: File, channel_id: str) -> list[File]:
    """Return every message that shows a file in a channel."""
    kinds = (file.get("shares") or {}).values()
    return [one for rooms in kinds for one in rooms.get(channel_id) or ()]


def sharers_in(file: File, channel_id: str) -> set[str]:
    """Return who showed a file in a channel, as far as Slack says."""
    shares = shares_in(file, channel_id)
    return {str(one["share_user_id"]) for one in shares if one.get("share_user_id")}
