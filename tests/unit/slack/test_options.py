from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.slack.options import (
    TOLD_CHARACTERS,
    Misread,
    Order,
    Overheard,
    Wishes,
    overhear,
    parse_options,
    told,
)

THEMES = ("classic", "Party")
ADDRESS = "https://pictures.example/party.jpg"

words = st.sampled_from(
    ["surprise", "PRIVATE", "party", "help", "?", ADDRESS, f"<{ADDRESS}|a b>", "nix"]
)
anything = st.one_of(st.text(), st.lists(words | st.text(max_size=5)).map(" ".join))


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("", Wishes()),
        ("   ", Wishes()),
        ("help", Wishes(help=True)),
        ("?", Wishes(help=True)),
        ("nonsense help", Wishes(help=True)),
        (ADDRESS, Wishes(ADDRESS)),
        (f"<{ADDRESS}>", Wishes(ADDRESS)),
        (f"<{ADDRESS}|party, all of us>", Wishes(ADDRESS)),
        (f"“{ADDRESS}”", Wishes(ADDRESS)),
        (f"'{ADDRESS}', surprise", Wishes(ADDRESS, surprise=True)),
        ("https://h.example/a_(b)", Wishes("https://h.example/a_(b)")),
        ("https://h.example/?a=1&amp;b=2", Wishes("https://h.example/?a=1&b=2")),
        ("https://h.example/?a=1&copy=2", Wishes("https://h.example/?a=1&copy=2")),
        ("HTTPS://h.example/A", Wishes("HTTPS://h.example/A")),
        (f"{ADDRESS} {ADDRESS}", Wishes(ADDRESS)),
        ("private party Surprise", Wishes("", "Party", surprise=True, private=True)),
        (f"classic {ADDRESS} private", Wishes(ADDRESS, "classic", private=True)),
        ("classic party", Wishes(theme="Party")),
    ],
)
def test_words_that_mean_something(text, wishes):
    assert parse_options(text, THEMES) == wishes


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("suprise", "unknown_option", {"word": "suprise", "guess": "surprise"}),
        ("clasic", "unknown_option", {"word": "clasic", "guess": "classic"}),
        ("qqq", "unknown_option", {"word": "qqq", "guess": ""}),
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
    ],
)
def test_words_that_mean_nothing_are_told(text, kind, facts):
    assert parse_options(text, THEMES) == Misread(kind, facts)


@pytest.mark.parametrize(
    ("text", "wishes", "nothing_else"),
    [
        ("<@UBOT>", Wishes(), True),
        ("<@UBOT> surprise", Wishes(surprise=True), True),
        ("<@UBOT|emojify> thanks for that", Wishes(), False),
        ("please <@UBOT>, a party!", Wishes(theme="Party"), False),
        (f"<@UBOT> <{ADDRESS}>", Wishes(ADDRESS), True),
    ],
)
def test_a_message_may_hold_other_words(text, wishes, nothing_else):
    heard = overhear(text, THEMES)

    assert (heard.wishes, heard.nothing_else) == (wishes, nothing_else)


def test_an_address_is_not_in_the_repr():
    assert "example" not in repr(parse_options(ADDRESS, THEMES))


@given(anything, st.lists(st.text()))
def test_never_raises(text, themes):
    assert isinstance(parse_options(text, themes), Wishes | Misread)
    overhear(text, themes)


@given(st.permutations(["surprise", "private", "party", ADDRESS]))
def test_the_order_does_not_matter(given_words):
    wishes = Wishes(ADDRESS, "Party", surprise=True, private=True)

    assert parse_options(" ".join(given_words), THEMES) == wishes


@given(st.text())
def test_a_word_told_back_is_short_and_no_markup(word):
    shown = told(word)

    assert "<" not in shown
    assert "`" not in shown
    assert shown.isprintable()
    assert len(shown) <= TOLD_CHARACTERS * len("&amp;")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("off", Order.OFF),
        (" ON ", Order.ON),
        ("opt out", Order.OPT_OUT),
        ("Opt-Out", Order.OPT_OUT),
        ("optout!", Order.OPT_OUT),
        ('"opt   in"', Order.OPT_IN),
        ("opt-in", Order.OPT_IN),
    ],
)
def test_orders_stand_alone(text, order):
    assert parse_options(text, THEMES) == Wishes(order=order)
    heard = overhear(f"<@U1> {text}", THEMES)
    assert heard == Overheard(Wishes(order=order), nothing_else=True)


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("off please", "order_alone", {"word": "off"}),
        ("surprise ON", "order_alone", {"word": "on"}),
        ("opt", "unknown_option", {"word": "opt", "guess": "opt in"}),
    ],
)
def test_orders_among_other_words_are_none(text, kind, facts):
    assert parse_options(text, THEMES) == Misread(kind, facts)
    assert overhear(text, THEMES).wishes.order is None
