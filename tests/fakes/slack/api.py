"""The Web API's front door: reads a call, checks it, hands it to its method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.slack import methods_chat, methods_files, methods_rooms, oauth
from tests.fakes.slack.access import Caller, find_grant
from tests.fakes.slack.arguments import (
    Arguments,
    Refusal,
    invalid_arguments,
    mistakes_in,
)
from tests.fakes.slack.catalogue import METHODS, codes
from tests.fakes.slack.exchange import Reply
from tests.fakes.slack.world import World

HANDLERS: Mapping[str, Callable[[Caller], dict[str, Any]]] = {
    "auth.test": methods_rooms.auth_test,
    "chat.delete": methods_chat.delete,
    "chat.postEphemeral": methods_chat.post_ephemeral,
    "chat.postMessage": methods_chat.post_message,
    "chat.update": methods_chat.update,
    "conversations.history": methods_rooms.conversations_history,
    "conversations.join": methods_rooms.conversations_join,
    "conversations.open": methods_rooms.conversations_open,
    "conversations.replies": methods_rooms.conversations_replies,
    "files.completeUploadExternal": methods_files.complete_upload,
    "files.delete": methods_files.delete,
    "files.getUploadURLExternal": methods_files.get_upload_url,
    "files.info": methods_files.info,
    "files.list": methods_files.list_files,
    "oauth.v2.access": oauth.access,
    "reactions.add": methods_chat.add_reaction,
    "reactions.remove": methods_chat.remove_reaction,
    "users.info": methods_rooms.users_info,
    "views.open": methods_chat.open_view,
    "views.publish": methods_chat.publish_view,
    "views.update": methods_chat.update_view,
}
#: The SDK adds it to every call of a client that knows its workspace.
ORG_ARGUMENTS = frozenset({"team_id"})


def answer(world: World, method: str, arguments: Arguments) -> Reply:
    """Return what Slack says to a call; it takes effect."""
    if method not in METHODS:
        world.problem("unknown_method", method, "no such method")
        return Reply.json({"ok": False, "error": "unknown_method"})
    with world.changed:
        try:
            found = {"ok": True} | HANDLERS[method](_caller(world, method, arguments))
        except Refusal as refusal:
            found = refusal.answer
        world.changed.notify_all()
    if not found["ok"] and found["error"] not in codes(method):
        raise AssertionError(f"{method} never answers {found['error']!r}")
    return Reply.json(found)


def _caller(world: World, method: str, arguments: Arguments) -> Caller:
    if arguments.refusal is not None:
        world.problem("content_type", method, arguments.refusal.code)
        raise arguments.refusal
    if arguments.misplaced_token:
        world.problem("token_leak", method, "a token in an address, or in JSON")
    if arguments.from_json and not METHODS[method].reads_json:
        world.problem("content_type", method, "this method does not read JSON")
    grant = find_grant(world, method, arguments)
    fine = ORG_ARGUMENTS if grant is not None and grant.is_org else frozenset()
    mistakes = mistakes_in(method, arguments.values, fine)
    for kind, message in mistakes:
        world.problem(kind, method, message)
    if mistakes:
        raise invalid_arguments(*(message for _, message in mistakes))
    return Caller(world, method, arguments.values, grant, arguments.basic)
