"""People in Slack, who ask the bot for things over real HTTP, and where they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import requests

from tests.fakes.slack import payloads, posting
from tests.fakes.slack.delivery import OK, Delivery
from tests.fakes.slack.oauth import end_installation
from tests.fakes.slack.responses import RESPONSE_TYPES, show_response
from tests.fakes.slack.server import SlackServer
from tests.fakes.slack.state import (
    Channel,
    Grant,
    Message,
    ResponseUrl,
    User,
    View,
    Workspace,
)

RESPONSE_ACTIONS = frozenset({"errors", "update", "push", "clear"})


class SlackUser:
    """Somebody in a workspace where the bot is installed.

    ``bot_url`` is the base of the bot's addresses; ``org_wide``, that the bot is
    installed for the whole organisation.
    """

    def __init__(
        self,
        slack: SlackServer,
        workspace: Workspace,
        user: User,
        bot_url: str,
        *,
        org_wide: bool = False,
    ) -> None:
        self.slack = slack
        self.user = user
        self.user_id = user.user_id
        self.scene = payloads.Scene(slack.world, workspace, user, org_wide)
        self.delivery = Delivery(slack.world, bot_url)

    @property
    def told(self) -> list[str]:
        """Return what the person alone was told, oldest first."""
        return self.slack.told(self.user_id)

    # Without the bot.

    def write(self, channel_id: str, text: str, thread_ts: str = "") -> Message:
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

    def forward(self, channel_id: str, original: Message, text: str = "") -> Message:
        """Forward a message, perhaps somebody else's, into a channel."""
        world = self.slack.world
        return posting.forward(world, self.user_id, channel_id, original, text)

    # With the bot.

    def command(
        self, channel_id: str, text: str = "", name: str = "/emojify"
    ) -> requests.Response:
        """Type a slash command; what it answers at once is heard by this person."""
        answer = self.delivery.form(
            payloads.command(self.scene, channel_id, name, text)
        )
        if answer.status_code == OK and answer.content:
            body = _json(answer) or {"text": answer.text}
            if body.get("response_type", "ephemeral") not in RESPONSE_TYPES:
                self.slack.world.problem("bad_answer", "", "unknown response_type")
            team_id, now = self.scene.workspace.team_id, self.slack.world.clock()
            url = ResponseUrl(channel_id, self.user_id, team_id, now)
            show_response(self.slack.world, url, body)
        return answer

    def shortcut(
        self, message: Message, callback_id: str = "emojify_message"
    ) -> requests.Response:
        chosen = payloads.shortcut(self.scene, message, callback_id)
        return self.delivery.payload(chosen)

    def press(
        self, message: Message, action_id: str, value: str = "", *, sure: bool = True
    ) -> requests.Response | None:
        """Press a button or choose an option; who is not sure does not, if asked back.

        Raises:
            LookupError: The message has no such button or option.
        """
        element, _ = payloads.find_element(message.blocks, action_id, value)
        if "confirm" in element and not sure:
            return None
        pressed = payloads.press(self.scene, message, action_id, value)
        return self.delivery.payload(pressed)

    def react(self, message: Message, name: str) -> requests.Response | None:
        """React to a message; the app hears of it if it may."""
        with self.slack.world.changed:
            message.reactions.setdefault(name, []).append(self.user_id)
        if not payloads.may_hear(self.scene, message, "reactions:read"):
            return None
        return self.delivery.json(payloads.reaction(self.scene, message, name))

    def open_home(self) -> requests.Response:
        """Look at the app's home tab."""
        return self.delivery.json(payloads.home_opened(self.scene))

    @property
    def home(self) -> View | None:
        """Return what the home tab shows."""
        return self.slack.world.views.get(f"home-{self.user_id}")

    def press_in_view(
        self, view: View, action_id: str, value: str = ""
    ) -> requests.Response:
        """Press a button, or choose an option, in the home tab or a modal."""
        pressed = payloads.press_in_view(self.scene, view, action_id, value)
        return self.delivery.payload(pressed)

    def open_view(self) -> View | None:
        """Return the newest modal in front of this person."""
        found = [
            view
            for view in self.slack.world.views.values()
            if view.user_id == self.user_id and view.body.get("type") == "modal"
        ]
        return found[-1] if found else None

    def submit(self, view: View, action_id: str = "", value: str = "") -> Any:
        """Submit a modal; it closes unless the app answers otherwise.

        Args:
            view: The modal.
            action_id: Of a menu in it, if an option is chosen there.
            value: Of that option.
        """
        values = payloads.chosen(view, action_id, value) if action_id else {}
        answer = self.delivery.payload(payloads.submission(self.scene, view, values))
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
        message = self._say(channel_id, images, named, thread_ts)
        return self.announce(payloads.mention, message, with_files=with_files)

    def direct_message(
        self, *images: bytes, text: str = "", thread_ts: str = ""
    ) -> requests.Response:
        """Send pictures, or text alone, to the bot."""
        channel = self.slack.world.direct_message(self.scene.workspace, self.user_id)
        message = self._say(channel.channel_id, images, text, thread_ts)
        return self.announce(payloads.direct_message, message)

    def edit(self, message: Message, text: str) -> requests.Response:
        """Change a message; who names the bot in it mentions it, once more or newly."""
        before, world = message.text, self.slack.world
        posting.edit(world, message, text)
        if world.channels[message.channel_id].kind == "im":
            return self.announce(payloads.edited_message, message, before=before)
        return self.announce(payloads.mention, message, with_files=True)

    def _say(
        self, channel_id: str, images: Iterable[bytes], text: str, thread_ts: str = ""
    ) -> Message:
        if not images:
            return self.write(channel_id, text, thread_ts)
        return self.post_image(channel_id, *images, text=text, thread_ts=thread_ts)

    # Slack itself.

    def announce(self, kind: Any, message: Message, **more: Any) -> requests.Response:
        """Send the event of a message: ``payloads.mention`` or ``direct_message``."""
        return self.delivery.json(kind(self.scene, message, **more))

    def uninstall(self) -> list[requests.Response]:
        """Take the app out of the workspace, or organisation, and tell it."""
        world, workspace = self.slack.world, self.scene.workspace
        with world.lock:
            for grant in list(world.grants.values()):
                if grant.covers(workspace) and grant.is_org == self.scene.org_wide:
                    end_installation(world, grant)
        revoked = {
            "type": "tokens_revoked",
            "tokens": {"oauth": [], "bot": [workspace.bot_user_id]},
            "event_ts": world.new_ts(),
        }
        events: list[dict[str, Any]] = [{"type": "app_uninstalled"}, revoked]
        return [
            self.delivery.json(payloads.app_gone(self.scene, one)) for one in events
        ]


def _json(answer: requests.Response) -> dict[str, Any]:
    """Return an answer's JSON object; empty where it is none."""
    try:
        found = json.loads(answer.content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class SampleWorkspace:
    """A workspace with two people, three channels and the app installed."""

    workspace: Workspace
    grant: Grant
    ada: User
    bob: User
    #: Public, with everybody and the bot.
    general: Channel
    #: Public, with everybody but the bot.
    random: Channel
    #: Private, of Ada alone.
    secret: Channel

    @property
    def token(self) -> str:
        return self.grant.token


def sample_workspace(
    slack: SlackServer,
    scopes: Iterable[str] | None = None,
    *,
    org_wide: bool = False,
    **workspace: Any,
) -> SampleWorkspace:
    """Add a workspace with people and channels, and install the app.

    The token may do all that the app asks for, where no scopes are given;
    ``workspace`` are fields of `Workspace` that differ.
    """
    home = slack.add_workspace(**{"name": "Acme"} | workspace)
    ada, bob = (slack.add_user(home, name) for name in ("ada", "bob"))
    return SampleWorkspace(
        workspace=home,
        grant=slack.world.install(home, scopes, org_wide=org_wide),
        ada=ada,
        bob=bob,
        general=slack.add_channel(home, "general", [ada, bob]),
        random=slack.add_channel(home, "random", [ada, bob], with_bot=False),
        secret=slack.add_channel(home, "secret", [ada], kind="private", with_bot=False),
    )
