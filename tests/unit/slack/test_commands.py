"""Words after the command and around a mention, and who may switch the bot off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import Workspace
from emojifier_bot.slack.commands import (
    ParsedCommand,
    ParseError,
    SettingsCommand,
    is_admin,
    parse_command,
    parse_mention,
)
from emojifier_bot.slack.messages import MAX_QUOTED_CHARACTERS, quoted

THEMES = ("classic", "Party")
ADDRESS = "https://pictures.example/party.jpg"

words = st.sampled_from(
    ["surprise", "PRIVATE", "party", "help", "?", ADDRESS, f"<{ADDRESS}|a b>", "nix"]
)
anything = st.one_of(st.text(), st.lists(words | st.text(max_size=5)).map(" ".join))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", ParsedCommand()),
        ("   ", ParsedCommand()),
        ("help", ParsedCommand(help=True)),
        ("?", ParsedCommand(help=True)),
        ("nonsense help", ParsedCommand(help=True, has_other_words=True)),
        (ADDRESS, ParsedCommand(ADDRESS)),
        (f"<{ADDRESS}>", ParsedCommand(ADDRESS)),
        (f"<{ADDRESS}|party, all of us>", ParsedCommand(ADDRESS)),
        (f"“{ADDRESS}”", ParsedCommand(ADDRESS)),
        (f"'{ADDRESS}', surprise", ParsedCommand(ADDRESS, surprise=True)),
        ("https://h.example/a_(b)", ParsedCommand("https://h.example/a_(b)")),
        ("https://h/?a=1&amp;b=2", ParsedCommand("https://h/?a=1&b=2")),
        ("https://h/?a=1&copy=2", ParsedCommand("https://h/?a=1&copy=2")),
        ("HTTPS://h.example/A", ParsedCommand("HTTPS://h.example/A")),
        (f"{ADDRESS} {ADDRESS}", ParsedCommand(ADDRESS)),
        (
            "private party Surprise",
            ParsedCommand("", "Party", surprise=True, private=True),
        ),
        (f"classic {ADDRESS} private", ParsedCommand(ADDRESS, "classic", private=True)),
        ("classic party", ParsedCommand(theme="Party")),
    ],
)
def test_words_that_mean_something(text, parsed):
    assert parse_command(text, THEMES) == parsed


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("suprise", "unknown_option", {"word": "suprise", "guess": "surprise"}),
        ("clasic", "unknown_option", {"word": "clasic", "guess": "classic"}),
        ("qqq", "unknown_option", {"word": "qqq", "guess": ""}),
        ("opt", "unknown_option", {"word": "opt", "guess": "opt in"}),
        ("<@U1|b>", "unknown_option", {"word": "@U1|b", "guess": ""}),
        ("photo.jpg", "not_a_url", {"word": "photo.jpg"}),
        ("www.example.com", "not_a_url", {"word": "www.example.com"}),
        ("example.com/a.png", "not_a_url", {"word": "example.com/a.png"}),
        ("ftp://h.example/a", "not_a_url", {"word": "ftp://h.example/a"}),
        ("http://", "not_a_url", {"word": "http://"}),
        ("http://[::", "not_a_url", {"word": "http://[::"}),
        ("http://h:port/", "not_a_url", {"word": "http://h:port/"}),
        (f"{ADDRESS} {ADDRESS}x", "several_addresses", {}),
        (f"{ADDRESS} nix wie", "unknown_option", {"word": "nix", "guess": ""}),
        ("off please", "order_alone", {"word": "off"}),
        ("surprise ON", "order_alone", {"word": "on"}),
    ],
)
def test_words_that_mean_nothing_are_an_error(text, kind, facts):
    assert parse_command(text, THEMES) == ParseError(kind, facts)
    assert parse_mention(text, THEMES).settings is None


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("<@UBOT>", ParsedCommand()),
        ("<@UBOT> surprise", ParsedCommand(surprise=True)),
        ("<@UBOT|emojify> thanks for that", ParsedCommand(has_other_words=True)),
        (
            "please <@UBOT>, a party!",
            ParsedCommand(theme="Party", has_other_words=True),
        ),
        (f"<@UBOT> <{ADDRESS}>", ParsedCommand(ADDRESS)),
    ],
)
def test_a_mention_may_hold_other_words(text, parsed):
    assert parse_mention(text, THEMES) == parsed


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("off", SettingsCommand.OFF),
        (" ON ", SettingsCommand.ON),
        ("opt out", SettingsCommand.OPT_OUT),
        ("Opt-Out", SettingsCommand.OPT_OUT),
        ("optout!", SettingsCommand.OPT_OUT),
        ('"opt   in"', SettingsCommand.OPT_IN),
        ("opt-in", SettingsCommand.OPT_IN),
    ],
)
def test_settings_commands_stand_alone(text, command):
    assert parse_command(text, THEMES) == ParsedCommand(settings=command)
    assert parse_mention(f"<@U1> {text}", THEMES) == ParsedCommand(settings=command)


def test_an_address_is_not_in_the_repr():
    assert "example" not in repr(parse_command(ADDRESS, THEMES))


@given(anything, st.lists(st.text()))
def test_parsing_never_raises(text, themes):
    assert isinstance(parse_command(text, themes), ParsedCommand | ParseError)
    parse_mention(text, themes)


@given(st.permutations(["surprise", "private", "party", ADDRESS]))
def test_the_order_of_words_does_not_matter(given_words):
    parsed = ParsedCommand(ADDRESS, "Party", surprise=True, private=True)

    assert parse_command(" ".join(given_words), THEMES) == parsed


@given(st.text())
def test_a_quoted_word_is_short_and_no_markup(word):
    shown = quoted(word)

    assert "<" not in shown
    assert "`" not in shown
    assert shown.isprintable()
    assert len(shown) <= MAX_QUOTED_CHARACTERS * len("&amp;")


@pytest.mark.parametrize(
    ("user", "admin"),
    [
        ({}, False),
        ({"team_id": "T1"}, False),
        ({"team_id": "T1", "is_admin": False}, False),
        ({"team_id": "T1", "is_admin": True}, True),
        ({"team_id": "T1", "is_owner": True}, True),
        ({"team_id": "T1", "is_primary_owner": True}, True),
        # Somebody's admin, but not ours.
        ({"team_id": "T2", "is_admin": True}, False),
        ({"is_admin": True}, False),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E2"}}, False),
        (
            {"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}
            | {"is_admin": True},
            True,
        ),
        ({"enterprise_user": {"enterprise_id": "E1", "is_owner": True}}, True),
        ({"enterprise_user": {"enterprise_id": "E2", "is_owner": True}}, False),
        ({"enterprise_user": {"enterprise_id": "", "is_owner": True}}, False),
    ],
)
def test_who_decides_for_a_workspace(user, admin):
    assert is_admin(user, Workspace("T1", "E1")) is admin
