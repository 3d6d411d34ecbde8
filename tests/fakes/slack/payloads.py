"""What Slack sends to an app: commands, shortcuts, buttons, modals, events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.posting import new_trigger
from tests.fakes.slack.responses import new_response_url
from tests.fakes.slack.shapes import message_json
from tests.fakes.slack.state import Channel, Message, User, View, Workspace
from tests.fakes.slack.world import World

CHANNEL_NAMES = {"im": "directmessage", "private": "privategroup"}


@dataclass(frozen=True)
class Scene:
    """Who acts, in which workspace, and whose installation it concerns."""

    world: World
    workspace: Workspace
    user: User
    #: The app is installed for the whole organisation.
    org_wide: bool = False

    def channel(self, channel_id: str) -> Channel:
        """Return a channel by its id."""
        return self.world.channels[channel_id]

    @property
    def enterprise(self) -> dict[str, str] | None:
        """Return the organisation as interactions name it; None without one."""
        if not self.workspace.enterprise_id:
            return None
        name = self.workspace.enterprise_name
        return {"id": self.workspace.enterprise_id, "name": name}

    @property
    def team(self) -> dict[str, str]:
        """Return the workspace as interactions name it."""
        found = {"id": self.workspace.team_id, "domain": self.workspace.domain}
        if self.workspace.enterprise_id:
            found["enterprise_id"] = self.workspace.enterprise_id
            found["enterprise_name"] = self.workspace.enterprise_name
        return found

    @property
    def person(self) -> dict[str, str]:
        """Return the user as interactions name them."""
        name = self.user.name
        return {
            "id": self.user.user_id,
            "username": name,
            "name": name,
            "team_id": self.workspace.team_id,
        }

    @property
    def trigger_id(self) -> str:
        """Return a new trigger."""
        return new_trigger(self.world, self.user.user_id)

    def response_url(self, channel_id: str, message_ts: str = "") -> str:
        """Return a new response URL."""
        return new_response_url(self.world, channel_id, self.user.user_id, message_ts)


def command(scene: Scene, channel_id: str, name: str, text: str) -> dict[str, str]:
    """Return the form of a slash command."""
    channel, workspace = scene.channel(channel_id), scene.workspace
    found = {
        "token": scene.world.app.verification_token,
        "team_id": workspace.team_id,
        "team_domain": workspace.domain,
        "channel_id": channel_id,
        "channel_name": CHANNEL_NAMES.get(channel.kind, channel.name),
        "user_id": scene.user.user_id,
        "user_name": scene.user.name,
        "command": name,
        "text": text,
        "api_app_id": scene.world.app.app_id,
        "is_enterprise_install": "true" if scene.org_wide else "false",
        "response_url": scene.response_url(channel_id),
        "trigger_id": scene.trigger_id,
    }
    if workspace.enterprise_id:
        found["enterprise_id"] = workspace.enterprise_id
        found["enterprise_name"] = workspace.enterprise_name
    return found


def _interaction(scene: Scene, kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "token": scene.world.app.verification_token,
        "team": scene.team,
        "enterprise": scene.enterprise,
        "is_enterprise_install": scene.org_wide,
        "user": scene.person,
        "trigger_id": scene.trigger_id,
    }


def _channel_name(channel: Channel) -> dict[str, str]:
    name = CHANNEL_NAMES.get(channel.kind, channel.name)
    return {"id": channel.channel_id, "name": name}


def shortcut(scene: Scene, message: Message, callback_id: str) -> dict[str, Any]:
    """Return a message shortcut."""
    channel = scene.channel(message.channel_id)
    found = _interaction(scene, "message_action")
    del found["user"]["username"]
    return found | {
        "action_ts": scene.world.new_ts(),
        "channel": _channel_name(channel),
        "callback_id": callback_id,
        "response_url": scene.response_url(channel.channel_id),
        "message_ts": message.ts,
        "message": message_json(scene.world, message),
    }


def press(scene: Scene, message: Message, action_id: str) -> dict[str, Any]:
    """Return the press of a button in a message.

    Raises:
        LookupError: The message has no such button.
    """
    channel = scene.channel(message.channel_id)
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.channel_id,
        "is_ephemeral": bool(message.only_for),
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    found = _interaction(scene, "block_actions") | {
        "api_app_id": scene.world.app.app_id,
        "container": container,
        "channel": _channel_name(channel),
        "response_url": scene.response_url(channel.channel_id, message.ts),
        "state": {"values": {}},
        "actions": [_action(scene, message.blocks, action_id)],
    }
    shown = {} if message.only_for else {"message": message_json(scene.world, message)}
    return found | shown


def find_button(
    blocks: list[dict[str, Any]], action_id: str
) -> tuple[dict[str, Any], str]:
    """Return a button and its block's id.

    Raises:
        LookupError: There is no such button.
    """
    for number, block in enumerate(blocks):
        elements = [*block.get("elements", []), block.get("accessory") or {}]
        for element in elements:
            if (
                element.get("type") == "button"
                and element.get("action_id") == action_id
            ):
                return element, block.get("block_id", f"blk{number}")
    raise LookupError(f"No button {action_id!r} in {blocks!r}.")


def _action(
    scene: Scene, blocks: list[dict[str, Any]], action_id: str
) -> dict[str, Any]:
    element, block_id = find_button(blocks, action_id)
    sent = ("action_id", "text", "value", "type", "style", "confirm", "url")
    found = {name: element[name] for name in sent if name in element}
    return found | {"block_id": block_id, "action_ts": scene.world.new_ts()}


def press_in_view(scene: Scene, view: View, action_id: str) -> dict[str, Any]:
    """Return the press of a button in a modal or on the home tab."""
    return _interaction(scene, "block_actions") | {
        "api_app_id": scene.world.app.app_id,
        "container": {"type": "view", "view_id": view.view_id},
        "view": shown_view(scene, view),
        "actions": [_action(scene, view.body.get("blocks", []), action_id)],
    }


def submission(
    scene: Scene, view: View, values: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a modal that somebody submits."""
    shown = shown_view(scene, view) | {"state": {"values": values or {}}}
    return _interaction(scene, "view_submission") | {
        "api_app_id": scene.world.app.app_id,
        "view": shown,
        "response_urls": [],
    }


def shown_view(scene: Scene, view: View) -> dict[str, Any]:
    """Return a view as interactions carry it."""
    return (
        {"private_metadata": "", "callback_id": ""}
        | view.body
        | {
            "id": view.view_id,
            "team_id": scene.workspace.team_id,
            "app_id": scene.world.app.app_id,
            "app_installed_team_id": view.team_id,
            "bot_id": scene.workspace.bot_id,
            "root_view_id": view.view_id,
            "previous_view_id": None,
            "hash": view.view_id.lower(),
            "state": {"values": {}},
        }
    )


def event(scene: Scene, inner: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the envelope of an event."""
    world, workspace = scene.world, scene.workspace
    authorization = {
        "enterprise_id": workspace.enterprise_id or None,
        "team_id": None if scene.org_wide else workspace.team_id,
        "user_id": workspace.bot_user_id,
        "is_bot": True,
        "is_enterprise_install": scene.org_wide,
    }
    found: dict[str, Any] = {
        "token": world.app.verification_token,
        "team_id": workspace.team_id,
        "context_team_id": workspace.team_id,
        "context_enterprise_id": workspace.enterprise_id or None,
        "api_app_id": world.app.app_id,
        "event": inner,
        "type": "event_callback",
        "event_id": world.new_id("Ev"),
        "event_time": int(world.clock()),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
        "event_context": world.new_id("4-"),
    }
    if workspace.enterprise_id:
        found["enterprise_id"] = workspace.enterprise_id
    return found | more


def mention(scene: Scene, message: Message, *, with_files: bool) -> dict[str, Any]:
    """Return the event of a message that names the bot."""
    inner = message_json(scene.world, message)
    if not with_files:
        # Slack forgets them sometimes.
        for name in ("files", "upload", "display_as_bot"):
            inner.pop(name, None)
    return event(
        scene,
        inner
        | {
            "type": "app_mention",
            "channel": message.channel_id,
            "event_ts": message.ts,
        },
    )


def direct_message(scene: Scene, message: Message) -> dict[str, Any]:
    """Return the event of a direct message to the bot, or of the bot's own."""
    subtype = {"subtype": "file_share"} if message.file_ids else {}
    return event(
        scene,
        message_json(scene.world, message)
        | subtype
        | {
            "channel": message.channel_id,
            "event_ts": message.ts,
            "channel_type": "im",
        },
    )


def home_opened(scene: Scene, channel_id: str, tab: str) -> dict[str, Any]:
    """Return the event of an opened app home."""
    inner = {
        "type": "app_home_opened",
        "user": scene.user.user_id,
        "channel": channel_id,
        "tab": tab,
        "event_ts": scene.world.new_ts(),
    }
    return event(scene, inner)


def app_gone(scene: Scene, inner: dict[str, Any]) -> dict[str, Any]:
    """Return ``app_uninstalled`` or ``tokens_revoked``: nobody is authorised then."""
    found = event(scene, inner)
    del found["authorizations"]
    if scene.org_wide:
        del found["team_id"]
        found["context_team_id"] = None
    return found
