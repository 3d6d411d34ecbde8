from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_bolt import BoltContext, BoltRequest

from emojifier_bot.domain import Workspace
from emojifier_bot.slack.payloads import (
    image_ids,
    is_from_person,
    was_heard,
    workspace_of,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
field = st.sampled_from(["id", "mode", "mimetype", "file_access", "user", "subtype"])


def image(file_id: str, **more: object) -> dict:
    return {"id": file_id, "mimetype": "image/png", "mode": "hosted"} | more


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ([], ()),
        ([image("F1")], ("F1",)),
        ([image("F2"), image("F1"), image("F2")], ("F2", "F1")),
        ([image("F1", mimetype="text/plain")], ()),
        ([image("F1", mimetype="video/mp4"), image("F2")], ("F2",)),
        ([{"id": "F1"}], ()),
        ([{"id": "F1", "mode": "tombstone"}], ()),
        ([image("F1", mode="hidden_by_limit")], ()),
        ([image("F1", mode="external")], ("F1",)),
        (
            [{"id": "F1", "mode": "file_access", "file_access": "check_file_info"}],
            ("F1",),
        ),
        ([{"mimetype": "image/png"}], ()),
    ],
)
def test_images_of_a_message(files, ids):
    assert image_ids(files) == ids


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, True),
        ({"user": ""}, False),
        ({"channel": None}, False),
        ({"ts": ""}, False),
        ({"subtype": "file_share"}, True),
        ({"bot_id": "B1"}, False),
        ({"bot_profile": {"id": "B1"}}, False),
        ({"subtype": "bot_message", "text": "hi"}, False),
        ({"subtype": "message_changed"}, False),
        ({"subtype": "message_deleted", "hidden": True}, False),
        ({"subtype": "channel_join"}, False),
        ({"edited": {"user": "U1", "ts": "1.2"}}, False),
    ],
)
def test_people_and_others(event, expected):
    placed = {"user": "U1", "channel": "C1", "ts": "1.1"}

    assert is_from_person(placed | event) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"x-slack-retry-num": ["0"], "x-slack-retry-reason": [""]}, False),
        ({"x-slack-retry-num": ["1"]}, True),
        *(
            ({"x-slack-retry-num": ["1"], "x-slack-retry-reason": [reason]}, expected)
            for reason, expected in (
                ("http_timeout", True),
                ("timeout", True),
                ("unknown_error", True),
                ("connection_failed", False),
                ("http_error", False),
                ("ssl_error", False),
            )
        ),
    ],
)
def test_what_was_answered_before(headers, expected):
    assert was_heard(headers) is expected


@pytest.mark.parametrize(
    ("body", "workspace"),
    [
        ({}, Workspace("")),
        ({"team_id": "T1"}, Workspace("T1")),
        ({"team_id": "T1", "is_enterprise_install": "false"}, Workspace("T1")),
        (
            {
                "team_id": "T1",
                "enterprise_id": "E1",
                "is_enterprise_install": "true",
            },
            Workspace("T1", "E1", is_org_install=True),
        ),
        ({"team": {"id": "T1"}, "enterprise": None}, Workspace("T1")),
        (
            {
                "team": {"id": "T1"},
                "enterprise": {"id": "E1"},
                "is_enterprise_install": True,
            },
            Workspace("T1", "E1", is_org_install=True),
        ),
        (
            {
                "team_id": "T9",
                "authorizations": [
                    {"team_id": "T1", "enterprise_id": None, "is_bot": True}
                ],
            },
            Workspace("T1"),
        ),
        (
            {
                "team_id": "T9",
                "authorizations": [
                    {
                        "team_id": None,
                        "enterprise_id": "E1",
                        "is_enterprise_install": True,
                    }
                ],
            },
            Workspace("T9", "E1", is_org_install=True),
        ),
    ],
)
def test_whose_request_it_is(body, workspace):
    context: BoltContext = BoltRequest(mode="socket_mode", body=body).context

    assert workspace_of(context, body) == workspace


@given(st.lists(st.dictionaries(field, json_values)))
def test_odd_files_and_events_are_passed_over(files):
    image_ids(files)
    for file in files:
        is_from_person(file)
