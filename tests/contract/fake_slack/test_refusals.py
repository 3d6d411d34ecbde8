"""The fake Slack refuses what Slack refuses, each with Slack's own code."""

from __future__ import annotations

from collections.abc import Callable

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


#: A call that is refused.
Call = Callable[[Scene], object]


def with_field(owner: str, field: str, value: object, call) -> Call:
    """Return a call that is made after a field of the workspace or channel changed."""

    def changed(scene: Scene) -> object:
        setattr(getattr(scene.acme, owner), field, value)
        return call(scene)

    return changed


def thread(scene: Scene, call) -> object:
    """Answer to a reply."""
    parent = scene.write()["ts"]
    return call(thread_ts=scene.write(thread_ts=parent)["ts"])


def deleted_thread(scene: Scene) -> object:
    parent = scene.write()["ts"]
    scene.client.chat_delete(channel=scene.room, ts=parent)
    return scene.complete(thread_ts=parent)


def hidden_rooms(scene: Scene) -> list[str]:
    """Return channels that the bot knows nothing of."""
    acme, slack = scene.acme, scene.slack
    people = [acme.ada, acme.bob]
    others = slack.add_channel(acme.workspace, "", people, kind="im", with_bot=False)
    foreign = sample_workspace(slack, name="Other").general
    return ["C404", acme.secret.channel_id, others.channel_id, foreign.channel_id]


def twice(call) -> Call:
    def again(scene: Scene) -> object:
        repeated = call(scene)
        repeated()
        return repeated()

    return again


def reacting(scene: Scene) -> Callable[[], object]:
    what = scene.reaction()
    return lambda: scene.client.reactions_add(**what)


def deleting(scene: Scene) -> Callable[[], object]:
    ts = scene.write()["ts"]
    return lambda: scene.client.chat_delete(channel=scene.room, ts=ts)


def deleting_file(scene: Scene) -> Callable[[], object]:
    file_id = scene.shown()
    return lambda: scene.client.files_delete(file=file_id)


def completing(scene: Scene) -> Callable[[], object]:
    file_id = scene.send()
    return lambda: scene.complete(file_id)


def opening(scene: Scene) -> Callable[[], object]:
    trigger = new_trigger(scene.slack.world, scene.acme.ada.user_id)
    return lambda: scene.client.views_open(trigger_id=trigger, view=MODAL)


def late_view(scene: Scene) -> object:
    trigger = new_trigger(scene.slack.world, scene.acme.ada.user_id)
    scene.times[0] += 3.1
    return scene.client.views_open(trigger_id=trigger, view=MODAL)


def without_tab(tab: str, call) -> Call:
    def changed(scene: Scene) -> object:
        setattr(scene.slack.app, tab, False)
        return call(scene)

    return changed


#: What is refused: Slack's code, the call, and what else is noted of it.
REFUSED = {
    # Channels.
    "a post where the bot is not": (
        "not_in_channel",
        lambda s: s.write(channel=s.acme.random.channel_id),
    ),
    "a post into an archive": (
        "is_archived",
        with_field("general", "is_archived", True, Scene.write),
    ),
    "joining an archive": (
        "is_archived",
        with_field(
            "general",
            "is_archived",
            True,
            lambda s: s.client.conversations_join(channel=s.room),
        ),
    ),
    "a post where few may": (
        "read_only",
        with_field("general", "is_read_only", True, Scene.write),
    ),
    "opening to nobody": (
        "users_list_not_supplied",
        lambda s: s.client.conversations_open(users=""),
    ),
    "opening to a stranger": (
        "user_not_found",
        lambda s: s.client.conversations_open(users="U404"),
    ),
    # Messages.
    "another name": ("missing_scope", lambda s: s.write(username="Boss")),
    "deleting another's": (
        "cant_delete_message",
        lambda s: s.client.chat_delete(channel=s.room, ts=s.written_by_ada()),
    ),
    "deleting twice": ("message_not_found", twice(deleting)),
    "a message without its tab": (
        "messages_tab_disabled",
        without_tab("messages_tab", lambda s: s.write(channel=s.acme.ada.user_id)),
    ),
    "a word to a stranger": ("user_not_in_channel", lambda s: s.whisper(user="U404")),
    "a word to who is not there": (
        "user_not_in_channel",
        lambda s: s.whisper(user=s.slack.add_user(s.acme.workspace, "eve").user_id),
    ),
    "a word where the bot is not": (
        "not_in_channel",
        lambda s: s.whisper(channel=s.acme.random.channel_id),
    ),
    "a word in a hidden channel": (
        "channel_not_found",
        lambda s: s.whisper(channel=s.acme.secret.channel_id),
    ),
    "an answer to an answer": (
        "cannot_reply_to_message",
        lambda s: thread(s, s.write),
        "bad_thread",
    ),
    "an answer to nothing": (
        "cannot_reply_to_message",
        lambda s: s.write(thread_ts="1.000002"),
        "bad_thread",
    ),
    # Reactions.
    "a reaction twice": ("already_reacted", twice(reacting)),
    "no reaction to remove": (
        "no_reaction",
        lambda s: s.client.reactions_remove(**s.reaction()),
    ),
    "a reaction to nothing": (
        "message_not_found",
        lambda s: s.client.reactions_add(**s.reaction(timestamp="1.000001")),
    ),
    "a reaction of no name": (
        "invalid_name",
        lambda s: s.client.reactions_add(**s.reaction(name=":eyes:")),
        "bad_emoji_name",
    ),
    "a reaction nowhere": (
        "channel_not_found",
        lambda s: s.client.reactions_add(**s.reaction(channel="C")),
    ),
    # Views.
    "a trigger twice": ("exchanged_trigger_id", twice(opening)),
    "a trigger of nobody's": (
        "invalid_trigger_id",
        lambda s: s.client.views_open(trigger_id="1.2.3", view=MODAL),
    ),
    "a trigger too late": ("expired_trigger_id", late_view),
    "a home without its tab": (
        "not_enabled",
        without_tab(
            "home_tab",
            lambda s: s.client.views_publish(
                user_id=s.acme.ada.user_id, view={"type": "home", "blocks": []}
            ),
        ),
    ),
    # Files.
    "too long an alt text": (
        "alt_txt_too_large",
        lambda s: s.announce(alt_txt="a" * 1001),
        "alt_txt_too_large",
    ),
    "an upload of nothing": (
        "missing_argument",
        lambda s: s.announce(b""),
        "empty_upload",
    ),
    "a title too early": (
        "invalid_arguments",
        lambda s: s.announce(title="a"),
        "unknown_argument",
    ),
    **{
        f"an upload where {field} is {value}": (
            code,
            with_field(
                "workspace", field, value, lambda s: s.announce(filename="a.pdf")
            ),
        )
        for field, value, code in [
            ("uploads", "none", "file_uploads_disabled"),
            ("uploads", "images", "file_uploads_except_images_disabled"),
            ("max_upload_bytes", 1, "file_upload_size_restricted"),
            ("storage_full", True, "storage_limit_reached"),
        ]
    },
    "a share before the bytes": (
        "file_not_found",
        lambda s: s.complete(s.announce()["file_id"]),
        "upload_order",
    ),
    "a share twice": ("file_not_found", twice(completing)),
    "a share of nothing": ("file_not_found", lambda s: s.complete("F404")),
    "a share where the bot is not": (
        "not_in_channel",
        lambda s: s.complete(channel_id=s.acme.random.channel_id),
    ),
    "a share in a hidden channel": (
        "channel_not_found",
        lambda s: s.complete(channel_id=s.acme.secret.channel_id),
    ),
    **{
        f"a share where {field}": (
            "posting_to_channel_denied",
            with_field("general", field, True, Scene.complete),
        )
        for field in ("is_archived", "is_read_only")
    },
    "a share below an answer": (
        "invalid_arguments",
        lambda s: thread(s, s.complete),
        "bad_thread",
    ),
    "a share below nothing": (
        "invalid_arguments",
        lambda s: s.complete(thread_ts="1.000001"),
        "bad_thread",
    ),
    "a share below what is deleted": ("posting_to_channel_denied", deleted_thread),
    "deleting a file twice": ("file_deleted", twice(deleting_file)),
    "deleting no file": (
        "file_not_found",
        lambda s: s.client.files_delete(file="F404"),
    ),
    "a list of no kind": (
        "unknown_type",
        lambda s: s.client.files_list(types="pictures"),
    ),
    "a list of a stranger's": (
        "user_not_found",
        lambda s: s.client.files_list(user="U404"),
    ),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_refused(scene, refused):
    code, call, *noted = refused

    with pytest.raises(SlackApiError, match=code):
        call(scene)

    assert kinds(scene.slack) == noted


def test_channels_that_the_bot_may_not_know_are_not_there(scene):
    for room in hidden_rooms(scene):
        with pytest.raises(SlackApiError, match="channel_not_found"):
            scene.write(channel=room)
        with pytest.raises(SlackApiError, match="channel_not_found"):
            scene.client.conversations_join(channel=room)

    assert not scene.slack.problems
