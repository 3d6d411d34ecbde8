"""What Slack's requests and files say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_bolt import BoltContext, BoltRequest

from emojifier_bot.domain import Share, ShareState, Workspace
from emojifier_bot.slack.payloads import (
    SlackFileLink,
    image_ids,
    is_from_person,
    is_repeat,
    parse_file_link,
    share_of,
    shares_in,
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
def test_which_messages_are_from_a_person(event, expected):
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
def test_which_deliveries_are_repeats(headers, expected):
    assert is_repeat(headers) is expected


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


# Where a file is shown.

PUBLIC = {"public": {"C1": [{"ts": "1.2"}]}}


@pytest.mark.parametrize(
    ("file", "share"),
    [
        ({}, Share(ShareState.PENDING)),
        ({"shares": {}, "mimetype": ""}, Share(ShareState.PENDING)),
        ({"shares": None, "channels": None}, Share(ShareState.PENDING)),
        ({"shares": PUBLIC}, Share(ShareState.SHARED, "1.2")),
        (
            {"shares": {"private": {"C1": [{"ts": "1.2", "thread_ts": "1.0"}]}}},
            Share(ShareState.SHARED, "1.2", "1.0"),
        ),
        (
            {"shares": {"public": {"C1": [{"ts": "1.4"}, {"ts": "1.2"}]}}},
            Share(ShareState.SHARED, "1.2"),
        ),
        ({"shares": {"public": {"C2": [{"ts": "1.2"}]}}}, Share(ShareState.PENDING)),
        ({"shares": {"public": {"C1": []}}}, Share(ShareState.PENDING)),
        ({"groups": ["C1"]}, Share(ShareState.SHARED)),
        ({"ims": ["C1"]}, Share(ShareState.SHARED)),
        ({"mode": "tombstone", "shares": PUBLIC}, Share(ShareState.DELETED)),
    ],
)
def test_where_a_file_is_shown(file, share):
    assert share_of(file, "C1") == share


def test_every_message_that_shows_it_counts():
    file = {"shares": PUBLIC | {"private": {"C1": [{"ts": "3"}]}}}
    assert [one["ts"] for one in shares_in(file, "C1")] == ["1.2", "3"]


# Addresses of files.

FILE, USER = "F0123ABCD", "U0123ABCD"
HERE = frozenset({"127.0.0.1:8080"})


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("", None),
        ("https://pictures.example/party.jpg", None),
        ("https://[::", None),
        (f"https://acme.slack.com/archives/C0123ABCD/p{FILE}", None),
        (f"https://acme.slack.com/files/{USER}/{FILE}/a.png", (FILE, USER)),
        (f"https://ACME.slack.com./files/{USER}/{FILE}/a.png", (FILE, USER)),
        (f"https://acme.enterprise.slack.com/files/W0123ABCD/{FILE}", (FILE, "W…")),
        (f"https://files.slack.com/files-pri/T1-{FILE}/a.png?pub_secret=1", (FILE, "")),
        (f"https://files.slack.com/files-pri/T1-{FILE}/download/a.png", (FILE, "")),
        (f"https://files.slack.com/files-tmb/T1-{FILE}-abc/a_720.png", (FILE, "")),
        (f"https://slack-files.com/T1-{FILE}-0123456789", (FILE, "")),
        (f"https://files.slack-gov.com/files-pri/T1-{FILE}/a.png", (FILE, "")),
        (f"https://files.slack.com/files-pri/T1-%46{FILE[1:]}/a.png", (FILE, "")),
        (f"https://files.slack.com/files-pri/T1%2D{FILE}/a.png", (FILE, "")),
        (f"https://files.slack.com/files-pri%2FT1-{FILE}%2Fa.png", (FILE, "")),
        (f"http://127.0.0.1:8080/files/{USER}/{FILE}/a.png", (FILE, USER)),
        (f"http://user@127.0.0.1:8080/files-pri/T1-{FILE}/a.png", (FILE, "")),
        (f"http://127.0.0.1:8081/files/{USER}/{FILE}/a.png", None),
        (f"https://notslack.com/files/{USER}/{FILE}/a.png", None),
        (f"https://slack.com.example/files/{USER}/{FILE}/a.png", None),
        ("https://files.slack.com/files-pri/T1-Fshort/a.png", None),
    ],
)
def test_which_file_an_address_names(address, found):
    link = parse_file_link(address, HERE)

    wanted = found and SlackFileLink(found[0], found[1].replace("W…", "W0123ABCD"))
    assert link == wanted


@given(st.text())
def test_nothing_that_is_typed_breaks_it(address):
    parse_file_link(address, HERE)
    parse_file_link(f"https://files.slack.com/{address}", HERE)
