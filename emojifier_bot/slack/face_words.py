"""What a sentence asks for single faces, in the words of `vision.edits`.

"Skip the second face", "the last two as 😎", "cover all but the first": some dozen
turns in English. What else speaks of faces is returned as not understood, so that
nothing that somebody says of them is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from emojifier_bot.slack.words import POINTS, POLITE, SHORT_WORDS, bare, is_emoji
from emojifier_bot.vision.edits import COVERS, parse_use

#: What goes before faces, and the word of `vision.edits` for it.
_VERBS = {
    **dict.fromkeys(("skip", "leave", "ignore"), "skip"),
    **dict.fromkeys(("swap", "switch", "exchange"), "swap"),
    **{word: word for word in ("only", *COVERS)},
    "just": "only",
}
#: Of these, words that are said of much else.
_COMMON = frozenset({"leave", "ignore", "switch", "exchange"})
#: "The rest" too: what is said of single faces comes after what all get.
_ALL = frozenset({"everyone", "everybody", "all", "every", "rest", "others"})
_EXCEPT = frozenset({"except", "excluding", "without", "not", "but", "don't", "dont"})
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
_CARDINALS = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_LAST = "last"
#: ``2``, ``2nd``, ``1-3``, ``2,5``, ``last:2``.
_FIGURES = re.compile(
    r"((?:last:\d+|[\d-]*\d)(?:,(?:last(?::\d+)?|[\d-]*\d))*)(?:st|nd|rd|th)?", re.ASCII
)
_FACES, _ONES = frozenset({"face", "faces", "number", "numbers"}), {"one", "ones"}
#: What may stand among the numbers, and before the first one.
_BETWEEN = frozenset({"the", "and", "to", "through", "with", "from"})
_BEFORE = _BETWEEN | {"out", "for", "on", "of", "do", "put", "emoji", "emojify", "not"}
_TO = frozenset({"to", "through"})
#: Goes between faces and what they get, before any name or before an emoji alone.
_AS = frozenset({"as", "gets", "get", "becomes", "become", "into", "="})
_WITH = frozenset({"with", "to", "is", "are"})
_GIVING = frozenset({"make", "give", "turn"})
_ON = frozenset({"for", "on", "over", "onto"})
_ARTICLES = frozenset({"a", "an", "the"})
_NO_WORDS: frozenset[str] = frozenset()
#: Words that may name the faces of one turn: nobody's message takes long to read.
_MOST_WORDS = 50
#: What is counted besides faces.
_OTHER_THINGS = POINTS - _ONES - {"this", "that", "these", "those", "above"}
_OTHER_THINGS |= {"time", "times", "day", "days", "emoji", "emojis", "result"}
#: Whom somebody may mean without a number.
_PEOPLE = frozenset(
    {
        *("face", "faces", "guy", "guys", "man", "men", "woman", "women", "girl"),
        *("girls", "boy", "boys", "baby", "babies", "kid", "kids", "child", "children"),
        *("person", "people", "lady", "ladies", "boss", "him", "her", "me", "us"),
        *("mine", "left", "right", "middle", "front", "back", "last", *_ORDINALS),
        *_CARDINALS[1:],
    }
)
_AFTER_LEAVING = re.compile(r"(?:alone|out|as (?:it|they) (?:is|are)|as is)\b")


@dataclass(frozen=True, slots=True)
class _Faces:
    """Faces that are named, and where the words for them end."""

    numbers: tuple[str, ...]
    end: int
    #: Whether the word "face" or "number" stands there.
    named: bool

    @property
    def text(self) -> str:
        return ",".join(self.numbers)


@dataclass(slots=True)
class FaceWords:
    """A sentence as it is read."""

    #: What it asks for, in the words of `vision.edits`.
    found: list[str] = field(default_factory=list)
    #: What is said beside that,
    others: list[str] = field(default_factory=list)
    #: and what of it speaks of faces.
    not_understood: list[str] = field(default_factory=list)
    #: Whether anything of it asks for something, as far as can be told.
    is_order: bool = False

    @property
    def problem(self) -> str:
        """Return what is not understood, in a sentence; empty for nothing."""
        if not self.not_understood:
            return ""
        found = f"I understood “{' '.join(self.found)}”, but not" if self.found else ""
        wrong = " and ".join(f"“{one}”" for one in self.not_understood[:3])
        return f"{found or 'I did not understand'} {wrong}."


def read_face_words(words: Sequence[str], *, is_command: bool = True) -> FaceWords:
    """Read what a sentence asks for single faces.

    Args:
        words: The sentence.
        is_command: Nothing else is asked for in it; after a mention it may be about
            anything, with "only" and "everyone" as words like others.

    >>> read_face_words("leave out the first two faces please".split()).found
    ['skip', '1-2']
    >>> read_face_words("the last one as grin, cover face 2".split()).found
    ['last=grin', '2=cover']
    >>> read_face_words("skip 1 please, face 2 funny".split()).problem
    'I understood “skip 1”, but not “face 2 funny”.'
    >>> read_face_words("only the last pic".split()).others
    ['just', 'the', 'last', 'pic']
    """
    reader = _Reader([*words], is_command)
    at = 0
    while at < len(words):
        at = reader.step(at)
    reader.end()
    return reader.read


class _Reader:
    """Reads a sentence from its beginning; each method returns where it goes on.

    That is where it began for a turn that is not there.
    """

    def __init__(self, words: list[str], is_command: bool) -> None:
        self.read = FaceWords()
        self._words, self._is_command = words, is_command
        #: Where "last" stands that may mean a face.
        self._lasts: list[int] = []
        # What may be asked for beyond the end: nothing.
        self._plain = [bare(one.strip(",")) for one in words] + [""] * (SHORT_WORDS + 2)

    def step(self, at: int) -> int:
        """Read one turn, or pass over one word."""
        turns = (self._exact, self._verb, self._all, self._left_out, self._on)
        for turn in (*turns, self._given):
            if (end := turn(at)) > at:
                return end
        self._pass_over(at)
        return at + 1

    def _pass_over(self, at: int) -> None:
        self.read.others.append(self._words[at])
        near = self._plain[at : at + SHORT_WORDS]
        if self._plain[at] == _LAST and _OTHER_THINGS.isdisjoint(near):
            self._lasts.append(at)

    def end(self) -> None:
        """Note each "last" that goes with none of what is asked for."""
        if self.read.found and self._is_command:
            for at in self._lasts:
                self._miss(at, at + 1)

    def _miss(self, at: int, end: int) -> None:
        """Note words that are not understood."""
        self.read.not_understood.append(" ".join(self._words[at:end]))

    def _miss_order(self, at: int, near: Sequence[str]) -> int:
        """Note a word that asks for something, and what follows it."""
        self.read.is_order = True
        self.read.others.append(self._words[at])
        self._miss(at, at + 1 + len([one for one in near if one]))
        return at + 1

    def _find(self, *words: str) -> None:
        self.read.is_order = True
        self.read.found += words

    # Turns.

    def _exact(self, at: int) -> int:
        """``3=😎``, ``opposite``, ``also 120,80,60x60``."""
        word = self._words[at].strip(",")
        if self._plain[at] == "opposite":
            self._find("opposite")
            return at + 1
        if self._plain[at] == "also" and re.match(r"\d+,\d+,", self._plain[at + 1]):
            self._find("also", self._plain[at + 1])
            return at + 2
        if re.match(r"(last(:\d+)?|\d[\d,-]*)=.", word, re.IGNORECASE | re.ASCII):
            parse_use(word)
            self._find(word)
            return at + 1
        return at

    def _verb(self, at: int) -> int:
        """``skip 2``, ``only the first``, ``swap 1 4``, ``cover all but the last``."""
        verb = _VERBS.get(self._plain[at])
        if verb is None:
            return at
        but = self._all_but(at + 1)
        faces = but or self._faces(at + 1)
        end = self._after_leaving(faces.end) if verb == "skip" else faces.end
        if self._plain[at] == "just" and not faces.named:
            return at
        if not faces.numbers:
            return self._verb_alone(at, verb)
        if but and verb == "skip":
            self._find("only", *faces.numbers)
        elif but and verb in COVERS:
            self._find(verb, "skip", *faces.numbers)
        elif verb in COVERS:
            kind, end = self._cover(verb, end)
            self._find(f"{faces.text}={kind}")
        else:
            self._find(verb, *faces.numbers)
        return end

    def _verb_alone(self, at: int, verb: str) -> int:
        """``cover``, ``mosaic``, or a word like others, or one that lacks faces."""
        near = [one for one in self._plain[at + 1 : at + 1 + SHORT_WORDS] if one]
        of_pictures = not POINTS.isdisjoint(near)
        if verb in COVERS:
            kind, end = self._cover(verb, self._all_faces(at + 1))
            self._find(kind)
            return end
        if verb == "only" and of_pictures:
            self.read.others.append("just")
            return at + 1
        lacks = not _PEOPLE.isdisjoint(near) or (verb != "only" and not near)
        if self._plain[at] in _COMMON or of_pictures or not (self._is_command or lacks):
            return at
        return self._miss_order(at, near)

    def _all(self, at: int) -> int:
        """``everyone 😂``, ``all faces as 😂``, ``everybody but the second``."""
        if self._plain[at] not in _ALL:
            return at
        begin = self._all_faces(at)
        but = self._all_but(at)
        bare_name = self._is_command and self._plain[at] == "everyone"
        given = self._name(but.end if but else begin, any_name=bare_name)
        near = self._plain[begin : begin + SHORT_WORDS]
        if not given and but is None and near[0] in _EXCEPT:
            return at if _PEOPLE.isdisjoint(near) else self._miss_order(at, near)
        if not given and but is None:
            if not bare_name:
                return at
            if begin >= len(self._words) or self._faces(begin, within=True).numbers:
                return self._miss_order(at, self._plain[at + 1 : begin + 1])
            given = self._words[begin].strip(","), begin + 1
        if given:
            self._find("everyone", given[0])
        if but:
            self._find("skip", *but.numbers)
        return given[1] if given else but.end if but else at

    def _left_out(self, at: int) -> int:
        """``except the second``, ``not face 2``; "all", said before, goes with it."""
        if self._plain[at] not in _EXCEPT - {"but"}:
            return at
        faces = self._faces(at + 1)
        if faces.numbers:
            self._take_back(_ALL | _FACES)
            self._find("skip", *faces.numbers)
            return faces.end
        near = self._plain[at + 1 : at + SHORT_WORDS]
        is_general = self._plain[at] in {"don't", "dont"} or _PEOPLE.isdisjoint(near)
        if is_general or not _OTHER_THINGS.isdisjoint(near):
            return at
        return self._miss_order(at, near)

    def _on(self, at: int) -> int:
        """``😎 on face 2``, ``😂 for everyone``, ``sunglasses on the second face``."""
        name = self._words[at].strip(",")
        emoji = bool(name) and is_emoji(name)
        if self._plain[at + 1] not in _ON or not (emoji or self._is_name(at)):
            return at
        faces = self._faces(at + 2)
        if emoji and self._plain[at + 2] in _ALL:
            self._find("everyone", name)
            return self._all_faces(at + 2)
        if faces.numbers and (emoji or faces.named):
            self._find(f"{faces.text}={name}")
            return faces.end
        return at

    def _given(self, at: int) -> int:
        """``face 2 as 😎``, ``the last two 😎``, ``2 as grin``, ``face 2 as it is``."""
        faces = self._faces(at, within=True)
        if not faces.numbers:
            return at
        after = self._after_leaving(faces.end)
        if faces.named and after > faces.end:
            self._find("skip", *faces.numbers)
            return after
        if self._plain[faces.end] == "only":
            self._find("only", *faces.numbers)
            return faces.end + 1
        before = [one for one in self._plain[:at] if one not in _ARTICLES][-1:]
        any_name = faces.named and not _GIVING.isdisjoint(before)
        if given := self._name(faces.end, any_name=any_name):
            self._take_back(_ARTICLES)
            self._take_back(_GIVING)
            self._find(f"{faces.text}={given[0]}")
            return given[1]
        if not faces.named:
            return at
        self.read.others += self._words[at : faces.end]
        self._miss(at, min(faces.end + 1, len(self._words)))
        return faces.end

    # Parts.

    def _take_back(self, words: Collection[str]) -> None:
        """Take words back that were passed over, since they go with what follows."""
        others = self.read.others
        while others and bare(others[-1]) in words:
            others.pop()

    def _name(self, at: int, *, any_name: bool) -> tuple[str, int] | None:
        """Return what somebody gets and where that ends, if it stands there."""
        joined = self._plain[at]
        begin = at + (joined in _AS | _WITH)
        while self._plain[begin] in _ARTICLES:
            begin += 1
        if begin >= len(self._words):
            return None
        name = self._words[begin].strip(",")
        known = is_emoji(name) or self._plain[begin] in COVERS
        is_name = (joined in _AS or (any_name and begin == at)) and self._is_name(begin)
        return (name, begin + 1) if name and (known or is_name) else None

    def _is_name(self, at: int) -> bool:
        """Tell whether a word may be the name of an emoji."""
        word = self._plain[at]
        is_other = word in POLITE | _EXCEPT | _VERBS.keys() or bool(
            _number(word, named=True)
        )
        return word.replace("_", "").replace("-", "").isalnum() and not is_other

    def _cover(self, kind: str, at: int) -> tuple[str, int]:
        """Return the kind of a cover, which may follow: ``with a mosaic``."""
        end = at + (self._plain[at] == "with")
        end += self._plain[end] in _ARTICLES
        follows = self._plain[at] == "with" and self._plain[end] in COVERS
        return (self._plain[end], end + 1) if follows else (kind, at)

    def _all_faces(self, at: int) -> int:
        """Return where ``all of the faces`` ends."""
        words = _ALL | _FACES | {"of", "the", "them", "it"}
        while self._plain[at] in words:
            at += 1
        return at

    def _all_but(self, at: int) -> _Faces | None:
        """Return the faces of ``all but the second``."""
        end = self._all_faces(at)
        if end == at or self._plain[end] not in _EXCEPT:
            return None
        faces = self._faces(end + 1)
        return faces if faces.numbers else None

    def _after_leaving(self, at: int) -> int:
        """Return where ``as it is`` ends."""
        rest = _AFTER_LEAVING.match(" ".join(self._plain[at : at + SHORT_WORDS]))
        return at + len(rest[0].split()) if rest else at

    def _faces(self, at: int, *, within: bool = False) -> _Faces:
        """Return the faces whose numbers stand at a place.

        Args:
            at: The place.
            within: They must begin there, with none of the words before numbers.
        """
        numbers: list[str] = []
        end, named, before = at, False, ""
        for place in range(at, min(len(self._words), at + _MOST_WORDS)):
            word = self._plain[place]
            may_follow = _BETWEEN if numbers else _NO_WORDS if within else _BEFORE
            if word in _FACES:
                named = True
            elif not _add(numbers, word, before, named=named) and not (
                word in may_follow or (word in _ONES and numbers)
            ):
                if word in _OTHER_THINGS or (before in _ORDINALS and word in POINTS):
                    return _Faces((), at, False)  # "the first picture" is no face
                break
            if numbers and word not in _BETWEEN:
                end = place + 1
            before = word
        return _Faces(tuple(numbers), end, named)


def _add(numbers: list[str], word: str, before: str, *, named: bool) -> bool:
    """Add a word to the numbers of faces, if it is one or goes with the last one."""
    count = _count(word)
    if count and before in {_LAST, _ORDINALS[0]}:
        numbers[-1] = f"last:{count}" if before == _LAST else f"1-{count}"
        return True
    number = _number(word, named=named and before not in _ORDINALS)
    if number and numbers and before in _TO:
        numbers[-1] += f"-{number}"
    elif number:
        numbers.append(number)
    return bool(number)


def _number(word: str, *, named: bool) -> str:
    """Return a number in figures; "two" is one only after "faces"."""
    if figures := _FIGURES.fullmatch(word):
        return figures[1]
    if word == _LAST:
        return _LAST
    if word in _ORDINALS:
        return str(_ORDINALS.index(word) + 1)
    return str(_CARDINALS.index(word) + 1) if named and word in _CARDINALS else ""


def _count(word: str) -> int:
    """Return how many: of "the first two", "the last 3"; 0 for none."""
    if word in _CARDINALS[1:]:
        return _CARDINALS.index(word) + 1
    return int(word) if re.fullmatch(r"\d{1,2}", word, re.ASCII) else 0
