"""What people say around a mention, and what it is taken for."""

from __future__ import annotations

import pytest

from emojifier_bot.slack.commands import parse_mention
from emojifier_bot.slack.words import OtherWords, is_emoji


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", OtherWords.NONE),
        ("can you do this one please?", OtherWords.REQUEST),
        ("Can you do this one, please", OtherWords.REQUEST),
        ("this one", OtherWords.REQUEST),
        ("and that one too", OtherWords.REQUEST),
        ("please", OtherWords.REQUEST),
        ("emojify!", OtherWords.REQUEST),
        ("could you do it", OtherWords.REQUEST),
        ("what about this one?", OtherWords.REQUEST),
        ("can you do this one, thanks", OtherWords.REQUEST),
        ("the photo above", OtherWords.REQUEST),
        ("thanks", OtherWords.THANKS),
        ("Thank you!!", OtherWords.THANKS),
        ("thanks, this is great", OtherWords.THANKS),
        ("lol nice", OtherWords.THANKS),
        ("love this one", OtherWords.THANKS),
        ("lol nice one", OtherWords.THANKS),
        ("thanks for that one!", OtherWords.THANKS),
        ("great, is it?", OtherWords.THANKS),
        ("\N{THUMBS UP SIGN}", OtherWords.THANKS),
        (":heart: :100:", OtherWords.THANKS),
        ("❤️", OtherWords.THANKS),
        (":-1:", OtherWords.AGAINST),
        ("\N{THUMBS DOWN SIGN}", OtherWords.AGAINST),
        ("…", OtherWords.UNCLEAR),
        # What is asked after the thanks counts more.
        ("great, thanks! and this one?", OtherWords.REQUEST),
        ("thanks! how does this work?", OtherWords.QUESTION),
        ("wow how does that work", OtherWords.QUESTION),
        ("delete this", OtherWords.AGAINST),
        ("please remove it, that is me", OtherWords.AGAINST),
        ("please stop", OtherWords.AGAINST),
        ("please don\u2019t", OtherWords.AGAINST),
        ("not this one please", OtherWords.AGAINST),
        ("no, never do this again", OtherWords.AGAINST),
        ("please leave my picture alone", OtherWords.AGAINST),
        ("can you take it down?", OtherWords.AGAINST),
        ("can you take the one down there?", OtherWords.AGAINST),
        ("Please go away!", OtherWords.AGAINST),
        ("what can you do?", OtherWords.QUESTION),
        ("how does this work?", OtherWords.QUESTION),
        ("Hi, what is this bot?", OtherWords.QUESTION),
        ("so how do I use it", OtherWords.QUESTION),
        ("how do I look?", OtherWords.UNCLEAR),
        ("are my photos stored?", OtherWords.PRIVACY),
        ("what about GDPR", OtherWords.PRIVACY),
        ("what data do you keep?", OtherWords.QUESTION),
        ("the chart with our data please", OtherWords.REQUEST),
        ("who is that?", OtherWords.UNCLEAR),
        ("this is broken", OtherWords.UNCLEAR),
        ("hello", OtherWords.UNCLEAR),
        ("help me with this", OtherWords.UNCLEAR),
    ],
)
def test_what_other_words_are_for(text, meaning):
    assert parse_mention(f"<@UBOT> {text}", ()).other_words == meaning


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        (":+1:", True),
        (":woman-shrugging:", True),
        ("\N{GRINNING FACE}\N{PARTY POPPER}", True),
        ("\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", True),
        ("^", False),
        ("…", False),
        ("a\N{GRINNING FACE}", False),
        ("über", False),
        (":", False),
    ],
)
def test_what_is_an_emoji(word, answer):
    assert is_emoji(word) is answer
