"""The fake Slack refuses what Slack refuses, each with Slack's own code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.contract.fake_slack.scene import Scene, kinds
from tests.fakes.slack import sample_workspace
from tests.fakes.slack.posting import new_trigger

MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Delete?"},
    "blocks": [],
}
POST, WHISPER, DELETE = "chat.postMessage", "chat.postEphemeral", "chat.delete"
REACT, UNREACT = "reactions.add", "reactions.remove"
OPEN, PUBLISH = "views.open", "views.publish"
ANNOUNCE, SHARE = "files.getUploadURLExternal", "files.completeUploadExternal"
ERASE, LIST = "files.delete", "files.list"
JOIN, DIRECT = "conversations.join", "conversations.open"
#: Arguments that are right; what stands in braces is one of `PLACES`.
USUAL: dict[str, dict[str, Any]] = {
    POST: {"channel": "{room}", "text": "a"},
    WHISPER: {"channel": "{room}", "user": "{ada}", "text": "psst"},
    DELETE: {"channel": "{room}", "ts": "{mine}"},
    REACT: {"channel": "{room}", "name": "eyes", "timestamp": "{mine}"},
    UNREACT: {"channel": "{room}", "name": "eyes", "timestamp": "{mine}"},
    OPEN: {"trigger_id": "{trigger}", "view": MODAL},
    PUBLISH: {"user_id": "{ada}", "view": {"type": "home", "blocks": []}},
    ANNOUNCE: {"filename": "a.pdf", "length": 9},
    SHARE: {"files": "{sent}", "channel_id": "{room}"},
    ERASE: {"file": "{shown}"},
    JOIN: {"channel": "{room}"},
}


def deleted(scene: Scene) -> str:
    ts = scene.write()["ts"]
    scene.client.chat_delete(channel=scene.room, ts=ts)
    return ts


def old_trigger(scene: Scene) -> str:
    trigger = new_trigger(scene.slack.world, scene.acme.ada.user_id)
    scene.times[0] += 3.1
    return trigger


PLACES = {
    "room": lambda s: s.room,
    "random": lambda s: s.acme.random.channel_id,
    "secret": lambda s: s.acme.secret.channel_id,
    "ada": lambda s: s.acme.ada.user_id,
    "eve": lambda s: s.slack.add_user(s.acme.workspace, "eve").user_id,
    "mine": lambda s: s.write()["ts"],
    "adas": Scene.written_by_ada,
    "reply": lambda s: s.write(thread_ts=s.write()["ts"])["ts"],
    "deleted": deleted,
    "trigger": lambda s: new_trigger(s.slack.world, s.acme.ada.user_id),
    "old trigger": old_trigger,
    "empty": lambda s: [{"id": s.announce()["file_id"]}],
    "sent": lambda s: [{"id": s.send()}],
    "shown": Scene.shown,
}


#: What is refused: Slack's code, the method, what is not as usual in its arguments and,
#: for some, what else is noted of it.
REFUSED = [
    ("not_in_channel", POST, {"channel": "{random}"}),
    ("missing_scope", POST, {"username": "Boss"}),
    ("cannot_reply_to_message", POST, {"thread_ts": "{reply}"}, "bad_thread"),
    ("cannot_reply_to_message", POST, {"thread_ts": "1.000002"}, "bad_thread"),
    ("user_not_in_channel", WHISPER, {"user": "U404"}),
    ("user_not_in_channel", WHISPER, {"user": "{eve}"}),
    ("not_in_channel", WHISPER, {"channel": "{random}"}),
    ("channel_not_found", WHISPER, {"channel": "{secret}"}),
    ("cant_delete_message", DELETE, {"ts": "{adas}"}),
    ("users_list_not_supplied", DIRECT, {"users": ""}),
    ("user_not_found", DIRECT, {"users": "U404"}),
    ("no_reaction", UNREACT, {}),
    ("message_not_found", REACT, {"timestamp": "1.000001"}),
    ("invalid_name", REACT, {"name": ":eyes:"}, "bad_emoji_name"),
    ("channel_not_found", REACT, {"channel": "C"}),
    ("invalid_trigger_id", OPEN, {"trigger_id": "1.2.3"}),
    ("expired_trigger_id", OPEN, {"trigger_id": "{old trigger}"}),
    ("alt_txt_too_large", ANNOUNCE, {"alt_txt": "a" * 1001}, "alt_txt_too_large"),
    ("missing_argument", ANNOUNCE, {"length": 0}, "empty_upload"),
    ("invalid_arguments", ANNOUNCE, {"title": "a"}, "unknown_argument"),
    ("file_not_found", SHARE, {"files": "{empty}"}, "upload_order"),
    ("file_not_found", SHARE, {"files": [{"id": "F404"}]}),
    ("not_in_channel", SHARE, {"channel_id": "{random}"}),
    ("channel_not_found", SHARE, {"channel_id": "{secret}"}),
    ("invalid_arguments", SHARE, {"thread_ts": "{reply}"}, "bad_thread"),
    ("invalid_arguments", SHARE, {"thread_ts": "1.000001"}, "bad_thread"),
    ("posting_to_channel_denied", SHARE, {"thread_ts": "{deleted}"}),
    ("file_not_found", ERASE, {"file": "F404"}),
    ("unknown_type", LIST, {"types": "pictures"}),
    ("user_not_found", LIST, {"user": "U404"}),
]
#: What is done once and refused the second time.
SPENT = [
    ("message_not_found", DELETE),
    ("already_reacted", REACT),
    ("exchanged_trigger_id", OPEN),
    ("file_not_found", SHARE),
    ("file_deleted", ERASE),
]
#: What is refused since the app, the workspace or the channel changed.
CHANGED = [
    ("is_archived", POST, {"channel": "{room}"}, "general.is_archived", True),
    ("is_archived", JOIN, {}, "general.is_archived", True),
    ("read_only", POST, {"channel": "{room}"}, "general.is_read_only", True),
    ("messages_tab_disabled", POST, {"channel": "{ada}"}, "app.messages_tab", False),
    ("not_enabled", PUBLISH, {}, "app.home_tab", False),
    ("file_uploads_disabled", ANNOUNCE, {}, "workspace.uploads", "none"),
    ("uploads_except_images", ANNOUNCE, {}, "workspace.uploads", "images"),
    ("upload_size_restricted", ANNOUNCE, {}, "workspace.max_upload_bytes", 1),
    ("storage_limit_reached", ANNOUNCE, {}, "workspace.storage_full", True),
    ("posting_to_channel_denied", SHARE, {}, "general.is_archived", True),
    ("posting_to_channel_denied", SHARE, {}, "general.is_read_only", True),
]


def is_place(value: object) -> bool:
    return isinstance(value, str) and value.startswith("{")


def call_for(scene: Scene, method: str, changes: dict[str, Any]):
    """Return a call whose arguments in braces stand for what there is now."""
    arguments = {
        name: PLACES[value[1:-1]](scene) if is_place(value) else value
        for name, value in (USUAL.get(method, {}) | changes).items()
    }
    sent = {
        name: value if isinstance(value, str | int) else json.dumps(value)
        for name, value in arguments.items()
    }
    return lambda: scene.client.api_call(method, params=sent)


@pytest.mark.parametrize("refused", REFUSED, ids=str)
def test_refused(scene, refused):
    code, method, changes, *noted = refused
    call = call_for(scene, method, changes)

    with pytest.raises(SlackApiError, match=code):
        call()

    assert kinds(scene.slack) == noted


@pytest.mark.parametrize(("code", "method"), SPENT, ids=str)
def test_refused_the_second_time(scene, code, method):
    call = call_for(scene, method, {})
    call()

    with pytest.raises(SlackApiError, match=code):
        call()

    assert not scene.slack.problems


@pytest.mark.parametrize("changed", CHANGED, ids=str)
def test_refused_since_something_changed(scene, changed):
    code, method, changes, field, value = changed
    call = call_for(scene, method, changes)
    owner, _, name = field.partition(".")
    setattr(
        scene.slack.app if owner == "app" else getattr(scene.acme, owner), name, value
    )

    with pytest.raises(SlackApiError, match=code):
        call()

    assert not scene.slack.problems


@pytest.mark.parametrize("room", ["unknown", "private", "direct", "foreign"])
def test_channels_that_the_bot_may_not_know_are_not_there(scene, room):
    acme, slack = scene.acme, scene.slack
    people = [acme.ada, acme.bob]
    rooms = {
        "unknown": lambda: "C404",
        "private": lambda: acme.secret.channel_id,
        "direct": lambda: (
            slack.add_channel(
                acme.workspace, "", people, kind="im", with_bot=False
            ).channel_id
        ),
        "foreign": lambda: sample_workspace(slack, name="Other").general.channel_id,
    }
    channel = rooms[room]()

    with pytest.raises(SlackApiError, match="channel_not_found"):
        scene.write(channel=channel)
    with pytest.raises(SlackApiError, match="channel_not_found"):
        scene.client.conversations_join(channel=channel)

    assert not slack.problems
