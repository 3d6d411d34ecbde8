"""A person in Slack, who asks the bot for things over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from tests.fakes.slack import payloads, posting
from tests.fakes.slack.delivery import OK, Delivery
from tests.fakes.slack.oauth import end_installation
from tests.fakes.slack.responses import RESPONSE_TYPES, show_response
from tests.fakes.slack.server import SlackServer
from tests.fakes.slack.state import Message, ResponseUrl, User, View, Workspace

RESPONSE_ACTIONS = frozenset({"errors", "update", "push", "clear"})


class SlackUser:
    """Somebody in a workspace where the bot is installed."""

    def __init__(
        self,
        slack: SlackServer,
        workspace: Workspace,
        user: User,
        bot_url: str,
        *,
        org_wide: bool = False,
    ) -> None:
        """Sit down at Slack.

        Args:
            slack: Where.
            workspace: In which workspace.
            user: As whom.
            bot_url: Base of the bot's addresses.
            org_wide: The bot is installed for the whole organisation.
        """
        self.slack = slack
        self.user = user
        self.scene = payloads.Scene(slack.world, workspace, user, org_wide)
        self.delivery = Delivery(slack.world, bot_url)

    @property
    def user_id(self) -> str:
        """Return the person's id."""
        return self.user.user_id

    @property
    def told(self) -> list[str]:
        """Return what the person alone was told, oldest first."""
        return self.slack.told(self.user_id)

    # Without the bot.

    def write(self, channel_id: str, text: str, thread_ts: str = "") -> Message:
        """Write a message."""
        world = self.slack.world
        return posting.write(world, self.user_id, channel_id, text, thread_ts)

    def post_image(
        self, channel_id: str, *data: bytes, name: str = "party.png", **more: Any
    ) -> Message:
        """Post pictures in one message; ``more`` is `posting.post_files`'s."""
        files = [(name, one) for one in data]
        world = self.slack.world
        return posting.post_files(world, self.user_id, channel_id, files, **more)

    def share_file(self, channel_id: str, file_id: str, text: str = "") -> Message:
        """Show a file that is there already, perhaps somebody else's."""
        world = self.slack.world
        return posting.share_file(world, self.user_id, channel_id, file_id, text)

    # With the bot.

    def command(
        self, channel_id: str, text: str = "", name: str = "/emojify"
    ) -> requests.Response:
        """Type a slash command; what it answers at once is heard by this person."""
        form = payloads.command(self.scene, channel_id, name, text)
        answer = self.delivery.form(form)
        self._hear(answer, channel_id)
        return answer

    def shortcut(
        self, message: Message, callback_id: str = "emojify_message"
    ) -> requests.Response:
        """Choose the message shortcut."""
        return self._interact(payloads.shortcut(self.scene, message, callback_id))

    def press(
        self, message: Message, action_id: str, *, sure: bool = True
    ) -> requests.Response | None:
        """Press a button; where it asks back and the person is not sure, nothing goes.

        Raises:
            LookupError: The message has no such button.
        """
        button, _ = payloads.find_button(message.blocks, action_id)
        if "confirm" in button and not sure:
            return None
        return self._interact(payloads.press(self.scene, message, action_id))

    def press_in_view(self, view: View, action_id: str) -> requests.Response:
        """Press a button in a modal or on the home tab."""
        return self._interact(payloads.press_in_view(self.scene, view, action_id))

    def open_view(self) -> View | None:
        """Return the newest modal in front of this person."""
        found = [
            view
            for view in self.slack.world.views.values()
            if view.user_id == self.user_id and view.body.get("type") == "modal"
        ]
        return found[-1] if found else None

    def submit(
        self, view: View, values: dict[str, Any] | None = None
    ) -> requests.Response:
        """Submit a modal; it closes unless the app answers otherwise."""
        answer = self._interact(payloads.submission(self.scene, view, values))
        action = _json(answer).get("response_action", "clear")
        if action not in RESPONSE_ACTIONS:
            self.slack.world.problem("bad_answer", "", f"response_action {action!r}")
        if action in {"update", "push"}:
            view.body = _json(answer)["view"]
        elif action == "clear":
            self.slack.world.views.pop(view.view_id, None)
        return answer

    def mention(
        self,
        channel_id: str,
        *images: bytes,
        text: str = "",
        thread_ts: str = "",
        with_files: bool = True,
    ) -> requests.Response:
        """Name the bot in a message, with pictures or without."""
        named = f"<@{self.scene.workspace.bot_user_id}> {text}".strip()
        if images:
            message = self.post_image(
                channel_id, *images, text=named, thread_ts=thread_ts
            )
        else:
            message = self.write(channel_id, named, thread_ts)
        return self.announce(payloads.mention, message, with_files=with_files)

    def direct_message(self, *images: bytes, text: str = "") -> requests.Response:
        """Send pictures, or text alone, to the bot."""
        channel = self.slack.world.direct_message(self.scene.workspace, self.user_id)
        if images:
            message = self.post_image(channel.channel_id, *images, text=text)
        else:
            message = self.write(channel.channel_id, text)
        return self.announce(payloads.direct_message, message)

    def open_home(self, tab: str = "home") -> requests.Response:
        """Open the app's home or messages tab."""
        channel = self.slack.world.direct_message(self.scene.workspace, self.user_id)
        event = payloads.home_opened(self.scene, channel.channel_id, tab)
        return self.delivery.json(event)

    # Slack itself.

    def announce(self, kind: Any, message: Message, **more: Any) -> requests.Response:
        """Send the event of a message: ``payloads.mention`` or ``direct_message``."""
        return self.delivery.json(kind(self.scene, message, **more))

    def uninstall(self) -> list[requests.Response]:
        """Take the app out of the workspace, or organisation, and tell it."""
        with self.slack.world.lock:
            for grant in list(self.slack.world.grants.values()):
                covers = grant.covers(self.scene.workspace)
                if covers and grant.is_org == self.scene.org_wide:
                    end_installation(self.slack.world, grant)
        gone = [
            payloads.app_gone(self.scene, {"type": "app_uninstalled"}),
            payloads.app_gone(self.scene, self._revoked()),
        ]
        return [self.delivery.json(one) for one in gone]

    def revoke_tokens(self) -> requests.Response:
        """Take the tokens back, and tell the app."""
        with self.slack.world.lock:
            for grant in self.slack.world.grants.values():
                covers = grant.covers(self.scene.workspace)
                if covers and grant.is_org == self.scene.org_wide:
                    grant.dead = "token_revoked"
        return self.delivery.json(payloads.app_gone(self.scene, self._revoked()))

    def _revoked(self) -> dict[str, Any]:
        tokens = {"oauth": [], "bot": [self.scene.workspace.bot_user_id]}
        return {
            "type": "tokens_revoked",
            "tokens": tokens,
            "event_ts": self.slack.world.new_ts(),
        }

    def verify_url(self, challenge: str = "challenge") -> requests.Response:
        """Ask the app to prove that the address is its own."""
        token = self.slack.app.verification_token
        return self.delivery.json(
            {"token": token, "challenge": challenge, "type": "url_verification"}
        )

    def check_certificate(self) -> requests.Response:
        """Knock as Slack does now and then to see the app's certificate."""
        token = self.slack.app.verification_token
        return self.delivery.form({"ssl_check": "1", "token": token})

    def _interact(self, payload: Mapping[str, Any]) -> requests.Response:
        return self.delivery.payload(dict(payload))

    def _hear(self, answer: requests.Response, channel_id: str) -> None:
        """Show what a command answered, as Slack would."""
        if answer.status_code != OK or not answer.content:
            return
        body = _json(answer) or {"text": answer.text}
        if body.get("response_type", "ephemeral") not in RESPONSE_TYPES:
            self.slack.world.problem("bad_answer", "", "unknown response_type")
        team_id, now = self.scene.workspace.team_id, self.slack.world.clock()
        url = ResponseUrl(channel_id, self.user_id, team_id, now)
        show_response(self.slack.world, url, body)


def _json(answer: requests.Response) -> dict[str, Any]:
    """Return an answer's JSON object; empty where it is none."""
    try:
        found = json.loads(answer.content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
