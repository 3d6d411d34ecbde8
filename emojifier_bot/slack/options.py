"""Reads the words after ``/emojify``, and those around a mention. Pure; never raises.

Slack writes addresses as ``<https://host/path|label>`` and ``&`` as ``&amp;`` where it
escapes; people put quotes around them. Words come in any order and either case.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from urllib.parse import urlsplit

from emojifier_bot.errors import ErrorKind


class Order(StrEnum):
    """Words that ask for no picture, and stand alone."""

    OFF = "off"
    ON = "on"
    OPT_OUT = "opt out"
    OPT_IN = "opt in"


SURPRISE, PRIVATE, HELP = "surprise", "private", "help"
FLAGS = {SURPRISE: SURPRISE, PRIVATE: PRIVATE, HELP: HELP, "?": HELP}
#: Other spellings of orders.
SPELLINGS = {
    "opt-out": Order.OPT_OUT,
    "optout": Order.OPT_OUT,
    "opt-in": Order.OPT_IN,
    "optin": Order.OPT_IN,
}
#: Quotes that people put around a word, and what joins words in a sentence.
WRAPPING = "\"'`“”‘’«»„<>,;!"  # noqa: RUF001 - as people write them
#: All that Slack escapes; nothing else, for ``&copy=1`` is part of an address.
ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
#: A word that is told back to its writer is cut after this many characters.
TOLD_CHARACTERS = 60
#: How alike a word and its nearest guess must be, 0 to 1; `difflib` takes 0.6 too.
GUESS_LIKENESS = 0.6
#: ``<https://…|label>``: the label may hold spaces.
_ESCAPED_ADDRESS = re.compile(r"<(https?://[^|>\s]+)(?:\|[^>]*)?>", re.IGNORECASE)
#: ``<@U123>``, ``<@U123|name>``: a mention.
_MENTION = re.compile(r"<@[^>]*>")
#: ``host.example/path``, ``photo.jpg``, ``www.x``, ``ftp://x``: meant as an address.
_LIKE_ADDRESS = re.compile(r"^(\w[\w+.-]*://.*|www\..*|[\w-]+(\.[\w-]+)+(/.*)?)$")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wants."""

    #: Where the picture lies; empty for none named.
    address: str = field(default="", repr=False)
    #: Name of a theme; empty for the settings' own.
    theme: str = ""
    surprise: bool = False
    private: bool = False
    help: bool = False
    #: Something else than a picture; then all the rest is empty.
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Misread:
    """A word that says nothing: row of the table of sentences, and its facts."""

    kind: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Overheard:
    """Wishes among other words."""

    wishes: Wishes
    #: Whether there were no other words.
    nothing_else: bool


def parse_options(text: str, themes: Collection[str]) -> Wishes | Misread:
    """Read the words after the command; each must mean something.

    Args:
        text: As Slack sends it, escaped or not.
        themes: Names of the themes that may be asked for.
    """
    wishes, misread = _read(text, themes)
    if misread and not wishes.help:
        return misread[0]
    return wishes


def overhear(text: str, themes: Collection[str]) -> Overheard:
    """Read wishes out of a message to the bot; other words are passed over."""
    wishes, misread = _read(_MENTION.sub(" ", text), themes)
    return Overheard(wishes, nothing_else=not misread)


def _read(text: str, themes: Collection[str]) -> tuple[Wishes, list[Misread]]:
    named = {theme.casefold(): theme for theme in themes}
    words = _words(text)
    if order := _order(words):
        return Wishes(order=order), []
    given: dict[str, str] = {}
    flags: set[str] = set()
    misread: list[Misread] = []
    for word in words:
        lower = word.casefold()
        if lower in FLAGS:
            flags.add(FLAGS[lower])
        elif lower in named:
            given["theme"] = named[lower]
        elif is_address(word):
            if given.setdefault("address", word) != word:
                misread.append(Misread(ErrorKind.SEVERAL_ADDRESSES, {}))
        else:
            misread.append(_misread(word, [*named, *FLAGS, *Order]))
    wishes = Wishes(
        address=given.get("address", ""),
        theme=given.get("theme", ""),
        surprise=SURPRISE in flags,
        private=PRIVATE in flags,
        help=HELP in flags,
    )
    return wishes, misread


def _order(words: list[str]) -> Order | None:
    said = " ".join(words).casefold()
    spelled = SPELLINGS | {str(order): order for order in Order}
    return spelled.get(said)


def _words(text: str) -> list[str]:
    plain = _ESCAPED_ADDRESS.sub(r" \1 ", text)
    for escaped, character in ESCAPES:
        plain = plain.replace(escaped, character)
    words = (word.strip(WRAPPING) for word in plain.split())
    return [word for word in words if word]


def is_address(word: str) -> bool:
    """Tell whether a word is a whole http address."""
    try:
        parts = urlsplit(word)
        web = parts.scheme in ("http", "https")
        return web and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as for "http://[::" and "http://host:port"
        return False


def _misread(word: str, known: list[str]) -> Misread:
    if _LIKE_ADDRESS.match(word):
        return Misread(ErrorKind.NOT_A_URL, {"word": told(word)})
    if word.casefold() in (Order.OFF, Order.ON):
        return Misread(ErrorKind.ORDER_ALONE, {"word": word.casefold()})
    guesses = get_close_matches(word.casefold(), known, 1, GUESS_LIKENESS)
    return Misread(
        ErrorKind.UNKNOWN_OPTION, {"word": told(word), "guess": "".join(guesses)}
    )


def told(word: str) -> str:
    """Return a word as a message may repeat it: short, nothing in it is markup."""
    shown = "".join(one for one in word if one.isprintable() and one not in "`*_~")
    if len(shown) > TOLD_CHARACTERS:
        shown = shown[: TOLD_CHARACTERS - 1] + "…"
    return html.escape(shown, quote=False)
