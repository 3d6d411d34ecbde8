"""The message of a preview: good Block Kit for any crowd, words on every control."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from emojifier_bot.db.drafts import Draft, Drawing
from emojifier_bot.domain import EmojifyRequest, Entrypoint, ImageReference, Workspace
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.slack.preview_blocks import (
    FACES_A_PAGE,
    all_emoji_view,
    decision_of,
    parse_choice,
    post_label,
    preview_blocks,
    preview_view,
    reasons_blocks,
)
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
    assert "/all" not in json.dumps(here)


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
