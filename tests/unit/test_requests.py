"""What the database holds of a request is read by every later version."""

from __future__ import annotations

from dataclasses import replace

from emojifier_bot.domain import (
    EmojifyRequest,
    Entrypoint,
    ImageReference,
    Workspace,
)

REQUEST = EmojifyRequest(
    workspace=Workspace("T1"),
    entrypoint=Entrypoint.SHORTCUT,
    user_id="U1",
    channel_id="C1",
    source=ImageReference(file_id="F1"),
)
#: What version 0.1.0 did not record.
NEWER = {"channel_id": "", "in_thread": False, "again": False}
#: As it is recorded.
RECORDED = {
    "workspace": {"team_id": "T1", "enterprise_id": "", "is_org_install": False},
    "way": "shortcut",
    "user_id": "U1",
    "channel_id": "C1",
    "source": {
        "file_id": "F1",
        "sealed_address": "",
        "newest": False,
        "message_ts": "",
        "posted_by": "",
        "name": "",
        **NEWER,
    },
    "thread_ts": "",
    "begins_thread": False,
    "theme": "",
    "surprise": False,
    "private": False,
    "sealed_response_url": "",
    "reaction_ts": "",
    "replaces_post_id": "",
    "press": 0,
}
#: What later versions added.
ADDED = {
    "command": "",
    "in_group": False,
    "button_ts": "",
    "further": (),
    "words": (),
    "preview": False,
    "post_privately": False,
    "at_once": False,
    "reading": "",
    "draft_id": "",
    "digest": "",
    "channel_name": "",
}


def test_a_request_is_recorded_as_it_always_was():
    assert REQUEST.to_dict() == RECORDED | ADDED
    assert EmojifyRequest.from_dict(RECORDED) == REQUEST


def test_a_recorded_request_is_read_with_fields_of_a_newer_version():
    newer = RECORDED | {"of_tomorrow": 1}
    newer["source"] = RECORDED["source"] | {"frame": 3}

    assert EmojifyRequest.from_dict(newer) == REQUEST


def test_an_entrypoint_of_a_newer_version_counts_as_a_command():
    read = EmojifyRequest.from_dict(RECORDED | {"way": "telepathy"})

    assert read == replace(REQUEST, entrypoint=Entrypoint.COMMAND)
