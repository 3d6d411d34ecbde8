"""The message of a preview: good Block Kit for any crowd, words on every control."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference, Workspace
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import DeliveryError, ErrorKind
from emojifier_bot.slack.preview_blocks import (
    FACE,
    FACES_A_PAGE,
    MAX_VIEW_BYTES,
    OTHERS,
    all_emoji_view,
    decision_of,
    parse_choice,
    post_label,
    preview_blocks,
    preview_view,
    reasons_blocks,
)
from emojifier_bot.slack.previews import SlackPreviews
from emojifier_bot.vision.plan import Cover, CoverKind, DrawEmoji, Leave, Plan
from emojifier_bot.vision.plan import PlannedFace as Face
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import BoundingBox, Placement
from tests.fakes.slack.blocks import wrong_blocks, wrong_view

THEME = open_theme("classic").theme
NAMES = tuple(one.name for one in THEME.emoji)
REQUEST = EmojifyRequest(
    Workspace("T0123456789"),
    Entrypoint.COMMAND,
    "U1",
    "C1",
    ImageReference(file_id="F1"),
    channel_name="general",
)
DECISIONS = (
    DrawEmoji(NAMES[0]),
    DrawEmoji(NAMES[-1]),
    Leave(),
    Cover(CoverKind.MOSAIC),
    Cover(CoverKind.SOLID, margin=0.5),
)


def plan_of(count, reading=ReadingMode.EXPRESSIONS):
    faces = tuple(
        Face(
            number + 1,
            BoundingBox(0, 0, 9, 9),
            Placement((5, 5), 9, 0),
            DECISIONS[number % len(DECISIONS)],
            sure=number % 2 == 0,
            nearest=NAMES[1:9],
        )
        for number in range(count)
    )
    return Plan(99, 99, "classic", "local", faces, reading=reading)


def drafted(count, page=0, **more):
    plan = plan_of(count, **more)
    drawing = Drawing(3, plan.to_dict(), "0" * 64, "F9", "x" * 1000, ("A note.",))
    draft = Draft("d" * 32, REQUEST, "*a* <b>.png", plan.to_dict(), page=page)
    return draft, drawing, THEME, ("classic", "party")


def shown(count, page=0, **more):
    return preview_blocks(*drafted(count, page, **more))


def controls(blocks):
    for block in blocks:
        yield from block.get("elements", ())
        if "accessory" in block:
            yield block["accessory"]


@pytest.mark.parametrize("count", [1, FACES_A_PAGE, 11, 30, 300])
@pytest.mark.parametrize("page", [0, 1, 99])
@pytest.mark.parametrize("reading", list(ReadingMode))
def test_any_crowd_fits_into_a_message(count, page, reading):
    blocks = shown(count, page, reading=reading)

    assert wrong_blocks(blocks, knows_file=lambda one: one == {"id": "F9"}) == []
    assert len(json.dumps(blocks)) < 30_000
    for one in controls(blocks):
        if one["type"] == "button":
            assert one["accessibility_label"]
        if one["type"] == "static_select":
            assert one["placeholder"]["text"]


def test_menus_offer_eight_emoji_and_the_rest_and_show_what_is_chosen():
    [*menus] = [
        one for one in controls(shown(5)) if one.get("action_id") == "preview_face"
    ]

    values = [one["value"] for one in menus[2]["options"]]
    assert values == [
        *(f"3/:{name}" for name in NAMES[1:9]),
        *("3/leave", "3/cover", "3/mosaic", "3/blur", "3/all"),
    ]
    chosen = [one.get("initial_option", {}).get("value") for one in menus]
    assert chosen == [f"1/:{NAMES[0]}", f"2/:{NAMES[-1]}", "3/leave", "4/mosaic", None]


def test_menus_say_what_to_do_and_rows_what_was_done():
    blocks = [one for one in shown(5) if "accessory" in one]

    offered = [one["text"]["text"] for one in blocks[2]["accessory"]["options"][8:]]
    assert offered == [
        *("Leave as it is", "Cover", "Cover with a mosaic", "Cover with a blur"),
        "All emoji…",
    ]
    assert [one["text"]["text"] for one in blocks[2:]] == [
        "*Face 3:* left as it is",
        "*Face 4:* covered with a mosaic",
        "*Face 5:* covered",
    ]


@pytest.mark.parametrize("count", [1, 30, 300])
@pytest.mark.parametrize("channel", ["general", "a-channel-with-quite-a-long-name"])
def test_the_window_of_a_preview_shows_the_same(count, channel):
    draft, *others = drafted(count)
    request = replace(REQUEST, channel_name=channel)
    view = preview_view("sealed", replace(draft, request=request), *others)

    assert wrong_view(view, "modal", lambda one: one == {"id": "F9"}) == []
    posts = view["submit"]["text"]
    assert posts == ("Post to #general" if channel == "general" else "Post")
    here, there = view["blocks"], shown(count)
    texts = [one.get("text") for one in here[1:] if one["type"] != "actions"]
    assert texts == [one.get("text") for one in there[1:] if one["type"] != "actions"]
    assert "after *Back* it is still in" in here[0]["text"]["text"]
    pressed = {one.get("action_id") for one in controls(here)}
    left_out = {"preview_post", "preview_discard", "preview_open"}
    assert pressed == {one.get("action_id") for one in controls(there)} - left_out


def faces_menus(view):
    return [one for one in controls(view["blocks"]) if one.get("action_id") == FACE]


def offered(menu) -> list[str]:
    groups = menu.get("option_groups") or [menu]
    return [one["value"] for group in groups for one in group["options"]]


def test_menus_of_the_window_have_every_emoji_once_the_nearest_first():
    view = preview_view("sealed", *drafted(30))
    *_, third, _, fifth = menus = faces_menus(view)

    for menu in menus:
        values = offered(menu)
        assert len(set(values)) == len(values) == len(NAMES) + len(OTHERS)
        assert {one.partition("/")[2] for one in values} == {
            *(f":{name}" for name in NAMES),
            *OTHERS,
        }
    assert offered(menus[2])[:12] == [
        *(f"3/:{name}" for name in NAMES[1:9]),
        *("3/leave", "3/cover", "3/mosaic", "3/blur"),
    ]
    assert third["placeholder"] != fifth["placeholder"]
    assert len(json.dumps(view)) < MAX_VIEW_BYTES / 3


def test_a_theme_that_no_window_holds_is_chosen_from_in_the_message():
    many = tuple(
        replace(THEME.emoji[0], name=f"emoji_{number}", spoken="x" * 60)
        for number in range(300)
    )
    draft, drawing, theme, themes = drafted(30)
    large = replace(theme, emoji=(*theme.emoji, *many))
    view = preview_view("sealed", draft, drawing, large, themes)

    assert wrong_view(view, "modal", lambda one: one == {"id": "F9"}) == []
    assert len(json.dumps(view)) < MAX_VIEW_BYTES
    assert len(offered(faces_menus(view)[0])) == 13
    [said] = view["blocks"][-1]["elements"]
    assert "more emoji than a window holds. *All emoji…* is in" in said["text"]
    alone = preview_view("sealed", *drafted(1)[:2], large, themes)
    assert "more emoji than" not in json.dumps(alone)
    assert len(offered(faces_menus(alone)[0])) == len(large.emoji) + len(OTHERS)


@dataclass
class Calls:
    """Stands for a `SlackClient`; knows what was asked."""

    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, _workspace, method: str, **arguments: Any) -> dict[str, Any]:
        self.made.append((method, arguments))
        return {}


def test_what_is_shown_keeps_its_theme_until_another_is_drawn():
    client, themes = Calls(), {"classic": THEME, "party": replace(THEME, emoji=())}
    sink = SlackPreviews(client, themes.__getitem__, tuple(themes), "sealed({})".format)
    draft, drawing, *_ = drafted(30, page=1)
    chosen = replace(draft, request=replace(REQUEST, theme="party"), view_id="V1")

    sink.update(chosen, drawing)

    (_, message), (_, window) = client.made
    assert message["blocks"] == shown(30, page=1)
    assert window["view"]["private_metadata"].endswith("/3)")
    assert offered(faces_menus(window["view"])[0])[0].startswith("11/:")


@dataclass
class Refusing(Calls):
    """Refuses to delete files, for a reason of Slack's."""

    kind: ErrorKind = ErrorKind.FILE_NOT_FOUND

    def call(self, _workspace, method: str, **arguments: Any) -> dict[str, Any]:
        if method == "files.delete":
            raise DeliveryError("Refused.", kind=self.kind)
        return super().call(_workspace, method, **arguments)


@pytest.mark.parametrize(
    ("client", "is_gone"),
    [
        (Calls(), True),
        (Refusing(kind=ErrorKind.FILE_DELETED), True),
        (Refusing(), False),
    ],
)
@pytest.mark.parametrize("ts", ["", "1.2"])
def test_a_file_that_may_come_late_is_not_taken_for_gone(client, is_gone, ts):
    draft = Draft("d1", REQUEST, channel_id="D1", message_ts=ts, file_ids=("F9",))
    sink = SlackPreviews(client, {}.__getitem__, (), str)

    assert sink.remove(draft) is is_gone


@pytest.mark.parametrize("reading", [ReadingMode.SHAPES, ReadingMode.OFF])
def test_without_expressions_no_emoji_is_named(reading):
    said = json.dumps(shown(5, reading=reading), ensure_ascii=False)
    view = all_emoji_view("sealed", 1, THEME, plan_of(5, reading))

    for emoji in THEME.emoji:
        assert f"{emoji.character} {emoji.spoken}" not in said + json.dumps(view)


def test_choices_come_back_as_decisions():
    assert parse_choice("12/:grin") == (12, ":grin")
    assert decision_of(":leave") == DrawEmoji("leave")
    assert decision_of("leave") == Leave()
    assert decision_of("mosaic") == Cover(CoverKind.MOSAIC)
    assert decision_of("all") is None


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, "Post to #general"),
        ({"channel_name": ""}, "Post to the channel"),
        ({"thread_ts": "1.2"}, "Post to the thread"),
        ({"private": True}, "Post here"),
        ({"channel_id": "D1"}, "Post here"),
        ({"channel_name": "the-office"}, "Post to #the-office"),
    ],
)
def test_post_names_its_place(fields, label):
    assert post_label(replace(REQUEST, **fields)) == label


def test_the_window_and_the_reasons_are_good_block_kit():
    view = all_emoji_view("sealed", 30, THEME, plan_of(30))
    draft = Draft("d" * 32, REQUEST, "a.png")
    drawing = Drawing(1, {}, "", "F9", "face 1: <grinning> & more\n" * 400)

    assert wrong_view(view, "modal") == []
    assert view["private_metadata"] == "sealed"
    assert wrong_blocks(reasons_blocks(draft, drawing)) == []
