"""Response URLs: five answers in thirty minutes, messages only."""

from __future__ import annotations

import json
import secrets
from typing import Any

from tests.fakes.slack.blocks import wrong_blocks
from tests.fakes.slack.exchange import Reply, Request
from tests.fakes.slack.state import Message, ResponseUrl
from tests.fakes.slack.world import World

MAX_USES = 5
LIFETIME_SECONDS = 30 * 60.0
KEYS = frozenset(
    {
        "text",
        "blocks",
        "attachments",
        "response_type",
        "replace_original",
        "delete_original",
        "thread_ts",
        "mrkdwn",
        "unfurl_links",
        "unfurl_media",
        "metadata",
        "link_names",
        "parse",
    }
)
RESPONSE_TYPES = frozenset({"ephemeral", "in_channel"})


def new_response_url(
    world: World, channel_id: str, user_id: str, message_ts: str = ""
) -> str:
    """Give out an address that answers one interaction."""
    with world.lock:
        secret = secrets.token_urlsafe(18)
        team_id = world.channels[channel_id].team_id
        world.response_urls[secret] = ResponseUrl(
            channel_id, user_id, team_id, world.clock(), message_ts
        )
        return f"{world.url}/response/{secret}"


def respond(world: World, request: Request, secret: str) -> Reply:
    with world.changed:
        found = world.response_urls.get(secret)
        if found is None:
            world.problem("response_url", "response", "never given out")
            return _no("expired_url", 404)
        if world.clock() - found.made_at > LIFETIME_SECONDS:
            return _no("expired_url", 404)
        if found.uses >= MAX_USES:
            world.problem("response_url", "response", "used more than five times")
            return _no("used_url", 404)
        return _take(world, request, found)


def _no(error: str, status: int = 400) -> Reply:
    return Reply.json({"ok": False, "error": error}, status)


def _take(world: World, request: Request, url: ResponseUrl) -> Reply:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        world.problem("response_url", "response", "the body is no JSON object")
        return _no("invalid_payload")
    if wrong := _wrong(body):
        world.problem("response_url", "response", "; ".join(wrong))
        return _no("invalid_blocks" if body.get("blocks") else "invalid_payload")
    if not (body.get("text") or body.get("blocks") or body.get("delete_original")):
        world.problem("response_url", "response", "nothing in it")
        return _no("no_text")
    url.uses += 1
    show_response(world, url, body)
    return Reply.json({"ok": True})


def _wrong(body: dict[str, Any]) -> list[str]:
    wrong = [f"unknown field: {name}" for name in body if name not in KEYS]
    if body.get("response_type", "ephemeral") not in RESPONSE_TYPES:
        wrong.append("unknown response_type")
    # Pictures in Slack cannot be shown here: nothing is known of files.
    return wrong + (wrong_blocks(body["blocks"]) if body.get("blocks") else [])


def show_response(world: World, url: ResponseUrl, body: dict[str, Any]) -> None:
    """Show an answer: to the asker alone, to the channel, or in a message's place."""
    text, blocks = str(body.get("text", "")), list(body.get("blocks") or [])
    original = world.message(url.channel_id, url.message_ts)
    if original and body.get("delete_original"):
        original.deleted = True
    elif original and body.get("replace_original"):
        original.text, original.blocks = text, blocks
        original.edits += 1
    elif text or blocks:
        everybody = body.get("response_type") == "in_channel"
        workspace = world.workspaces[url.team_id]
        message = Message(
            channel_id=url.channel_id,
            ts=world.new_ts(),
            user_id=workspace.bot_user_id,
            bot_id=workspace.bot_id,
            text=text,
            blocks=blocks,
            thread_ts=str(body.get("thread_ts", "")),
            only_for="" if everybody else url.user_id,
        )
        world.add_message(message)
