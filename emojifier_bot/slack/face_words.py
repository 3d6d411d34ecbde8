"""What a sentence asks for single faces, in the words of `vision.edits`.

"Skip the second face", "the last two as 😎", "cover all but the first": some dozen
turns in English. What else speaks of faces is returned as not understood, so that
nothing that somebody says of them is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from emojifier_bot.slack.face_numbers import (
    ARTICLES,
    FACES,
    LAST,
    OTHER_THINGS,
    PEOPLE,
    PICTURES,
    Faces,
    faces_at,
    number_of,
    speaks_of_faces,
)
from emojifier_bot.slack.words import (
    ENDINGS,
    POINTS,
    POLITE,
    SHORT_WORDS,
    OtherWords,
    bare,
    is_emoji,
    meaning_of,
)
from emojifier_bot.vision.edits import COVERS

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
_DO_NOT = frozenset({"don't", "dont"})
#: Goes between faces and what they get, before any name or before an emoji alone.
_AS = frozenset({"as", "gets", "get", "becomes", "become", "into", "="})
_WITH = frozenset({"with", "to", "is", "are"})
_GIVING = frozenset({"make", "give", "turn"})
_DOING = _GIVING | _VERBS.keys() | {"do", "put", "please", "emojify"}
_ON = frozenset({"for", "on", "over", "onto"})
#: "As well" names no emoji.
_NO_NAMES = frozenset({"well", "usual", "always", "before", "soon"})
#: What is no part of an emoji's name.
_STOPS = "," + ENDINGS.replace(":", "")
_AND = frozenset({"and", "&", "+", "plus"})
_HELLO = frozenset({"hi", "hello", "hey"})
#: Before these a cover is that of a magazine.
_DETERMINERS = frozenset({"the", "our", "my", "your"})
_AFTER_LEAVING = re.compile(r"(?:alone|out|as (?:it|they) (?:is|are)|as is)\b")


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
        self._names = [one.lstrip(",").rstrip(_STOPS) for one in words]
        #: Where the last order ends, if it concerns all faces,
        self._all_end = -1
        #: or whether it decides about single ones, so that "not 3" may correct it.
        self._is_single = False
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
        if self._plain[at] == LAST and OTHER_THINGS.isdisjoint(near):
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

    def _find(self, *words: str, single: bool = False) -> None:
        self.read.is_order, self._is_single = True, single
        self.read.found += words

    def _find_for_all(self, kind: str, end: int) -> None:
        """Note what every face gets: an emoji, or a cover."""
        self._find(*([kind] if kind.lower() in COVERS else ["everyone", kind]))
        self._all_end = end

    # Turns.

    def _exact(self, at: int) -> int:
        """``3=😎``, ``opposite``, ``also 120,80,60x60``."""
        word = self._names[at]
        if self._plain[at] == "opposite":
            self._find("opposite")
            return at + 1
        if self._plain[at] == "also" and re.match(r"\d+,\d+,", self._plain[at + 1]):
            self._find("also", self._plain[at + 1])
            return at + 2
        if re.match(r"(last(:\d+)?|\d[\d,-]*)=.", word, re.IGNORECASE | re.ASCII):
            self._find(word, single=True)
            return at + 1
        return at

    def _verb(self, at: int) -> int:
        """``skip 2``, ``only the first``, ``swap 1 4``, ``cover all but the last``."""
        verb = _VERBS.get(self._plain[at])
        is_journey = self._plain[at] in _COMMON and self._plain[at + 1] in _ON
        if verb is None or is_journey:  # "we leave on 2 May"
            return at
        but = self._all_but(at + 1)
        faces = but or faces_at(self._plain, at + 1)
        end = self._after_leaving(faces.end) if verb == "skip" else faces.end
        if self._plain[at] == "just" and not faces.named:
            return at
        if not faces.numbers:
            return self._verb_alone(at, verb)
        if verb not in COVERS:
            verb = "only" if but and verb == "skip" else verb
            self._find(verb, *faces.numbers, single=verb != "only")
            return self._contradicted(end)
        kind, end = self._cover(verb, end)
        if but:
            self._find_for_all(kind, end)
            self._find("skip", *faces.numbers)
        else:
            self._find(f"{faces.text}={kind}", single=True)
        return self._contradicted(end)

    def _verb_alone(self, at: int, verb: str) -> int:
        """``cover``, ``mosaic``, or a word like others, or one that lacks faces."""
        near = self._plain[at + 1 : at + 1 + SHORT_WORDS]
        of_pictures = not POINTS.isdisjoint(near)
        if verb in COVERS:
            of_paper = self._plain[at - 1] in _DETERMINERS or near[0] in PICTURES
            if verb == "cover" and of_paper and not self._is_command:
                return at
            kind, end = self._cover(verb, self._all_faces(at + 1))
            self._find_for_all(kind, end)
            return self._contradicted(end)
        if verb == "only" and of_pictures:
            self.read.others.append("just")
            return at + 1
        lacks = speaks_of_faces(near) or (
            verb != "only" and (not near[0] or not _ALL.isdisjoint(near))
        )
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
            return at if PEOPLE.isdisjoint(near) else self._miss_order(at, near)
        if not given and but is None:
            if not bare_name:
                return at
            if (
                begin >= len(self._words)
                or faces_at(self._plain, begin, within=True).numbers
            ):
                return self._miss_order(at, self._plain[at + 1 : begin + 1])
            given = self._names[begin], begin + 1
        is_bare = given is not None and not but and given[1] == begin + 1
        if given and is_bare and self._is_remark(at):
            return self._pass_over_to(at, given[1])
        end = given[1] if given else at
        if given:
            self._find_for_all(*given)
        if but:
            self._find("skip", *but.numbers)
            end = end if given else self._contradicted(but.end)
        return end

    def _left_out(self, at: int) -> int:
        """``except the second``, ``not face 2``; "all", said before, goes with it.

        "But" alone, after what all get. After what single faces get, "not 3" may mean
        that it is not the third that gets it.
        """
        word = self._plain[at]
        near = self._plain[at + 1 : at + SHORT_WORDS]
        is_joint = at != self._all_end or near[0] in _DOING
        if word not in _EXCEPT or (word == "but" and is_joint):
            return at
        faces = faces_at(self._plain, at + 1 + (self._plain[at + 1] == "not"))
        if faces.numbers and word == "but" and self._name(faces.end, any_name=False):
            return at
        if faces.numbers and self._is_single and word not in _DO_NOT:
            self._miss(at, faces.end)
            return faces.end
        if faces.numbers:
            self._take_back(_ALL | FACES)
            self._find("skip", *faces.numbers)
            return self._contradicted(faces.end)
        is_general = word in _DO_NOT or not OTHER_THINGS.isdisjoint(near)
        if is_general or not speaks_of_faces(near):
            return at
        return self._miss_order(at, near)

    def _on(self, at: int) -> int:
        """``😎 on face 2``, ``😂 for everyone``, ``sunglasses on the second face``."""
        name = self._names[at]
        emoji = bool(name) and is_emoji(name)
        if self._plain[at + 1] not in _ON or not (emoji or self._is_name(at)):
            return at
        faces = faces_at(self._plain, at + 2)
        if emoji and self._plain[at + 2] in _ALL and not self._is_remark(at):
            end = self._all_faces(at + 2)
            self._find_for_all(name, end)
            return end
        if faces.numbers and (emoji or faces.named):
            self._find(f"{faces.text}={name}", single=True)
            return faces.end
        return at

    def _given(self, at: int) -> int:
        """``face 2 as 😎``, ``the last two 😎``, ``2 as grin``, ``face 2 as it is``."""
        faces = faces_at(self._plain, at, within=True)
        if not faces.numbers:
            if faces.end > at:
                self._miss(at, faces.end)
            return self._pass_over_to(at, faces.end)
        after = self._after_leaving(faces.end)
        if faces.named and after > faces.end:
            self._find("skip", *faces.numbers)
            return after
        if self._plain[faces.end] == "only":
            self._find("only", *faces.numbers)
            return faces.end + 1
        before = [one for one in self._plain[:at] if one not in ARTICLES][-1:]
        is_given = not _GIVING.isdisjoint(before)
        if given := self._name(faces.end, any_name=faces.named and is_given):
            is_meant = is_given or self._plain[faces.end] in _AS
            if not is_meant and self._is_remark(at, named=faces.named):
                return self._pass_over_to(at, given[1])
            self._take_back(ARTICLES)
            self._take_back(_GIVING)
            self._find(f"{faces.text}={given[0]}", single=True)
            return given[1]
        if faces.named:
            self._miss(at, min(faces.end + 1, len(self._words)))
        return self._pass_over_to(at, faces.end if faces.named else at)

    # Parts.

    def _pass_over_to(self, at: int, end: int) -> int:
        self.read.others += self._words[at:end]
        return end

    def _is_remark(self, at: int, *, named: bool = True) -> bool:
        """Tell whether faces and an emoji are a remark of somebody, not an order.

        "Haha, the last one 😂", "thanks 🙏 for all", "hi all 👋"; "we won 3-1 🎉".
        """
        if self._is_command or self.read.is_order or not at:
            return False
        is_score = not named and self._plain[at][:1].isdigit()
        if is_score or self._plain[at - 1] in _HELLO:
            return True
        return meaning_of(self._words[:at]) is OtherWords.THANKS

    def _contradicted(self, end: int) -> int:
        """Note an emoji behind faces that are left, or somebody: "2 and the baby"."""
        near = self._plain[end + 1 : end + SHORT_WORDS]
        is_somebody = near[0] in _DETERMINERS or near[0] in PEOPLE
        if self._plain[end] in _AND and is_somebody and speaks_of_faces(near):
            self._miss(end, end + SHORT_WORDS)
            return end + 1
        given = self._name(end, any_name=False)
        if not given or self._plain[end] in COVERS or self._plain[given[1]] in _ON:
            return end
        self._miss(end, given[1])
        return given[1]

    def _take_back(self, words: Collection[str]) -> None:
        """Take words back that were passed over, since they go with what follows."""
        others = self.read.others
        while others and bare(others[-1]) in words:
            others.pop()

    def _name(self, at: int, *, any_name: bool) -> tuple[str, int] | None:
        """Return what somebody gets and where that ends, if it stands there."""
        joined = self._plain[at]
        begin = at + (joined in _AS | _WITH)
        while self._plain[begin] in ARTICLES:
            begin += 1
        if begin >= len(self._words):
            return None
        name = self._names[begin]
        known = is_emoji(name) or self._plain[begin] in COVERS
        is_name = (joined in _AS or (any_name and begin == at)) and self._is_name(begin)
        return (name, begin + 1) if name and (known or is_name) else None

    def _is_name(self, at: int) -> bool:
        """Tell whether a word may be the name of an emoji."""
        word = self._plain[at]
        no_names = POLITE | _EXCEPT | _VERBS.keys() | _NO_NAMES
        is_other = word in no_names or bool(number_of(word, named=True))
        return word.replace("_", "").replace("-", "").isalnum() and not is_other

    def _cover(self, kind: str, at: int) -> tuple[str, int]:
        """Return what covers, which may follow: ``with a mosaic``, ``with 😎``."""
        is_named = self._plain[at] == "with"
        return (is_named and self._name(at, any_name=False)) or (kind, at)

    def _all_faces(self, at: int) -> int:
        """Return where ``all of the faces`` ends."""
        words = _ALL | FACES | {"everything", "else", "of", "the", "them", "it"}
        while self._plain[at] in words:
            at += 1
        return at

    def _all_but(self, at: int) -> Faces | None:
        """Return the faces of ``all but the second``."""
        end = self._all_faces(at)
        if end == at or self._plain[end] not in _EXCEPT:
            return None
        faces = faces_at(self._plain, end + 1 + (self._plain[end + 1] == "not"))
        return faces if faces.numbers else None

    def _after_leaving(self, at: int) -> int:
        """Return where ``as it is`` ends."""
        rest = _AFTER_LEAVING.match(" ".join(self._plain[at : at + SHORT_WORDS]))
        return at + len(rest[0].split()) if rest else at
