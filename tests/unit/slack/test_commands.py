"""Words after the command and around a mention, and who may switch the bot off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.domain import Workspace
from emojifier_bot.slack.commands import (
    MAX_CHARACTERS,
    MAX_WORDS,
    ParsedCommand,
    ParseError,
    SettingsCommand,
    is_admin,
    parse_command,
    parse_mention,
)
from emojifier_bot.slack.messages import (
    MAX_QUOTED_CHARACTERS,
    quoted,
    render_message,
)
from emojifier_bot.slack.words import OtherWords

THEMES = ("classic", "Party")
ADDRESS = "https://pictures.example/party.jpg"


def named(*addresses: str, **more: object) -> ParsedCommand:
    return ParsedCommand(addresses, **more)


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
        (
            "nonsense help",
            ParsedCommand(help=True, other_words=OtherWords.UNCLEAR),
        ),
        (ADDRESS, named(ADDRESS)),
        (f"<{ADDRESS}>", named(ADDRESS)),
        (f"<{ADDRESS}|party, all of us>", named(ADDRESS)),
        (f"“{ADDRESS}”", named(ADDRESS)),
        (f"'{ADDRESS}', surprise", named(ADDRESS, surprise=True)),
        ("https://h.example/a_(b)", named("https://h.example/a_(b)")),
        ("https://h/?a=1&amp;b=2", named("https://h/?a=1&b=2")),
        ("https://h/?a=1&copy=2", named("https://h/?a=1&copy=2")),
        ("HTTPS://h.example/A", named("HTTPS://h.example/A")),
        (f"{ADDRESS} {ADDRESS}", named(ADDRESS)),
        (f"{ADDRESS}2 {ADDRESS} {ADDRESS}2", named(f"{ADDRESS}2", ADDRESS)),
        (
            "private party Surprise",
            ParsedCommand(theme="Party", surprise=True, private=True),
        ),
        (
            f"classic {ADDRESS} private",
            named(ADDRESS, theme="classic", private=True),
        ),
        ("again", ParsedCommand(again=True, surprise=True)),
        ("privately", ParsedCommand(private=True)),
        ("just for me", ParsedCommand(private=True)),
        ("???", ParsedCommand(help=True)),
        ("redo, private", ParsedCommand(again=True, surprise=True, private=True)),
        ("another", ParsedCommand(again=True, surprise=True)),
        ("one more", ParsedCommand(again=True, surprise=True)),
        # What nobody sees is no word, and no part of one.
        ("\u200b", ParsedCommand()),
        ("\u2060 \ufeff \u3164 \U000e0020", ParsedCommand()),
        ("sur\u200bprise\ufe0f", ParsedCommand(surprise=True)),
        (f"\u200e{ADDRESS}\u2060", named(ADDRESS)),
        ("\ufeffopt\u00a0out\u200b", ParsedCommand(settings=SettingsCommand.OPT_OUT)),
        ("classic party", ParsedCommand(theme="Party")),
        # After the command people write sentences, too.
        ("plz do the last pic", ParsedCommand(other_words=OtherWords.REQUEST)),
        ("this one please", ParsedCommand(other_words=OtherWords.REQUEST)),
        (
            "party, please!",
            ParsedCommand(theme="Party", other_words=OtherWords.REQUEST),
        ),
        (
            "great, do it again",
            ParsedCommand(again=True, surprise=True, other_words=OtherWords.REQUEST),
        ),
        (f"{ADDRESS} thanks", named(ADDRESS, other_words=OtherWords.THANKS)),
        ("thank you", ParsedCommand(other_words=OtherWords.THANKS)),
        ("how does this work?", ParsedCommand(other_words=OtherWords.QUESTION)),
        ("privacy", ParsedCommand(other_words=OtherWords.PRIVACY)),
        ("theme party", ParsedCommand(theme="Party")),
        ("use the party theme", ParsedCommand(theme="Party")),
        ("stop", ParsedCommand(other_words=OtherWords.AGAINST)),
        ("delete this please", ParsedCommand(other_words=OtherWords.AGAINST)),
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
        ("😂", "unknown_option", {"word": "😂", "guess": "everyone 😂"}),
        ("photo.jpg", "not_a_url", {"word": "photo.jpg"}),
        ("www.example.com", "not_a_url", {"word": "www.example.com"}),
        ("example.com/a.png", "not_a_url", {"word": "example.com/a.png"}),
        ("ftp://h.example/a", "not_a_url", {"word": "ftp://h.example/a"}),
        ("http://", "not_a_url", {"word": "http://"}),
        ("http://[::", "not_a_url", {"word": "http://[::"}),
        ("http://h:port/", "not_a_url", {"word": "http://h:port/"}),
        (
            " ".join(f"{ADDRESS}{number}" for number in range(11)),
            "several_addresses",
            {"addresses": "10"},
        ),
        (f"{ADDRESS} nix wie", "unknown_option", {"word": "nix", "guess": ""}),
        # What nobody knows is not passed over among polite words.
        (
            "suprise me please",
            "unknown_option",
            {"word": "suprise", "guess": "surprise"},
        ),
        (
            "with sunglasses please",
            "unknown_option",
            {"word": "sunglasses", "guess": ""},
        ),
        (f"{ADDRESS} no thanks", "unknown_option", {"word": "no", "guess": ""}),
        ("x" * 8001, "too_long", {"characters": "8,000", "words": "400"}),
        ("party " * 401, "too_long", {"characters": "8,000", "words": "400"}),
        ("opt-in please", "order_alone", {"word": "opt in"}),
        ("surprise party on classic", "order_alone", {"word": "on"}),
        ("off please", "order_alone", {"word": "off"}),
        ("surprise ON", "order_alone", {"word": "on"}),
    ],
)
def test_words_that_mean_nothing_are_an_error(text, kind, facts):
    assert parse_command(text, THEMES) == ParseError(kind, facts)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("<@UBOT>", ParsedCommand()),
        ("<@UBOT> surprise", ParsedCommand(surprise=True)),
        (
            "<@UBOT|emojify> thanks for that",
            ParsedCommand(other_words=OtherWords.THANKS),
        ),
        (
            "please <@UBOT>, a party!",
            ParsedCommand(theme="Party", other_words=OtherWords.REQUEST),
        ),
        (f"<@UBOT> <{ADDRESS}>", named(ADDRESS)),
        ("surprise me! <@UBOT>", ParsedCommand(surprise=True, other_words="unclear")),
        ("<@UBOT> again?", ParsedCommand(again=True, surprise=True)),
        ("<@UBOT> another!", ParsedCommand(again=True, surprise=True)),
        ("<@UBOT> once more", ParsedCommand(again=True, surprise=True)),
        ("One more time <@UBOT>", ParsedCommand(again=True, surprise=True)),
        (
            "great, thanks! one more? <@UBOT>",
            ParsedCommand(again=True, surprise=True, other_words=OtherWords.REQUEST),
        ),
        (
            "<@UBOT> do this one, only for me",
            ParsedCommand(private=True, other_words=OtherWords.REQUEST),
        ),
        ("<@UBOT> ??", ParsedCommand(help=True)),
        (
            "<@UBOT> everyone 😂 thanks",
            ParsedCommand(words=("everyone", "😂"), other_words=OtherWords.REQUEST),
        ),
        (
            "<@UBOT> privately, thanks",
            ParsedCommand(private=True, other_words=OtherWords.REQUEST),
        ),
        (
            "what a surprise, thanks <@UBOT>",
            ParsedCommand(surprise=True, other_words=OtherWords.THANKS),
        ),
        (
            "<@UBOT> let me see it first",
            ParsedCommand(preview=True, other_words=OtherWords.REQUEST),
        ),
        ("<@UBOT> thanks again!", ParsedCommand(other_words=OtherWords.THANKS)),
        (
            "<@UBOT> try another",
            ParsedCommand(again=True, surprise=True, other_words=OtherWords.REQUEST),
        ),
        (
            "<@UBOT> try again",
            ParsedCommand(again=True, surprise=True, other_words=OtherWords.REQUEST),
        ),
        (
            "<@UBOT> put emoji on this one",
            ParsedCommand(other_words=OtherWords.REQUEST),
        ),
    ],
)
def test_a_mention_may_hold_other_words(text, parsed):
    assert parse_mention(text, THEMES) == parsed


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("off please", "order_alone"),
        ("please turn off", "order_alone"),
        ("surprise ON", "order_alone"),
        ("I would like to opt in again", "order_alone"),
        (" ".join(f"{ADDRESS}{number}" for number in range(11)), "several_addresses"),
    ],
)
def test_what_a_mention_must_not_pass_over(text, kind):
    assert parse_mention(text, THEMES).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "please opt out",
        "opt out please!",
        "opt me out",
        "I want to opt-out now",
        "Optout.",
    ],
)
def test_an_opt_out_is_understood_among_other_words(text):
    wanted = ParsedCommand(settings=SettingsCommand.OPT_OUT)

    assert parse_mention(f"<@U1> {text}", THEMES) == wanted
    assert parse_command(text, THEMES) == wanted


def test_of_a_long_text_the_beginning_is_read():
    words = parse_mention(f"party {'x ' * MAX_CHARACTERS} private", THEMES)
    assert (words.theme, words.private) == ("Party", False)
    assert words.other_words == OtherWords.UNCLEAR

    # Not half an address.
    cut = parse_mention(f"{'x' * (MAX_CHARACTERS - 30)} {ADDRESS}", THEMES)
    assert cut.addresses == ()
    assert (
        parse_mention("https://a.example/" + "x" * MAX_CHARACTERS, ()).addresses == ()
    )

    many = parse_command("party " * (MAX_WORDS + 1), THEMES)
    assert isinstance(many, ParseError)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("IMG_2024_01.png", "IMG_2024_01.png"),
        ("a*b~c_d", "a*b~c_d"),
        ("~backup~.png", "backup.png"),
        ("_why_ *not*", "why not"),
        ("a__b `c`", "ab c"),
    ],
)
def test_a_name_keeps_what_is_no_markup_within_a_word(name, shown):
    assert quoted(name) == shown


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
    parsed = named(ADDRESS, theme="Party", surprise=True, private=True)

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


@pytest.mark.parametrize(
    ("text", "expected", "more"),
    [
        ("skip 2", ("skip", "2"), {}),
        ("only 1-3 surprise", ("only", "1-3"), {"surprise": True}),
        (f"3=😎 {ADDRESS}", ("3=😎",), {"addresses": (ADDRESS,)}),
        ("3=:sunglasses:", ("3=:sunglasses:",), {}),
        ("everyone 😂", ("everyone", "😂"), {}),
        ("everyone party party", ("everyone", "party"), {"theme": "Party"}),
        ("swap 1 4, opposite", ("swap", "1", "4,", "opposite"), {}),
        ("cover", ("cover",), {}),
        ("Mosaic private", ("mosaic",), {"private": True}),
        ("skip 2, 5 classic", ("skip", "2,", "5"), {"theme": "classic"}),
    ],
)
def test_words_for_single_faces(text, expected, more):
    commanded, mentioned = parse_command(text, THEMES), parse_mention(text, THEMES)

    assert [one.strip(",") for one in commanded.words] == [
        one.strip(",") for one in expected
    ]
    assert commanded == ParsedCommand(words=commanded.words, **more)
    if "party" not in text:
        assert mentioned == commanded


@pytest.mark.parametrize(
    "text", ["skip", "skip two", "only", "swap 1", "everyone", "only 3-1"]
)
def test_words_for_single_faces_that_lack_something_are_one_sentence(text):
    wrong = parse_command(text, THEMES)

    assert wrong.kind == "plan"
    said = render_message(wrong.kind, **wrong.facts)
    assert said.startswith("What you asked for single faces is not possible. The ")
