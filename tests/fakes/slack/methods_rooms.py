"""Channels, people, workspaces, emoji, and who am I."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack.access import READ_SCOPES, Caller
from tests.fakes.slack.arguments import Refusal
from tests.fakes.slack.shapes import channel_json, user_json
from tests.fakes.slack.state import Channel

MAX_DIRECT_USERS = 8


def auth_test(caller: Caller) -> dict[str, Any]:
    workspace, grant = caller.workspace, caller.grant
    found = {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.name,
        "user": caller.world.users[grant.bot_user_id].name,
        "team_id": grant.enterprise_id if grant.is_org else workspace.team_id,
        "user_id": grant.bot_user_id,
        "bot_id": workspace.bot_id,
        "is_enterprise_install": grant.is_org,
    }
    if workspace.enterprise_id:
        found["enterprise_id"] = workspace.enterprise_id
    if grant.expires_at is not None:
        found["expires_in"] = int(grant.expires_at - caller.world.clock())
    return found


def conversations_info(caller: Caller) -> dict[str, Any]:
    channel = caller.known_channel(caller.text("channel"))
    caller.needs(READ_SCOPES[channel.kind])
    found = channel_json(caller.world, channel)
    if channel.kind != "im":
        found["is_read_only"] = channel.is_read_only
    if caller.flag("include_num_members"):
        found["num_members"] = len(channel.members)
    return {"channel": found}


def conversations_join(caller: Caller) -> dict[str, Any]:
    channel = caller.known_channel(caller.text("channel"))
    if channel.kind != "public":
        raise Refusal("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise Refusal("is_archived")
    was_in = caller.is_in(channel)
    channel.members.add(caller.grant.bot_user_id)
    found: dict[str, Any] = {"channel": channel_json(caller.world, channel)}
    if was_in:
        warning = "already_in_channel"
        found |= {"warning": warning, "response_metadata": {"warnings": [warning]}}
    return found


def conversations_open(caller: Caller) -> dict[str, Any]:
    channel = _opened(caller)
    whole = channel_json(caller.world, channel)
    full = caller.flag("return_im")
    return {"channel": whole if full else {"id": channel.channel_id}}


def _opened(caller: Caller) -> Channel:
    if channel_id := caller.text("channel"):
        channel = caller.known_channel(channel_id)
        if channel.kind != "im":
            raise Refusal("method_not_supported_for_channel_type")
        return channel
    user_ids = [one.strip() for one in caller.text("users").split(",") if one.strip()]
    if not user_ids:
        raise Refusal("users_list_not_supplied")
    if len(user_ids) > MAX_DIRECT_USERS:
        raise Refusal("too_many_users")
    if len(user_ids) > 1:
        raise Refusal("method_not_supported_for_channel_type")
    return _direct_message(caller, user_ids[0])


def _direct_message(caller: Caller, user_id: str) -> Channel:
    caller.needs("im:write")
    user = caller.world.users.get(user_id)
    if user is None or not caller.grant.covers(caller.world.workspaces[user.team_id]):
        raise Refusal("user_not_found")
    if user.deleted:
        raise Refusal("user_disabled")
    return caller.world.direct_message(
        caller.world.workspaces[user.team_id], user.user_id
    )


def users_info(caller: Caller) -> dict[str, Any]:
    user = caller.world.users.get(caller.text("user"))
    if user is None or not caller.grant.covers(caller.world.workspaces[user.team_id]):
        raise Refusal("user_not_found")
    return {"user": user_json(user)}


def team_info(caller: Caller) -> dict[str, Any]:
    wanted = caller.text("team")
    workspace = caller.world.workspaces.get(wanted) if wanted else caller.workspace
    if workspace is None or not caller.grant.covers(workspace):
        raise Refusal("team_not_found")
    found = {
        "id": workspace.team_id,
        "name": workspace.name,
        "domain": workspace.domain,
        "url": f"https://{workspace.domain}.slack.com/",
        "icon": {"image_default": True},
    }
    if workspace.enterprise_id:
        found["enterprise_id"] = workspace.enterprise_id
        found["enterprise_name"] = workspace.enterprise_name
    return {"team": found}


def emoji_list(caller: Caller) -> dict[str, Any]:
    return {"emoji": dict(caller.workspace.emoji), "cache_ts": caller.world.new_ts()}
