"""What Slack's requests and files say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_bolt import BoltContext, BoltRequest

from emojifier_bot.domain import Share, ShareState, Workspace
from emojifier_bot.slack.payloads import (
    as_edited,
    encodable,
    image_ids,
    is_from_person,
    is_repeat,
    no_picture_kind,
    parse_slack_link,
    pictures_of,
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
        ([image("F1", mimetype="video/mp4"), image("F2")], ("F1", "F2")),
        ([image("F1", mimetype="video/quicktime")], ("F1",)),
        ([image("F1", mimetype="video/webm", name="clip")], ("F1",)),
        ([image("F1", mimetype="video/x-msvideo"), image("F2")], ("F2",)),
        # Absent is not no: Slack looks at a file some time after it came.
        ([{"id": "F1"}], ("F1",)),
        ([image("F1", mimetype="")], ("F1",)),
        ([image("F1", mimetype="application/octet-stream", name="a.HEIC")], ("F1",)),
        ([image("F1", mimetype="text/plain", name="a.heic")], ("F1",)),
        ([image("F1", mimetype="application/octet-stream")], ("F1",)),
        (
            [
                image("F1", mimetype="application/octet-stream", name="a.exe"),
                image("F2"),
            ],
            ("F2",),
        ),
        ([image("F1", mimetype="application/pdf", name="a.pdf")], ()),
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
        ({"subtype": "thread_broadcast"}, True),
        ({"subtype": "me_message"}, True),
        ({"subtype": "of_tomorrow"}, True),
        ({"bot_id": "B1"}, False),
        ({"bot_profile": {"id": "B1"}}, False),
        ({"subtype": "bot_message", "text": "hi"}, False),
        ({"subtype": "message_changed"}, False),
        ({"subtype": "message_deleted", "hidden": True}, False),
        ({"subtype": "channel_join"}, False),
        ({"subtype": "file_comment"}, False),
        ({"subtype": "huddle_thread"}, False),
        # A mention that was added later.
        ({"edited": {"user": "U1", "ts": "1.2"}}, True),
    ],
)
def test_which_messages_are_from_a_person(event, expected):
    placed = {"user": "U1", "channel": "C1", "ts": "1.1"}

    assert is_from_person(placed | event) is expected


EDITED = {"user": "U1", "ts": "1.1", "text": "new", "edited": {"ts": "1.2"}}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"message": EDITED, "previous_message": {"text": "old"}}, "new"),
        ({"message": EDITED, "previous_message": {"text": "new"}}, None),
        # Slack adds the preview of a link.
        ({"message": {"text": "new", "attachments": []}}, None),
        ({}, None),
    ],
)
def test_a_message_that_somebody_edited_is_read_as_new(more, text):
    where = {"channel": "D1", "channel_type": "im"}
    changed = {"subtype": "message_changed", "hidden": True} | where | more

    found = as_edited(changed)

    assert is_from_person(found) is (text is not None)
    if text:
        assert (found["text"], found["ts"], found["channel"]) == (text, "1.1", "D1")


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
    ("address", "file_id", "users"),
    [
        (f"https://acme.slack.com/files/{USER}/{FILE}/a.png", FILE, {USER}),
        (f"https://ACME.slack.com./files/{USER}/{FILE}/a.png", FILE, {USER}),
        (f"https://acme.enterprise.slack.com/files/W0123ABCD/{FILE}", FILE, None),
        (f"https://files.slack.com/files-pri/T1-{FILE}/a.png?x=1", FILE, set()),
        (f"https://files.slack.com/files-pri/T1-{FILE}/download/a.png", FILE, set()),
        (f"https://files.slack.com/files-tmb/T1-{FILE}-abc/a_720.png", FILE, set()),
        (f"https://slack-files.com/T1-{FILE}-0123456789", FILE, set()),
        (f"https://files.slack-gov.com/files-pri/T1-{FILE}/a.png", FILE, set()),
        (f"https://files.slack.com/files-pri/T1-%46{FILE[1:]}/a.png", FILE, set()),
        (f"https://files.slack.com/files-pri/T1%2D{FILE}/a.png", FILE, set()),
        (f"https://files.slack.com/files-pri%2FT1-{FILE}%2Fa.png", FILE, set()),
        (f"http://127.0.0.1:8080/files/{USER}/{FILE}/a.png", FILE, {USER}),
        (f"http://user@127.0.0.1:8080/files-pri/T1-{FILE}/a.png", FILE, set()),
        ("https://files.slack.com/files-pri/T1-Fshort/a.png", "", set()),
        # Avatars, in every form that names somebody.
        (f"https://ca.slack-edge.com/T0123ABCD-{USER}-0a1b2c3d4e5f-512", "", {USER}),
        (f"https://a.slack-edge.com/T0123ABCD-{USER}-0a1b-72", "", {USER}),
        (f"https://ca.slack-edge.com/T0123ABCD%2D{USER}-0a1b2c3d4e5f", "", {USER}),
        (f"https://ca.slack-edge.com/T0123ABCD-%55{USER[1:]}-0a1b", "", {USER}),
        ("https://ca.slack-edge.com/T0123ABCD-W0123ABCD-0a1b-512", "", None),
        (f"https://acme.slack.com/team/{USER}", "", {USER}),
        (f"https://acme.slack.com/avatar?user={USER}", "", {USER}),
        (
            (
                "https://slack-imgs.com/?url=https%3A%2F%2Fca.slack-edge.com%2FT0123ABCD-"
                f"{USER}-0a1b-512"
            ),
            "",
            {USER},
        ),
        (
            (
                "https://slack-redir.net/link?url=https%253A%252F%252Fx%252FT0123ABCD-"
                f"{USER}-0a1b"
            ),
            "",
            {USER},
        ),
        ("https://avatars.slack-edge.com/2026-01-01/12345_abcdef_512.png", "", set()),
    ],
)
def test_which_file_and_whom_an_address_names(address, file_id, users):
    link = parse_slack_link(address, HERE)

    wanted = {"W0123ABCD"} if users is None else users
    assert (link.file_id, link.named_users) == (file_id, wanted)
    assert link.message_ts == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://pictures.example/party.jpg",
        "https://[::",
        f"http://127.0.0.1:8081/files/{USER}/{FILE}/a.png",
        f"https://notslack.com/files/{USER}/{FILE}/a.png",
        f"https://slack.com.example/files/{USER}/{FILE}/a.png",
    ],
)
def test_an_address_outside_of_slack(address):
    assert parse_slack_link(address, HERE) is None


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (
            "https://acme.slack.com/archives/C0123ABCD/p1700000001000100",
            ("C0123ABCD", "1700000001.000100", ""),
        ),
        (
            (
                "https://acme.slack.com/archives/C0123ABCD/p1700000001000100"
                "?thread_ts=1700000000.000100&cid=C0123ABCD"
            ),
            ("C0123ABCD", "1700000001.000100", "1700000000.000100"),
        ),
        (
            "https://acme.slack.com/archives/D0123ABCD/p1700000001000100/",
            ("D0123ABCD", "1700000001.000100", ""),
        ),
        (
            "https://acme.slack.com/archives/C0123ABCD/p1700000001000100?thread_ts=x",
            ("C0123ABCD", "1700000001.000100", ""),
        ),
        ("https://acme.slack.com/archives/C0123ABCD", ("", "", "")),
        (f"https://acme.slack.com/archives/C0123ABCD/p{FILE}", ("", "", "")),
        ("https://app.slack.com/client/T1/C1", ("", "", "")),
    ],
)
def test_which_message_an_address_names(address, place):
    link = parse_slack_link(address, HERE)

    assert (link.channel_id, link.message_ts, link.thread_ts) == place
    assert link.file_id == ""


@pytest.mark.parametrize(
    ("address", "is_public", "is_avatar"),
    [
        (f"https://files.slack.com/files-pri/T1-{FILE}/a.png", False, False),
        (
            f"https://files.slack.com/files-pri/T1-{FILE}/a.png?pub_secret=1",
            True,
            False,
        ),
        (f"https://slack-files.com/T1-{FILE}-0123456789", True, False),
        ("https://ca.slack-edge.com/T1-U1-1-512", True, False),
        ("https://avatars.slack-edge.com/2026-01-01/1_a_512.png", True, True),
    ],
)
def test_what_anybody_may_open(address, is_public, is_avatar):
    link = parse_slack_link(address, HERE)

    assert (link.is_public, link.is_avatar) == (is_public, is_avatar)


@given(st.text())
def test_nothing_that_is_typed_breaks_it(address):
    parse_slack_link(address, HERE)
    parse_slack_link(f"https://files.slack.com/{address}", HERE)


# Where a message shows pictures.

WEB = "https://pictures.example/cat.gif"


def block(address: str = WEB, **more: object) -> dict:
    return {"type": "image", "image_url": address, "alt_text": "a cat"} | more


def shared(*files: dict, author: str = "U3", **more: object) -> dict:
    return {"is_share": True, "author_id": author, "files": list(files)} | more


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({}, []),
        ({"files": [image("F1"), image("F2")]}, ["F1", "F2"]),
        ({"file": image("F1")}, ["F1"]),
        # Forwarded messages, also inside each other.
        ({"attachments": [shared(image("F1"))]}, ["F1"]),
        ({"attachments": [shared(attachments=[shared(image("F1"))])]}, ["F1"]),
        ({"files": [image("F1")], "attachments": [shared(image("F2"))]}, ["F1", "F2"]),
        (
            {"attachments": [shared({"id": "F1", "file_access": "check_file_info"})]},
            ["F1"],
        ),
        (
            {"attachments": [{"message_blocks": [{"message": {"blocks": [block()]}}]}]},
            [WEB],
        ),
        # Previews of links and GIPHY.
        ({"attachments": [{"image_url": WEB, "thumb_url": f"{WEB}?t"}]}, [WEB]),
        ({"attachments": [{"thumb_url": WEB}]}, [WEB]),
        ({"attachments": [{"blocks": [block()]}]}, [WEB]),
        # The preview of a message with a file is that file.
        ({"attachments": [shared(image("F1"), image_url=WEB)]}, ["F1"]),
        # Blocks.
        ({"blocks": [block()]}, [WEB]),
        ({"blocks": [{"type": "image", "slack_file": {"id": "F1"}}]}, ["F1"]),
        (
            {
                "blocks": [
                    {
                        "type": "image",
                        "slack_file": {
                            "url": f"https://files.slack.com/files-pri/T1-{FILE}/a.png"
                        },
                    }
                ]
            },
            [FILE],
        ),
        ({"blocks": [{"type": "section", "accessory": block()}]}, [WEB]),
        ({"blocks": [{"type": "context", "elements": [block()]}]}, [WEB]),
        ({"blocks": [{"type": "card", "hero_image": block()}]}, [WEB]),
        (
            {
                "blocks": [
                    {
                        "type": "carousel",
                        "elements": [{"hero_image": block("https://a/1")}],
                    }
                ]
            },
            ["https://a/1"],
        ),
        (
            {"blocks": [{"type": "container", "child_blocks": [block()]}]},
            [WEB],
        ),
        # What stands beside a text does not count where there is something larger.
        (
            {
                "blocks": [
                    {"type": "context", "elements": [block("https://a/icon")]},
                    {"type": "section", "accessory": block("https://a/beside")},
                    block(),
                ]
            },
            [WEB],
        ),
        ({"files": [image("F1")], "attachments": [{"thumb_url": WEB}]}, ["F1"]),
        ({"attachments": [{"image_url": WEB}], "blocks": [block()]}, [WEB]),
        # No pictures of the message.
        ({"attachments": [{"author_icon": WEB, "footer_icon": WEB}]}, []),
        ({"root": {"files": [image("F1")]}}, []),
        ({"icons": {"image_72": WEB}, "bot_profile": {"icons": {"image_72": WEB}}}, []),
        ({"blocks": [block("data:image/png;base64,xx"), block("")]}, []),
        ({"files": None, "attachments": "x", "blocks": {"a": 1}}, []),
    ],
)
def test_the_pictures_that_people_see_in_a_message(message, found):
    shown = pictures_of({"type": "message", "user": "U1"} | message)

    assert [one.file_id or one.address for one in shown] == found


@pytest.mark.parametrize(
    ("message", "posters"),
    [
        ({"files": [image("F1", user="U2")]}, ("U1", "U2")),
        ({"attachments": [shared(image("F1", user="U4"))]}, ("U1", "U3", "U4")),
        ({"attachments": [{"author_id": "U3", "image_url": WEB}]}, ("U1", "U3")),
        (
            {"attachments": [shared(attachments=[shared(image("F1"), author="U5")])]},
            ("U1", "U3", "U5"),
        ),
        # Shown twice: it is everybody's.
        (
            {"files": [image("F1")], "attachments": [shared(image("F1", user="U2"))]},
            ("U1", "U3", "U2"),
        ),
    ],
)
def test_whose_picture_it_is(message, posters):
    [shown] = pictures_of({"type": "message", "user": "U1"} | message)

    assert shown.posted_by == posters


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({}, "no_image"),
        ({"text": "hi", "attachments": [{"text": "hi"}]}, "no_image"),
        ({"files": [image("F1", mimetype="application/pdf")]}, "no_image_file"),
        ({"attachments": [shared(image("F1", mimetype="video/avi"))]}, "no_image_file"),
        ({"files": [{"id": "F1", "mode": "tombstone"}]}, "source_gone"),
        ({"files": [{"id": "F1", "mode": "hidden_by_limit"}]}, "hidden_by_limit"),
    ],
)
def test_why_a_message_shows_no_picture(message, kind):
    assert pictures_of(message) == ()
    assert no_picture_kind(message) == kind


def test_a_message_inside_a_message_has_its_end():
    message: dict = {"files": [image("F1")]}
    for _ in range(900):
        message = {"attachments": [message]}

    assert pictures_of(message) == ()


@settings(max_examples=25)
@given(json_values)
def test_odd_messages_show_nothing_odd(odd):
    for name in ("files", "attachments", "blocks", "file", "message", "accessory"):
        pictures_of({name: odd})
        pictures_of({name: [odd]})
        pictures_of({"attachments": [{name: odd}, {name: [odd]}]})


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({}, {}),
        ({"text": "é 😆", "files": [{"size": 1.5, "user": None}]},) * 2,
        ({"a\ud83d": [{"b": "\ude06!"}, True]}, {"a\ufffd": [{"b": "\ufffd!"}, True]}),
    ],
)
def test_halves_of_surrogate_pairs_become_signs(said, read):
    assert encodable(said) == read
    json.dumps(encodable(said), ensure_ascii=False).encode()
