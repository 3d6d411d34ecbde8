"""What the tests of the fake Slack do over and over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from tests.fakes.slack import Message, SampleWorkspace, SlackServer
from tests.images import encoded, flat

BACK = "http://127.0.0.1:3000/slack/oauth_redirect"
PNG = encoded(flat((200, 30, 30)), "PNG")
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "3 faces"}}]


def kinds(slack: SlackServer) -> list[str]:
    """Return the kinds of what no correct bot would have sent."""
    return [problem.kind for problem in slack.problems]


def post(slack: SlackServer, method: str, token: str = "", **more: Any) -> Any:
    """Call a method without the SDK; return the answer's JSON."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{slack.api_url}{method}"
    return requests.post(address, headers=headers, timeout=30, **more).json()


def get(address: str, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(address, headers=headers, timeout=30, allow_redirects=False)


@dataclass
class Scene:
    """A bot in a workspace, with calls that are right but for what a test changes."""

    slack: SlackServer
    acme: SampleWorkspace
    client: WebClient
    times: list[float]

    @property
    def room(self) -> str:
        return self.acme.general.channel_id

    def write(self, **more: Any) -> SlackResponse:
        return self.client.chat_postMessage(
            **{"channel": self.room, "text": "a"} | more
        )

    def whisper(self, **more: Any) -> SlackResponse:
        usual = {"channel": self.room, "user": self.acme.ada.user_id, "text": "psst"}
        return self.client.chat_postEphemeral(**usual | more)

    def written_by_ada(self) -> str:
        """Let Ada write; return the message's stamp."""
        ts = self.slack.world.new_ts()
        message = Message(self.room, ts, self.acme.ada.user_id, text="a")
        return self.slack.world.add_message(message).ts

    def reaction(self, **more: Any) -> dict[str, Any]:
        """Return the arguments of a reaction to a new message."""
        usual = {"channel": self.room, "name": "eyes"}
        return (
            usual
            | ({} if "timestamp" in more else {"timestamp": self.write()["ts"]})
            | more
        )

    def announce(self, data: bytes = PNG, **more: Any) -> SlackResponse:
        usual = {"filename": "result.png", "length": len(data)}
        return self.client.files_getUploadURLExternal(**usual | more)

    def send(self, data: bytes = PNG, **more: Any) -> str:
        """Upload bytes; return the file's id."""
        ticket = self.announce(data, **more)
        answer = requests.post(ticket["upload_url"], data=data, timeout=30)
        assert answer.status_code == 200
        return ticket["file_id"]

    def complete(self, file_id: str | None = None, **more: Any) -> SlackResponse:
        """Show a file, by default a new one, in the channel."""
        usual = {
            "files": [{"id": file_id or self.send(), "title": "Result"}],
            "channel_id": self.room,
        }
        return self.client.files_completeUploadExternal(**usual | more)

    def shown(self, **more: Any) -> str:
        file_id = self.send()
        self.complete(file_id, **more)
        return file_id

    def file(self, file_id: str) -> dict[str, Any]:
        return self.client.files_info(file=file_id)["file"]
