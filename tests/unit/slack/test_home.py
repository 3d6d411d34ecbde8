"""The home tab in every state: good Block Kit, and true to what may be chosen."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from emojifier_bot.domain import PostRecord
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.slack.context import Site
from emojifier_bot.slack.home import HomeFacts, home_view, try_view
from tests.fakes.clock import NOW
from tests.fakes.slack.blocks import wrong_view
from tests.slack_posts import make_post

FACTS = HomeFacts(
    {"command": "/faces", "themes": "`classic`"}, Site(), ("classic", "party")
)
LINK = "https://acme.slack.com/files/U1/F1/party.png"
FULL = replace(
    FACTS,
    site=Site("https://bot.example/"),
    opted_out=True,
    mine={"theme": "party", "preview": "on", "reading": "off"},
    everybodys={"theme": "classic", "preview": "off", "reading": "shapes"},
    results=[(PostRecord(make_post(title="*a* <b>"), NOW), LINK)] * 5,
    is_admin=True,
    channels_off=[f"C{number}" for number in range(200)],
)


def menus(view) -> dict:
    return {
        one["accessory"]["action_id"]: one["accessory"]
        for one in view["blocks"]
        if one.get("accessory", {}).get("type") == "static_select"
    }


@pytest.mark.parametrize("facts", [FACTS, FULL, replace(FULL, is_admin=False)])
@pytest.mark.parametrize("with_picture", [True, False])
def test_it_is_good_block_kit(facts, with_picture):
    assert wrong_view(home_view(facts, with_picture=with_picture), "home") == []


def test_it_says_what_how_and_what_is_kept():
    said = json.dumps(home_view(FACTS), ensure_ascii=False)

    for part in ("/faces", "Privacy", "30 days", "`classic`", "AI Act"):
        assert part in said
    assert "/emojify" not in said
    assert "For the workspace" not in said


def test_what_is_chosen_stands_in_the_menus():
    shown = menus(home_view(FULL))

    chosen = {name: one["initial_option"]["value"] for name, one in shown.items()}
    assert chosen == {
        "home_mine_theme": "party",
        "home_mine_preview": "on",
        "home_mine_reading": "off",
        "home_all_theme": "classic",
        "home_all_preview": "off",
        "home_all_reading": "shapes",
    }


@pytest.mark.parametrize(
    ("operators", "workspaces", "mine", "all_s"),
    [
        ("expressions", "", ["expressions", "shapes", "off"], None),
        ("expressions", "shapes", ["shapes", "off"], ["expressions", "shapes", "off"]),
        ("shapes", "", ["shapes", "off"], ["shapes", "off"]),
        ("off", "", ["off"], ["off"]),
    ],
)
def test_a_reading_mode_can_only_be_lowered(operators, workspaces, mine, all_s):
    facts = replace(
        FULL,
        site=Site(reading=ReadingMode(operators)),
        mine={},
        everybodys={"reading": workspaces},
    )
    shown = menus(home_view(facts))

    def offered(name):
        return [one["value"] for one in shown[name]["options"]][1:]

    assert offered("home_mine_reading") == mine
    assert offered("home_all_reading") == (all_s or mine)


def test_links_and_every_control_has_words():
    view = home_view(FULL)

    said = json.dumps(view)
    assert "<https://bot.example/privacy|Privacy>" in said
    assert "https://bot.example/static/card.jpg" in said
    assert said.count(LINK) == 5
    for block in view["blocks"]:
        for one in [*block.get("elements", []), block.get("accessory")]:
            if one and one.get("type") == "button":
                assert one["accessibility_label"]
            if one and one.get("type") == "static_select":
                assert one["placeholder"]["text"]


@pytest.mark.parametrize(
    ("site", "links"),
    [
        (Site(), None),
        (
            Site(source_url="https://git.example/bot?a=1&b=2"),
            "<https://git.example/bot?a=1&amp;b=2|Source>",
        ),
        (
            Site("https://bot.example", source_url="https://git.example/bot"),
            (
                "<https://bot.example/privacy|Privacy> · "
                "<https://bot.example/support|Support> · "
                "<https://bot.example/|About me> · <https://git.example/bot|Source>"
            ),
        ),
    ],
)
def test_the_source_is_linked_if_somebody_says_where_it_is(site, links):
    *_, last = home_view(replace(FULL, site=site))["blocks"]

    said = last["elements"][0]["text"]
    assert said == links if links else "|" not in said


def test_the_steps_of_a_first_try():
    view = try_view("/faces")

    assert wrong_view(view, "modal") == []
    assert "/faces preview" in json.dumps(view)


@pytest.mark.parametrize(
    ("operators", "workspaces", "own", "mode"),
    [
        ("expressions", "", "", "expressions"),
        ("expressions", "", "shapes", "shapes"),
        ("expressions", "shapes", "expressions", "shapes"),
        ("shapes", "", "expressions", "shapes"),
        ("shapes", "off", "shapes", "off"),
    ],
)
def test_the_mode_that_counts_for_me_is_told(operators, workspaces, own, mode):
    facts = replace(
        FULL,
        site=Site(reading=ReadingMode(operators)),
        mine={"reading": own},
        everybodys={"reading": workspaces},
    )

    said = json.dumps(home_view(facts))

    assert f"Reading mode: {mode}." in said
    assert ("Article 5(1)(f)" in said) == (mode == "expressions")
