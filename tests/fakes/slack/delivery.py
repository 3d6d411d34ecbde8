"""Slack's outgoing side: signs requests and posts them to the app."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from tests.fakes.slack.world import World

EVENTS_PATH = "/slack/events"
FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"
OK = 200


@dataclass
class Delivery:
    """Posts what Slack sends to one app; notes answers that Slack would not take."""

    world: World
    #: Base of the app's addresses.
    bot_url: str
    path: str = EVENTS_PATH
    #: Another one makes bad signatures.
    signing_secret: str = field(default="", repr=False)
    #: Answers other than 200 are part of the test.
    any_answer: bool = False
    #: Bodies and types of what went out, so that it can go out again.
    sent: list[tuple[bytes, str]] = field(default_factory=list)

    def form(self, fields: dict[str, str], **more: Any) -> requests.Response:
        """Send a form, as slash commands come."""
        return self.send(urlencode(fields).encode(), FORM_TYPE, **more)

    def payload(self, payload: dict[str, Any], **more: Any) -> requests.Response:
        """Send JSON in a form's field, as interactions come."""
        return self.form({"payload": json.dumps(payload)}, **more)

    def json(self, body: dict[str, Any], **more: Any) -> requests.Response:
        """Send JSON, as events come."""
        return self.send(json.dumps(body).encode(), JSON_TYPE, **more)

    def again(self, retry: int, reason: str = "http_timeout") -> requests.Response:
        """Send the last request once more, as Slack does when it was not answered."""
        headers = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
        return self.send(*self.sent[-1], headers=headers)

    def send(
        self,
        body: bytes,
        content_type: str,
        *,
        headers: dict[str, str] | None = None,
        timestamp: str | None = None,
        signature: str | None = None,
    ) -> requests.Response:
        """Sign and post a body; what is given in place of the right value is sent."""
        whole = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            **self.signature_of(body, timestamp),
        }
        if signature is not None:
            whole["X-Slack-Signature"] = signature
        self.sent.append((body, content_type))
        answer = self._post(body, whole | (headers or {}))
        if answer.status_code != OK and not self.any_answer:
            self.world.problem("dispatch_failed", "", f"status {answer.status_code}")
        return answer

    def signature_of(self, body: bytes, timestamp: str | None = None) -> dict[str, str]:
        """Return the headers that sign a body, for now unless another time is given."""
        stamp = str(int(self.world.clock())) if timestamp is None else timestamp
        return {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": self.sign(stamp, body),
        }

    def sign(self, timestamp: str, body: bytes) -> str:
        secret = self.signing_secret or self.world.app.signing_secret
        base = b"v0:" + timestamp.encode() + b":" + body
        return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()

    def _post(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        address = f"{self.bot_url.rstrip('/')}{self.path}"
        patience = self.world.switches.patience_seconds
        try:
            return requests.post(address, data=body, headers=headers, timeout=patience)
        except requests.Timeout:
            told = f"no answer within {patience:g} seconds"
            self.world.problem("operation_timeout", "", told)
            raise
