"""Channels, people, and who am I."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack.access import Caller
from tests.fakes.slack.arguments import Refusal
from tests.fakes.slack.shapes import channel_json, message_json, user_json
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
    if caller.flag("return_im"):
        return {"channel": channel_json(caller.world, channel)}
    return {"channel": {"id": channel.channel_id}}


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
    caller.needs("im:write")
    user = caller.known_user(user_ids[0])
    if user.deleted:
        raise Refusal("user_disabled")
    workspace = caller.world.workspaces[user.team_id]
    return caller.world.direct_message(workspace, user.user_id)


def conversations_replies(caller: Caller) -> dict[str, Any]:
    channel = caller.known_channel(caller.text("channel"))
    needed = {"im": "im:history", "private": "groups:history"}
    # Which history a token may read depends on the kind of the conversation.
    caller.needs(needed.get(channel.kind, "channels:history"))
    if not caller.is_in(channel):
        raise Refusal("channel_not_found")
    top = caller.world.message(channel.channel_id, caller.text("ts"))
    if top is None or top.deleted:
        raise Refusal("thread_not_found")
    oldest, latest = caller.text("oldest") or "0", caller.text("latest") or "inf"
    inclusive = caller.flag("inclusive")
    thread = [
        one
        for one in caller.world.messages
        if one.channel_id == channel.channel_id
        and top.ts in (one.ts, one.thread_ts)
        and not (one.deleted or one.only_for)
    ]
    # The first message always comes, whatever the times are.
    within = [
        one
        for one in thread
        if one.ts == top.ts
        or float(oldest) < float(one.ts) < float(latest)
        or (inclusive and float(one.ts) in (float(oldest), float(latest)))
    ]
    start, count = int(caller.text("cursor") or 0), int(caller.text("limit") or 1000)
    shown = [message_json(caller.world, one) for one in within[start : start + count]]
    after = start + count
    found: dict[str, Any] = {"messages": shown, "has_more": after < len(within)}
    if after < len(within):
        found["response_metadata"] = {"next_cursor": str(after)}
    return found


def conversations_history(caller: Caller) -> dict[str, Any]:
    channel = caller.known_channel(caller.text("channel"))
    needed = {"im": "im:history", "private": "groups:history"}
    caller.needs(needed.get(channel.kind, "channels:history"))
    if not caller.is_in(channel):
        raise Refusal("not_in_channel")
    oldest, latest = caller.text("oldest") or "0", caller.text("latest") or "inf"
    found = [
        one
        for one in reversed(caller.world.messages)
        if one.channel_id == channel.channel_id
        and not (one.deleted or one.only_for or one.is_reply)
        and float(oldest) < float(one.ts) < float(latest)
    ]
    count = int(caller.text("limit") or 100)
    shown = [message_json(caller.world, one) for one in found[:count]]
    return {
        "messages": shown,
        "has_more": len(found) > count,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
    }


def users_info(caller: Caller) -> dict[str, Any]:
    return {"user": user_json(caller.known_user(caller.text("user")))}
