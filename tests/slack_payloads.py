"""What Slack sends, as small as our listeners notice, and how it signs it."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
TEAM, CHANNEL, DIRECT = "T1", "C1", "D1"
ASKER, OTHER, BOT = "U1", "U2", "UBOT"
TS, TOP_TS = "1700000001.000100", "1700000000.000100"
RESPONSE_URL = "https://hooks.example/response/1"
#: 3 November 2026, after every installation of the tests.
EVENT_TIME = 1_793_664_000

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Sent:
    """A request's body and its type."""

    body: bytes
    content_type: str


def signed(sent: Sent, secret: str, at: float | None = None) -> dict[str, str]:
    """Return the headers that Slack sends with a body."""
    timestamp = str(int(time.time() if at is None else at))
    base = b"v0:" + timestamp.encode() + b":" + sent.body
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {
        "Content-Type": sent.content_type,
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def image(file_id: str = "F1", **more: Any) -> dict[str, Any]:
    return {"id": file_id, "mode": "hosted", "mimetype": "image/png"} | more


def command(text: str = "", **more: Any) -> Sent:
    fields = {
        "team_id": TEAM,
        "channel_id": CHANNEL,
        "user_id": ASKER,
        "command": "/emojify",
        "text": text,
        "response_url": RESPONSE_URL,
        "trigger_id": _trigger(),
        "is_enterprise_install": "false",
    }
    return Sent(urlencode(fields | more).encode(), FORM)


def shortcut(files: Sequence[Mapping[str, Any]] | None = None, **more: Any) -> Sent:
    message: dict[str, Any] = {"type": "message", "user": OTHER, "ts": TS}
    if files is not None:
        message["files"] = files
    payload = {
        "type": "message_action",
        "callback_id": "emojify_message",
        "team": {"id": TEAM},
        "channel": {"id": CHANNEL},
        "user": {"id": ASKER},
        "message_ts": TS,
        "message": message | more.pop("message", {}),
        "response_url": RESPONSE_URL,
        "trigger_id": _trigger(),
        "is_enterprise_install": False,
    }
    return interaction(payload | more)


def press(
    action_id: str, value: str, user: str | Mapping[str, str] = ASKER, **more: Any
) -> Sent:
    payload = {
        "type": "block_actions",
        "team": {"id": TEAM},
        "channel": {"id": CHANNEL},
        "user": {"id": user} if isinstance(user, str) else user,
        "container": {"type": "message", "message_ts": TS, "channel_id": CHANNEL},
        "message": {"type": "message", "ts": TS},
        "actions": [{"type": "button", "action_id": action_id, "value": value}],
        "response_url": RESPONSE_URL,
        "trigger_id": _trigger(),
    }
    return interaction(payload | more)


def submission(callback_id: str, metadata: str, user: str = OTHER) -> Sent:
    view = {"id": "V1", "type": "modal", "callback_id": callback_id}
    payload = {
        "type": "view_submission",
        "team": {"id": TEAM},
        "user": {"id": user},
        "view": view | {"private_metadata": metadata, "state": {}},
    }
    return interaction(payload)


def interaction(payload: Mapping[str, Any]) -> Sent:
    return Sent(urlencode({"payload": json.dumps(payload)}).encode(), FORM)


def event(of: Mapping[str, Any], **more: Any) -> Sent:
    wrapper = {
        "type": "event_callback",
        "team_id": TEAM,
        "event_id": f"Ev{next(_numbers)}",
        "event_time": EVENT_TIME,
        "authorizations": [{"team_id": TEAM, "user_id": BOT, "is_bot": True}],
        "event": of,
    }
    return Sent(json.dumps(wrapper | more).encode(), JSON)


def mention(text: str = f"<@{BOT}>", **more: Any) -> Sent:
    written = {"type": "app_mention", "user": ASKER, "channel": CHANNEL, "ts": TS}
    return event(written | {"text": text} | more)


def direct_message(text: str = "", **more: Any) -> Sent:
    written = {
        "type": "message",
        "channel_type": "im",
        "user": ASKER,
        "channel": DIRECT,
        "ts": TS,
        "text": text,
    }
    return event(written | more)


def _trigger() -> str:
    return f"{next(_numbers)}.2.abcdef"
