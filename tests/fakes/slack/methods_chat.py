"""Messages, reactions and modals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.fakes.slack.access import Caller
from tests.fakes.slack.arguments import Refusal, invalid_arguments, read_json
from tests.fakes.slack.blocks import wrong_blocks, wrong_view
from tests.fakes.slack.shapes import message_json
from tests.fakes.slack.state import Channel, Message, View

EPHEMERAL_TEXT = 4000
MAX_VIEW_BYTES = 250_000
MAX_REACTIONS = 23
#: Of files that a block shows.
SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif"})
CUSTOM = ("username", "icon_url", "icon_emoji")


def post_message(caller: Caller) -> dict[str, Any]:
    channel = _place(caller)
    message = _new_message(caller, channel, "restricted_action_read_only_channel")
    caller.world.add_message(message)
    return {
        "channel": channel.channel_id,
        "ts": message.ts,
        "message": message_json(caller.world, message),
    }


def _place(caller: Caller) -> Channel:
    wanted = caller.text("channel")
    user = caller.world.users.get(wanted)
    if user is not None and caller.grant.covers(caller.world.workspaces[user.team_id]):
        workspace = caller.world.workspaces[user.team_id]
        return caller.world.direct_message(workspace, user.user_id)
    if "chat:write.public" in caller.grant.scopes:
        return caller.known_channel(wanted)
    return caller.joined_channel(wanted)


def _new_message(caller: Caller, channel: Channel, read_only_code: str) -> Message:
    if channel.is_archived:
        raise Refusal("is_archived")
    if channel.is_read_only:
        raise Refusal(read_only_code)
    if channel.kind == "im" and not caller.world.app.messages_tab:
        raise Refusal("messages_tab_disabled")
    if any(caller.text(name) for name in CUSTOM):
        caller.needs("chat:write.customize")
    markdown = caller.text("markdown_text")
    if markdown and (caller.text("text") or caller.text("blocks")):
        raise Refusal("markdown_text_conflict")
    no_parent = Refusal("cannot_reply_to_message")
    message = Message(
        channel_id=channel.channel_id,
        text=caller.text("text") or markdown,
        thread_ts=caller.check_thread(channel, wrong=no_parent, gone=no_parent),
        blocks=read_blocks(caller),
        ts=caller.world.new_ts(),
        user_id=caller.grant.bot_user_id,
        bot_id=caller.world.workspaces[channel.team_id].bot_id,
    )
    if not message.text and not message.blocks:
        raise Refusal("no_text")
    return message


def read_blocks(caller: Caller, no_json: str = "invalid_blocks_format") -> list[Any]:
    """Return the argument ``blocks``, checked; empty where it is missing."""
    if not caller.args.get("blocks"):
        return []
    try:
        blocks = read_json(caller.args["blocks"])
    except ValueError as error:
        caller.problem("invalid_blocks", "blocks are not JSON")
        raise Refusal(no_json) from error
    deleted: list[str] = []
    wrong = wrong_blocks(blocks, knows_file=lambda one: _shows(caller, one, deleted))
    if wrong:
        # A file may go while a message that shows it is on its way.
        if len(deleted) < len(wrong):
            caller.problem("invalid_blocks", "; ".join(wrong))
        told = {"messages": [f"[ERROR] {line}" for line in wrong]}
        raise Refusal("invalid_blocks", errors=wrong, response_metadata=told)
    return list(blocks)


def _shows(caller: Caller, picture: Mapping[str, Any], deleted: list[str]) -> bool:
    # Slack takes a file for a block only once it knows what kind of file it is.
    file = caller.world.files.get(str(picture.get("id", "")))
    if file is not None and file.deleted:
        deleted.append(file.file_id)
        return False
    return file is not None and file.mimetype in SHOWN_TYPES and caller.sees(file)


def post_ephemeral(caller: Caller) -> dict[str, Any]:
    channel = caller.joined_channel(caller.text("channel"))
    message = _new_message(caller, channel, "restricted_action")
    if caller.text("user") not in channel.members:
        raise Refusal("user_not_in_channel")
    if len(message.text) > EPHEMERAL_TEXT:
        raise Refusal("msg_too_long")
    message.only_for = caller.text("user")
    caller.world.add_message(message)
    return {"message_ts": message.ts}


def update(caller: Caller) -> dict[str, Any]:
    channel = caller.known_channel(caller.text("channel"))
    message = _message(caller, channel, "ts")
    if message.user_id != caller.grant.bot_user_id:
        raise Refusal("cant_update_message")
    text, blocks = caller.text("text"), read_blocks(caller)
    if not text and not blocks:
        raise Refusal("no_text")
    message.text, message.blocks = text, blocks
    message.edits += 1
    return {
        "channel": channel.channel_id,
        "ts": message.ts,
        "text": text,
        "message": message_json(caller.world, message),
    }


def delete(caller: Caller) -> dict[str, Any]:
    channel = caller.known_channel(caller.text("channel"))
    message = _message(caller, channel, "ts")
    if message.user_id != caller.grant.bot_user_id:
        raise Refusal("cant_delete_message")
    message.deleted = True
    for file_id in message.file_ids:
        file = caller.world.files[file_id]
        file.shares = [one for one in file.shares if one.ts != message.ts]
    return {"channel": channel.channel_id, "ts": message.ts}


def _message(caller: Caller, channel: Channel, name: str) -> Message:
    message = caller.world.message(channel.channel_id, caller.text(name))
    if message is None or message.deleted:
        raise Refusal("message_not_found")
    return message


def add_reaction(caller: Caller) -> dict[str, Any]:
    message, users = _reaction(caller)
    if caller.grant.bot_user_id in users:
        raise Refusal("already_reacted")
    if len(message.reactions) >= MAX_REACTIONS and not users:
        raise Refusal("too_many_emoji")
    message.reactions.setdefault(caller.text("name"), []).append(
        caller.grant.bot_user_id
    )
    return {}


def remove_reaction(caller: Caller) -> dict[str, Any]:
    message, users = _reaction(caller)
    if caller.grant.bot_user_id not in users:
        raise Refusal("no_reaction")
    users.remove(caller.grant.bot_user_id)
    if not users:
        del message.reactions[caller.text("name")]
    return {}


def _reaction(caller: Caller) -> tuple[Message, list[str]]:
    name = caller.text("name")
    if not name.replace("_", "").replace("-", "").replace("+", "").isalnum():
        caller.problem("bad_emoji_name", "a reaction is a name without colons")
        raise Refusal("invalid_name")
    if not (caller.text("channel") and caller.text("timestamp")):
        raise Refusal("no_item_specified")
    channel = caller.known_channel(caller.text("channel"))
    if not caller.is_in(channel):
        raise Refusal("channel_not_found")
    if channel.is_archived and caller.method == "reactions.add":
        raise Refusal("is_archived")
    message = _message(caller, channel, "timestamp")
    return message, message.reactions.get(name, [])


def open_view(caller: Caller) -> dict[str, Any]:
    body = _view(caller, "modal")
    trigger = caller.world.triggers.get(
        caller.text("trigger_id") or caller.text("interactivity_pointer")
    )
    if trigger is None:
        raise Refusal("invalid_trigger_id")
    if trigger.used:
        raise Refusal("exchanged_trigger_id")
    if caller.world.clock() - trigger.made_at > caller.world.switches.patience_seconds:
        raise Refusal("expired_trigger_id")
    trigger.used = True
    view = View(caller.world.new_id("V"), trigger.user_id, trigger.team_id, body)
    caller.world.views[view.view_id] = view
    return {"view": view_json(caller, view)}


def update_view(caller: Caller) -> dict[str, Any]:
    body = _view(caller, "modal")
    view = caller.world.views.get(caller.text("view_id"))
    if view is None:
        raise Refusal("not_found")
    if caller.text("hash") not in {"", view.hash}:
        raise Refusal("hash_conflict")
    view.body = body
    view.edits += 1
    return {"view": view_json(caller, view)}


def publish_view(caller: Caller) -> dict[str, Any]:
    body = _view(caller, "home")
    user = caller.world.users.get(caller.text("user_id"))
    if user is None:
        raise invalid_arguments("user_not_found")
    if not caller.world.app.home_tab:
        raise Refusal("not_enabled")
    view = View(caller.world.new_id("V"), user.user_id, user.team_id, body)
    caller.world.views[f"home-{user.user_id}"] = view
    return {"view": view_json(caller, view)}


def _view(caller: Caller, kind: str) -> dict[str, Any]:
    try:
        body = read_json(caller.args["view"])
    except ValueError as error:
        raise invalid_arguments("invalid JSON: view") from error
    deleted: list[str] = []
    wrong = wrong_view(body, kind, lambda one: _shows(caller, one, deleted))
    if wrong:
        if len(deleted) < len(wrong):
            caller.problem("invalid_view", "; ".join(wrong))
        raise invalid_arguments(*wrong)
    if len(json.dumps(body, ensure_ascii=False).encode()) > MAX_VIEW_BYTES:
        raise Refusal("view_too_large")
    return dict(body)


def view_json(caller: Caller, view: View) -> dict[str, Any]:
    added = {
        "id": view.view_id,
        "team_id": view.team_id,
        "app_id": caller.world.app.app_id,
        "state": {"values": {}},
        "hash": view.hash,
        "root_view_id": view.view_id,
    }
    return view.body | added
