"""Which faces a sentence names: "the second", "the last two", "faces 2 to 4"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emojifier_bot.slack.words import POINTS

_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
_CARDINALS = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
LAST = "last"
#: ``2``, ``2nd``, ``1-3``, ``2,5``, ``last:2``.
_FIGURES = re.compile(
    r"((?:last:\d+|[\d-]*\d)(?:,(?:last(?::\d+)?|[\d-]*\d))*)(?:st|nd|rd|th)?", re.ASCII
)
FACES, _ONES = frozenset({"face", "faces", "number", "numbers"}), {"one", "ones"}
#: What may stand among the numbers, and before the first one.
_TO = frozenset({"to", "through", "-", "\N{EN DASH}"})
_BETWEEN = frozenset({"the", "and", "&", "+", "with", "from"}) | _TO
_BEFORE = _BETWEEN | {"out", "for", "on", "of", "do", "put", "emoji", "emojify"}
ARTICLES = frozenset({"a", "an", "the"})
_NO_WORDS: frozenset[str] = frozenset()
#: Words that may name the faces of one turn: nobody's message takes long to read.
_MOST_WORDS = 50
#: What is counted besides faces.
PICTURES = POINTS - _ONES - {"this", "that", "these", "those", "above"}
OTHER_THINGS = PICTURES | {"time", "times", "emoji", "emojis", "result"}
OTHER_THINGS |= {"seconds", "minutes", "hours", "day", "days", "weeks"}
#: Whom somebody may mean without a number.
PEOPLE = frozenset(
    {
        *("face", "faces", "guy", "guys", "man", "men", "woman", "women", "girl"),
        *("girls", "boy", "boys", "baby", "babies", "kid", "kids", "child", "children"),
        *("person", "people", "lady", "ladies", "boss", "him", "her", "me", "us"),
        *("mine", "left", "right", "middle", "front", "back", "last", *_ORDINALS),
        *_CARDINALS[1:],
    }
)
#: Behind a number, who or what is counted in place of faces: "the second guy"; or how
#: many there are: "2 faces", "2 of us".
_COUNTED = (PEOPLE - {*FACES, LAST, *_ORDINALS, *_CARDINALS}) | {"row", "half"}
_HOW_MANY = frozenset({"faces", "of"})
#: "The second from the right" is counted from there.
_SIDES = frozenset({"left", "right", "end", "back", "top", "bottom"})


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces that are named, and where the words for them end."""

    #: None, with an end, where those words cannot be counted on: "face 1 or".
    numbers: tuple[str, ...]
    end: int
    #: Whether the word "face" or "number" stands there.
    named: bool

    @property
    def text(self) -> str:
        """Return the numbers in one word."""
        return ",".join(self.numbers)


def faces_at(words: Sequence[str], at: int, *, within: bool = False) -> Faces:
    """Return the faces whose numbers stand at a place.

    Args:
        words: A sentence in lower case, without what ends it.
        at: The place.
        within: They must begin there, with none of the words before numbers.
    """
    numbers: list[str] = []
    end, named, before = at, False, ""
    for place in range(at, min(len(words), at + _MOST_WORDS)):
        word = words[place]
        may_follow = _BETWEEN if numbers else _NO_WORDS if within else _BEFORE
        if numbers and _means_others(numbers, words[place : place + 3], named=named):
            return Faces((), place + 1 if named or word == "faces" else at, False)
        if word in FACES:
            named = True
        elif not _add(numbers, word, before, named=named) and not (
            word in may_follow or (word in _ONES and numbers)
        ):
            if word in OTHER_THINGS or (before in _ORDINALS and word in POINTS):
                return Faces((), at, False)  # "the first picture" is no face
            break
        if numbers and word not in _BETWEEN:
            end = place + 1
        if not (before in _TO | {"from"} and word in FACES | ARTICLES):
            before = word
    return Faces(tuple(numbers), end, named)


def _means_others(numbers: list[str], after: Sequence[str], *, named: bool) -> bool:
    """Tell whether what follows numbers makes them mean other faces, or how many."""
    word = after[0]
    if word == "or" or (word == "from" and not _SIDES.isdisjoint(after)):
        return True
    is_alone = len(numbers) == 1 and numbers[0].isdigit()
    return not named and (word in _COUNTED or (is_alone and word in _HOW_MANY))


def speaks_of_faces(near: Sequence[str]) -> bool:
    """Tell whether words go on with somebody, or with how many: "2 of them"."""
    how_many = near[0].isdigit() and OTHER_THINGS.isdisjoint(near)
    return how_many or not PEOPLE.isdisjoint(near)


def _add(numbers: list[str], word: str, before: str, *, named: bool) -> bool:
    """Add a word to the numbers of faces, if it is one or goes with the last one."""
    count = _count(word)
    if count and before in {LAST, _ORDINALS[0]}:
        numbers[-1] = f"last:{count}" if before == LAST else f"1-{count}"
        return True
    is_noun = before in {LAST, _ORDINALS[0]} or _is_ordinal(before)  # "the last one"
    number = number_of(word, named=named and not is_noun)
    # "The second last", or "from last", is one more: no number, so it is refused.
    is_joined = before in _TO or (
        word == LAST and (before == "from" or _is_ordinal(before))
    )
    if number and numbers and is_joined:
        numbers[-1] += f"-{number}"
    elif number:
        numbers.append(number)
    return bool(number)


def number_of(word: str, *, named: bool) -> str:
    """Return a number in figures; "two" is one only after "faces"."""
    if figures := _FIGURES.fullmatch(word):
        return figures[1]
    if word == LAST:
        return LAST
    if word in _ORDINALS:
        return str(_ORDINALS.index(word) + 1)
    return str(_CARDINALS.index(word) + 1) if named and word in _CARDINALS else ""


def _is_ordinal(word: str) -> bool:
    """Tell whether it is "second", "3rd" and so on; "first" goes with no "last"."""
    return word in _ORDINALS[1:] or (word[:1].isdigit() and word[-1:].isalpha())


def _count(word: str) -> int:
    """Return how many: of "the first two", "the last 3"; 0 for none."""
    if word in _CARDINALS[1:]:
        return _CARDINALS.index(word) + 1
    return int(word) if re.fullmatch(r"\d{1,2}", word, re.ASCII) else 0
