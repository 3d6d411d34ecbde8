"""What words around a mention, or after the command, are for: a few dozen in English.

They only decide between a picture, a reaction, the help and a question.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

#: What ends a sentence; alone, a question mark asks for help.
ENDINGS = ".?!…:"
#: Words around a mention by what they are for. A message asks for a picture with the
#: first; with the second, if it points at something too, or if it is short.
_ASKS = frozenset({"please", "pls", "plz", "emojify", "emojified"})
_VERBS = frozenset(
    {"can", "could", "would", "will", "do", "try", "make", "take", "put"}
)
POINTS = frozenset(
    {
        "this",
        "that",
        "these",
        "those",
        "one",
        "ones",
        "picture",
        "pictures",
        "photo",
        "photos",
        "pic",
        "pics",
        "image",
        "images",
        "above",
    }
)
_THINGS = frozenset({"it", "them", "him", "her", "us", "me", "face", "faces"})
#: Whatever else is said with one of these, nobody asks for emoji with it.
_AGAINST = frozenset(
    {
        "not",
        "no",
        "nope",
        "don't",
        "dont",
        "never",
        "stop",
        "delete",
        "remove",
        "undo",
        "cancel",
        "leave",
        "away",
        "without",
    }
)
_STATES = frozenset({"is", "was", "are", "were", "isn't", "does", "doesn't"})
_QUESTIONS = frozenset({"how", "what", "why", "who", "when", "where", "which"})
#: What may stand before a question; words of one about the bot, which means no picture.
_GREETINGS = frozenset({"hi", "hello", "hey", "ok", "okay", "so", "and", "but", "um"})
_OF_THE_BOT = frozenset({"work", "works", "use", "using", "you", "your", "bot"})
_THANKS = frozenset(
    {
        "thanks",
        "thank",
        "thx",
        "ty",
        "cheers",
        "great",
        "nice",
        "cool",
        "lol",
        "haha",
        "wow",
        "love",
        "perfect",
        "awesome",
        "lovely",
        "brilliant",
        "danke",
        "merci",
        "gracias",
        "grazie",
    }
)
#: Words of a question about what the bot keeps, and those beside a theme's name.
_PRIVACY = frozenset({"privacy", "gdpr", "stored", "store", "saved", "data"})
OF_A_THEME = frozenset({"theme", "use", "the", "with"})
#: What may stand after the command among what it means: "plz do the last pic".
POLITE = (
    _ASKS
    | _VERBS
    | POINTS
    | _THINGS
    | _THANKS
    | _GREETINGS
    | {"a", "the", "my", "our", "to", "of", "on", "in", "for", "with", "last", "latest"}
    | {"newest", "emoji", "emojis", "now", "just", "you", "all", "both"}
)
#: ``:heart:``; those against something.
_EMOJI_NAME = re.compile(r":[\w+'-]+:")
THUMBS_DOWN = frozenset({"\N{THUMBS DOWN SIGN}", ":-1:", ":thumbsdown:"})
#: Longest message that asks by pointing alone: "and that one too". One word less may
#: stand around an order.
SHORT_WORDS = 4


class OtherWords(StrEnum):
    """What the words of a message say beside options and addresses."""

    NONE = "none"
    #: "Can you do this one, please?"
    REQUEST = "request"
    #: "How does this work?"
    QUESTION = "question"
    #: "Is my photo stored?"
    PRIVACY = "privacy"
    #: "Thanks!"
    THANKS = "thanks"
    #: "Please delete this", "not this one".
    AGAINST = "against"
    UNCLEAR = "unclear"


def meaning_of(
    others: list[str], *, asks: bool = False, wants_help: bool = False
) -> OtherWords:
    """Return what words are for that name no option.

    Args:
        others: The words, in order, with the marks that end sentences.
        asks: The options beside them ask for a picture,
        wants_help: or for help.
    """
    listed = [bare(word) for word in others]
    words = set(listed)
    if not listed:
        return OtherWords.NONE
    if not words.isdisjoint(_AGAINST) or words >= {"take", "down"}:
        return OtherWords.AGAINST
    asks = asks or not words.isdisjoint(_ASKS)
    may_ask = not words.isdisjoint(_VERBS)
    if not (words.isdisjoint(_THANKS) or asks or may_ask):
        return _after_thanks(others, listed)
    begins = next((word for word in listed if word not in _GREETINGS), "")
    is_question = begins in _QUESTIONS and "about" not in words
    if is_question and not words.isdisjoint(_OF_THE_BOT):
        return OtherWords.QUESTION
    named = not words.isdisjoint(POINTS | _THINGS)
    means = asks or (may_ask and named) or _points(listed)
    if means and not is_question and not wants_help:
        return OtherWords.REQUEST
    return OtherWords.UNCLEAR if words.isdisjoint(_PRIVACY) else OtherWords.PRIVACY


def _points(listed: list[str]) -> bool:
    """Return whether a few words ask by pointing at something: "and that one too"."""
    words = set(listed)
    is_short = len(listed) <= SHORT_WORDS and words.isdisjoint(_STATES)
    return is_short and not words.isdisjoint(POINTS)


def _after_thanks(others: list[str], listed: list[str]) -> OtherWords:
    """Return what words are for that thank: what they ask after that counts more."""
    last = max(place for place, word in enumerate(listed) if word in _THANKS)
    tail = others[last + 1 :]
    if tail and (tail[-1].endswith("?") or listed[last + 1] in _QUESTIONS):
        asked = meaning_of(tail)
        if asked is not OtherWords.UNCLEAR:
            return asked
    return OtherWords.THANKS


def is_emoji(word: str) -> bool:
    """Return whether a word is an emoji by name, or nothing but emoji."""
    signs = (one > "\x7f" and unicodedata.category(one) in {"So", "Sk"} for one in word)
    return bool(_EMOJI_NAME.fullmatch(word)) or all(signs)


def bare(word: str) -> str:
    """Return a word without what surrounds it, in lower case."""
    plain = word.strip(ENDINGS + "()").casefold()
    return plain.replace("’", "'")  # noqa: RUF001 - as people type it
