"""What people do in Slack without any app: they write, and they post pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes.slack.methods_files import show_files
from tests.fakes.slack.shapes import forwarded_json
from tests.fakes.slack.state import Message, SlackFile, Trigger
from tests.fakes.slack.world import World


def write(
    world: World, user_id: str, channel_id: str, text: str, thread_ts: str = ""
) -> Message:
    ts = world.new_ts()
    message = Message(channel_id, ts, user_id, text=text, thread_ts=thread_ts)
    return world.add_message(message)


def post_files(
    world: World,
    user_id: str,
    channel_id: str,
    files: Iterable[tuple[str, bytes]],
    *,
    text: str = "",
    thread_ts: str = "",
    more: Mapping[str, Any] | None = None,
) -> Message:
    """Post files, by name and bytes, in one message.

    ``more`` are fields of `SlackFile` that differ: ``{"stub": "messages"}``.
    """
    with world.lock:
        user = world.users[user_id]
        posted = [
            SlackFile(
                file_id=world.new_id("F"),
                team_id=world.channels[channel_id].team_id,
                user_id=user_id,
                name=name,
                data=data,
                length=len(data),
                created=int(world.clock()),
                completed=True,
                **(more or {}),
            )
            for name, data in files
        ]
        world.files |= {file.file_id: file for file in posted}
        ts = world.new_ts()
        message = Message(channel_id, ts, user_id, text=text, thread_ts=thread_ts)
        if user.is_bot:
            home = world.workspaces[user.team_id]
            message.bot_id = (
                home.bot_id if user_id == home.bot_user_id else f"B{user_id}"
            )
        return show_files(world, message, posted)


def share_file(
    world: World, user_id: str, channel_id: str, file_id: str, text: str = ""
) -> Message:
    """Show a file that is there already, perhaps somebody else's, in a new message."""
    with world.lock:
        message = Message(channel_id, world.new_ts(), user_id, text=text)
        return show_files(world, message, [world.files[file_id]])


def forward(
    world: World, user_id: str, channel_id: str, original: Message, text: str = ""
) -> Message:
    """Forward a message into another channel: its files stay where they are."""
    with world.lock:
        message = Message(channel_id, world.new_ts(), user_id, text=text)
        message.attachments = [forwarded_json(world, original)]
        return world.add_message(message)


def edit(world: World, message: Message, text: str) -> Message:
    """Change the text of a message, as its writer does."""
    with world.changed:
        message.text, message.edited_ts = text, world.new_ts()
        message.edits += 1
        world.changed.notify_all()
        return message


def new_trigger(world: World, user_id: str) -> str:
    """Give out what lets an app open a modal for somebody, once."""
    with world.lock:
        numbers = f"{world.new_id('')}.{world.new_id('')}"
        trigger_id = f"{numbers}.{world.new_token('t')}"
        team_id = world.users[user_id].team_id
        world.triggers[trigger_id] = Trigger(user_id, team_id, world.clock())
        return trigger_id
