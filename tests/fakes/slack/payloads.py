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

    def response_url(self, channel_id: str, message_ts: str = "") -> str:
        return new_response_url(self.world, channel_id, self.user.user_id, message_ts)

    @property
    def enterprise(self) -> dict[str, str]:
        """Return the fields that name the organisation; none without one."""
        if not self.workspace.enterprise_id:
            return {}
        return {
            "enterprise_id": self.workspace.enterprise_id,
            "enterprise_name": self.workspace.enterprise_name,
        }


def command(scene: Scene, channel_id: str, name: str, text: str) -> dict[str, str]:
    channel, workspace = scene.world.channels[channel_id], scene.workspace
    return scene.enterprise | {
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
        "trigger_id": new_trigger(scene.world, scene.user.user_id),
    }


def _interaction(scene: Scene, kind: str) -> dict[str, Any]:
    workspace, name = scene.workspace, scene.user.name
    grid = {"id": workspace.enterprise_id, "name": workspace.enterprise_name}
    team = {"id": workspace.team_id, "domain": workspace.domain}
    return {
        "type": kind,
        "token": scene.world.app.verification_token,
        # To an organisation's app Slack may name the workspace with the user alone.
        "team": None if scene.org_wide else team | scene.enterprise,
        "enterprise": grid if workspace.enterprise_id else None,
        "is_enterprise_install": scene.org_wide,
        "user": {
            "id": scene.user.user_id,
            "username": name,
            "name": name,
            "team_id": workspace.team_id,
        },
        "trigger_id": new_trigger(scene.world, scene.user.user_id),
    }


def _channel_name(channel: Channel) -> dict[str, str]:
    name = CHANNEL_NAMES.get(channel.kind, channel.name)
    return {"id": channel.channel_id, "name": name}


def shortcut(scene: Scene, message: Message, callback_id: str) -> dict[str, Any]:
    channel = scene.world.channels[message.channel_id]
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


def press(
    scene: Scene, message: Message, action_id: str, value: str = ""
) -> dict[str, Any]:
    """Return the press of a button in a message, or the choice of a menu's option.

    Args:
        scene: Who presses.
        message: Where.
        action_id: Of the button or the menu.
        value: Of the option, or of one of several buttons; empty for the only one.

    Raises:
        LookupError: The message has no such button or option.
    """
    channel = scene.world.channels[message.channel_id]
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
        "actions": [_action(scene, message.blocks, action_id, value)],
    }
    shown = {} if message.only_for else {"message": message_json(scene.world, message)}
    return found | shown


def press_in_view(
    scene: Scene, view: View, action_id: str, value: str = ""
) -> dict[str, Any]:
    """Return the press of a button, or the choice of an option, in a view.

    Raises:
        LookupError: The view has no such button or option.
    """
    return _interaction(scene, "block_actions") | {
        "api_app_id": scene.world.app.app_id,
        "container": {"type": "view", "view_id": view.view_id},
        "view": _shown_view(scene, view),
        "actions": [_action(scene, view.body["blocks"], action_id, value)],
    }


def _action(
    scene: Scene, blocks: list[dict[str, Any]], action_id: str, value: str
) -> dict[str, Any]:
    element, block_id = find_element(blocks, action_id, value)
    sent = {"action_id", "text", "value", "type", "style", "confirm", "url"}
    sent |= {"placeholder", "initial_option"}
    action = {name: element[name] for name in element if name in sent}
    if element["type"] != "button":
        action["selected_option"] = next(
            one for one in _options_of(element) if one["value"] == value
        )
    return action | {"block_id": block_id, "action_ts": scene.world.new_ts()}


def find_element(
    blocks: list[dict[str, Any]], action_id: str, value: str = ""
) -> tuple[dict[str, Any], str]:
    """Return a button, or the menu that has an option, and its block's id.

    Raises:
        LookupError: There is none.
    """
    for number, block in enumerate(blocks):
        for element in [*block.get("elements", []), block.get("accessory") or {}]:
            if element.get("action_id") != action_id:
                continue
            values = [one["value"] for one in _options_of(element)]
            if element["type"] == "button":
                values = [element.get("value"), ""]
            if value in values:
                return element, block.get("block_id", f"blk{number}")
    raise LookupError(f"No {action_id!r} with {value!r} in {blocks!r}.")


def _options_of(element: dict[str, Any]) -> list[dict[str, Any]]:
    groups = element.get("option_groups") or []
    options = [*element.get("options", [])]
    return options + [one for group in groups for one in group["options"]]


def submission(
    scene: Scene, view: View, values: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer of a modal; ``values`` are its inputs', by block and action."""
    shown = _shown_view(scene, view) | {"state": {"values": values or {}}}
    return _interaction(scene, "view_submission") | {
        "api_app_id": scene.world.app.app_id,
        "view": shown,
        "response_urls": [],
    }


def chosen(view: View, action_id: str, value: str) -> dict[str, Any]:
    """Return what the state of a modal is once an option of a menu is chosen.

    Raises:
        LookupError: It has no such option.
    """
    inputs = [
        {"elements": [one["element"]], "block_id": one["block_id"]}
        for one in view.body["blocks"]
        if one["type"] == "input"
    ]
    element, block_id = find_element(inputs, action_id, value)
    option = next(one for one in _options_of(element) if one["value"] == value)
    state = {"type": element["type"], "selected_option": option}
    return {block_id: {action_id: state}}


def _shown_view(scene: Scene, view: View) -> dict[str, Any]:
    shown = {"private_metadata": "", "callback_id": ""} | view.body
    shown |= {
        "id": view.view_id,
        "team_id": scene.workspace.team_id,
        "app_id": scene.world.app.app_id,
        "app_installed_team_id": (
            scene.workspace.enterprise_id if scene.org_wide else view.team_id
        ),
        "bot_id": scene.workspace.bot_id,
        "root_view_id": view.view_id,
        "previous_view_id": None,
        "hash": view.hash,
        "state": {"values": {}},
    }
    return shown


def event(scene: Scene, inner: dict[str, Any]) -> dict[str, Any]:
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
    return found


def mention(scene: Scene, message: Message, *, with_files: bool) -> dict[str, Any]:
    """Return the event of a message that names the bot."""
    inner = _written(scene, message) | {"type": "app_mention"}
    if not with_files:
        # Slack forgets them sometimes.
        for name in ("files", "upload", "display_as_bot"):
            inner.pop(name, None)
    return event(scene, inner)


def direct_message(scene: Scene, message: Message) -> dict[str, Any]:
    """Return the event of a direct message to the bot, or of the bot's own."""
    written = _written(scene, message)
    subtype = {"subtype": "file_share"} if message.file_ids else {}
    return event(scene, subtype | written | {"channel_type": "im"})


def edited_message(scene: Scene, message: Message, before: str) -> dict[str, Any]:
    """Return the event of a direct message whose text was another one before."""
    new = message_json(scene.world, message)
    old = {name: value for name, value in new.items() if name != "edited"}
    ts = scene.world.new_ts()
    inner = {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": message.channel_id,
        "channel_type": "im",
        "ts": ts,
        "event_ts": ts,
        "message": new,
        "previous_message": old | {"text": before},
    }
    return event(scene, inner)


def _written(scene: Scene, message: Message) -> dict[str, Any]:
    where = {"channel": message.channel_id, "event_ts": message.ts}
    return message_json(scene.world, message) | where


def reaction(scene: Scene, message: Message, name: str) -> dict[str, Any]:
    """Return the event of a reaction to a message."""
    item = {"type": "message", "channel": message.channel_id, "ts": message.ts}
    inner = {
        "type": "reaction_added",
        "user": scene.user.user_id,
        "reaction": name,
        "item_user": message.user_id,
        "item": item,
        "event_ts": scene.world.new_ts(),
    }
    return event(scene, inner)


def may_hear(scene: Scene, message: Message, scope: str) -> bool:
    """Tell whether the app hears of what happens to a message: with a scope, inside."""
    channel = scene.world.channels[message.channel_id]
    return any(
        grant.covers(scene.workspace)
        and not grant.dead
        and scope in grant.scopes
        and grant.bot_user_id in channel.members
        for grant in scene.world.grants.values()
    )


def home_opened(scene: Scene, tab: str = "home") -> dict[str, Any]:
    """Return the event of somebody who looks at the app's own place."""
    own = scene.world.direct_message(scene.workspace, scene.user.user_id)
    inner = {
        "type": "app_home_opened",
        "user": scene.user.user_id,
        "channel": own.channel_id,
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
