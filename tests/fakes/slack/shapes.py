"""Objects as Slack writes them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from tests.fakes.slack.state import Channel, Message, SlackFile, User
from tests.fakes.slack.world import World

THUMBNAIL_SIZES_PX = (64, 80, 160, 360)
#: The list of a file that has each kind of conversation.
_LISTS = {"public": "channels", "private": "groups", "im": "ims", "mpim": "groups"}
#: What a message shows of a file from another organisation.
STUB = {"mode": "file_access", "file_access": "check_file_info"}


def channel_json(world: World, channel: Channel) -> dict[str, Any]:
    bot = world.workspaces[channel.team_id].bot_user_id
    found = {
        "id": channel.channel_id,
        "is_archived": channel.is_archived,
        "is_org_shared": False,
        "created": channel.created,
        "context_team_id": channel.team_id,
    }
    if channel.kind == "im":
        others = channel.members - {bot}
        return found | {"is_im": True, "user": min(others, default=bot)}
    return found | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": True,
        "is_group": False,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.kind == "private",
        "is_general": False,
        "is_shared": False,
        "is_ext_shared": False,
        "is_member": bot in channel.members,
        "creator": min(channel.members, default=bot),
    }


def user_json(user: User) -> dict[str, Any]:
    real_name = user.name.title()
    return {
        "id": user.user_id,
        "team_id": user.team_id,
        "name": user.name,
        "real_name": real_name,
        "deleted": user.deleted,
        "is_bot": user.is_bot,
        "is_admin": user.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": False,
        "profile": {
            "real_name": real_name,
            "display_name": user.name,
            "team": user.team_id,
        },
    }


def message_json(world: World, message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "message",
        "user": message.user_id,
        "text": message.text,
        "ts": message.ts,
        "team": world.channels[message.channel_id].team_id,
    }
    if message.bot_id:
        found |= {"bot_id": message.bot_id, "app_id": world.app.app_id}
    if message.thread_ts:
        found["thread_ts"] = message.thread_ts
    if message.blocks:
        found["blocks"] = message.blocks
    if message.attachments:
        found["attachments"] = message.attachments
    if message.subtype:
        found["subtype"] = message.subtype
    if message.edited_ts:
        found["edited"] = {"user": message.user_id, "ts": message.edited_ts}
    if message.file_ids:
        files = [world.files[file_id] for file_id in message.file_ids]
        found["files"] = [message_file_json(world, file) for file in files]
        found |= {"upload": True, "display_as_bot": False}
    if message.reactions:
        found["reactions"] = [
            {"name": name, "users": users, "count": len(users)}
            for name, users in message.reactions.items()
        ]
    return found


def message_file_json(world: World, file: SlackFile) -> dict[str, Any]:
    """Return a file as messages and events show it: perhaps a stub, or its tomb."""
    if file.deleted:
        return {"id": file.file_id, "mode": "tombstone"}
    if file.mode == "hidden_by_limit":
        return {"id": file.file_id, "mode": file.mode}
    if file.stub:
        return {"id": file.file_id, "created": 0, "timestamp": 0, "user": ""} | STUB
    return file_json(world, file)


def file_json(world: World, file: SlackFile) -> dict[str, Any]:
    found = {
        "id": file.file_id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": _filetype(file),
        "pretty_type": _filetype(file).upper(),
        "user": file.user_id,
        "user_team": file.team_id,
        "editable": False,
        "size": len(file.data or b"") or file.length,
        "mode": file.mode,
        "is_external": file.mode == "external",
        "external_type": "app" if file.mode == "external" else "",
        "is_public": any(
            world.channels[share.channel_id].kind == "public" for share in file.shares
        ),
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": private_url(world, file),
        "url_private_download": private_url(world, file, "download/"),
        "permalink": file_permalink(world, file),
        "comments_count": 0,
        "file_access": "visible",
        "has_rich_preview": False,
        "media_display_type": "unknown",
    }
    if file.mode == "external":
        found["external_url"] = file.address
    if file.alt_txt:
        found["alt_txt"] = file.alt_txt
    return found | _picture_json(world, file) | shares_json(world, file)


def forwarded_json(world: World, message: Message) -> dict[str, Any]:
    """Return a message as the one that forwards it holds it."""
    author, channel = world.users[message.user_id], world.channels[message.channel_id]
    found: dict[str, Any] = {
        "ts": message.ts,
        "author_id": author.user_id,
        "author_name": author.name,
        "channel_id": channel.channel_id,
        "channel_name": channel.name,
        "channel_team": channel.team_id,
        "is_msg_unfurl": True,
        "is_share": True,
        "from_url": message_permalink(world, message),
        "fallback": f"{author.name}: {message.text}",
        "text": message.text,
        "message_blocks": [
            {
                "team": channel.team_id,
                "channel": channel.channel_id,
                "ts": message.ts,
                "message": {"blocks": message.blocks},
            }
        ],
    }
    if message.file_ids:
        files = [world.files[file_id] for file_id in message.file_ids]
        found["files"] = [message_file_json(world, file) for file in files]
    if message.attachments:
        found["attachments"] = message.attachments
    return found


def message_permalink(world: World, message: Message) -> str:
    home = world.workspaces[world.channels[message.channel_id].team_id]
    number = message.ts.replace(".", "")
    link = f"https://{home.domain}.slack.com/archives/{message.channel_id}/p{number}"
    if not message.is_reply:
        return link
    return f"{link}?thread_ts={message.thread_ts}&cid={message.channel_id}"


def file_permalink(world: World, file: SlackFile) -> str:
    domain = world.workspaces[file.team_id].domain
    path = f"{file.user_id}/{file.file_id}/{file.name.replace(' ', '_').lower()}"
    return f"https://{domain}.slack.com/files/{path}"


def private_url(world: World, file: SlackFile, way: str = "") -> str:
    if file.mode == "external":
        return file.address
    key = f"{file.team_id}-{file.file_id}"
    return f"{world.url}/files-pri/{key}/{way}{file.name.replace(' ', '_').lower()}"


def _filetype(file: SlackFile) -> str:
    if not file.processed:
        return ""
    suffix = PurePosixPath(file.name).suffix.lstrip(".").lower()
    return {"jpeg": "jpg"}.get(suffix, suffix) or "binary"


def _picture_json(world: World, file: SlackFile) -> dict[str, Any]:
    if file.size_wh is None:
        return {}
    width, height = file.size_wh
    key = f"{world.url}/files-tmb/{file.team_id}-{file.file_id}"
    thumbs = {f"thumb_{size}": f"{key}/{size}.png" for size in THUMBNAIL_SIZES_PX}
    return thumbs | {"original_w": width, "original_h": height}


def shares_json(world: World, file: SlackFile) -> dict[str, Any]:
    """Return where a file is shown, in the four ways in which Slack tells it."""
    shares: dict[str, dict[str, list[dict[str, Any]]]] = {}
    lists: dict[str, list[str]] = {"channels": [], "groups": [], "ims": []}
    for share in file.shares:
        channel = world.channels[share.channel_id]
        public = channel.kind == "public"
        rooms = shares.setdefault("public" if public else "private", {})
        shown = {
            "ts": share.ts,
            "channel_name": channel.name,
            "team_id": channel.team_id,
            "share_user_id": share.user_id,
            "reply_users": [],
            "reply_users_count": 0,
            "reply_count": 0,
            "source": "UNKNOWN",
        }
        shown |= {"thread_ts": share.thread_ts} if share.thread_ts else {}
        rooms.setdefault(channel.channel_id, []).append(shown)
        name = _LISTS[channel.kind]
        if channel.channel_id not in lists[name]:
            lists[name].append(channel.channel_id)
    return {"shares": shares} | lists
