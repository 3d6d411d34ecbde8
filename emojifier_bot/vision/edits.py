"""Changes of a plan that people ask for, and the words that they ask with.

`Edits` holds what was asked, `parse_edits` reads it from words (``skip 2``, ``3=😎``,
``everyone grin``), and `apply` changes a plan. Whatever order the words have, what
concerns every face comes first, then ``swap``, then single faces, then who is left.
"""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emojifier_bot.errors import PlanError
from emojifier_bot.vision.plan import (
    ChosenBy,
    Cover,
    CoverKind,
    Decision,
    DrawEmoji,
    Leave,
    Plan,
    PlannedFace,
)
from emojifier_bot.vision.types import (
    EMOTIONS,
    BoundingBox,
    Emoji,
    EmojiTheme,
    Emotion,
)

#: Opposite emotions as in Plutchik's wheel. What is opposite of disgust and contempt
#: there, trust, is none of the eight: happiness is nearest to it.
OPPOSITES = {
    Emotion.ANGER: Emotion.FEAR,
    Emotion.CONTEMPT: Emotion.HAPPINESS,
    Emotion.DISGUST: Emotion.HAPPINESS,
    Emotion.FEAR: Emotion.ANGER,
    Emotion.HAPPINESS: Emotion.SADNESS,
    Emotion.NEUTRAL: Emotion.SURPRISE,
    Emotion.SADNESS: Emotion.HAPPINESS,
    Emotion.SURPRISE: Emotion.NEUTRAL,
}
#: Nobody counts more faces than this; longer numbers are something else.
MOST_FACES = 100_000
#: No picture is larger.
MOST_SIDE_PX = 500_000
_SOME = r"(?:\d{1,6}(?:-\d{1,6})?|last(?::\d{1,6})?)"
_NUMBERS = re.compile(rf"{_SOME}(?:,{_SOME})*", re.IGNORECASE)
_USE = re.compile(rf"({_NUMBERS.pattern})=(\S+)", re.IGNORECASE)
_BOX = re.compile(r"(\d{1,6}),(\d{1,6}),(\d{1,6})x(\d{1,6})")
#: Asks for the emoji form of a character; people's keyboards add it or not.
_EMOJI_FORM = "\N{VARIATION SELECTOR-16}"
#: Covers by their words, which may stand in an emoji's place.
COVERS = {
    "cover": Cover(CoverKind.SOLID),
    "solid": Cover(CoverKind.SOLID),
    "mosaic": Cover(CoverKind.MOSAIC),
    "blur": Cover(CoverKind.BLUR),
}
#: Words that stand alone, and what they change.
_ALONE: dict[str, dict[str, Any]] = {"opposite": {"opposite": True}} | {
    word: {"cover": one} for word, one in COVERS.items()
}


@dataclass(frozen=True, slots=True)
class Edits:
    """What somebody wants to be different from what the reader chose.

    Numbers below 0 count from the last face, which is -1.
    """

    #: Around faces that were missed.
    also: tuple[BoundingBox, ...] = ()
    #: The emoji that every face gets, as it was typed; empty for none.
    everyone: str = ""
    cover: Cover | None = None
    opposite: bool = False
    swaps: tuple[tuple[int, int], ...] = ()
    #: Faces and the emoji or the cover that they get, as they were typed.
    uses: tuple[tuple[frozenset[int], str], ...] = ()
    skip: frozenset[int] = frozenset()
    #: The faces that are not left; None for all.
    only: frozenset[int] | None = None

    @property
    def numbers(self) -> frozenset[int]:
        """Return the faces that are named by their numbers."""
        used = {number for numbers, _ in self.uses for number in numbers}
        swapped = {number for pair in self.swaps for number in pair}
        return frozenset(used | swapped | self.skip | (self.only or frozenset()))

    @property
    def decide_all(self) -> bool:
        """Tell whether they decide what becomes of every face."""
        return self.cover is not None or bool(self.everyone)

    def names(self) -> list[str]:
        """Return the emoji that are named, and no covers."""
        names = (self.everyone, *(one for _, one in self.uses))
        return [name for name in names if name and name.lower() not in COVERS]


NO_EDITS = Edits()
#: One example of each word that `parse_edits` knows.
WORDS = (
    "skip 2,5",
    "skip last",
    "only 1-3",
    "3=grin",
    "3=mosaic",
    "everyone grin",
    "swap 1 4",
    *_ALONE,
    "also 120,80,60x60",
)


def apply(plan: Plan, edits: Edits, theme: EmojiTheme) -> Plan:
    """Return a plan with everything changed that was asked for but `Edits.also`.

    Raises:
        PlanError: A face or an emoji is named that is not there.
    """
    edits = _counted(plan, edits)
    _check_uses(edits)
    if edits.everyone:
        plan = everyone(plan, emoji_named(theme, edits.everyone).name)
    if edits.cover is not None:
        plan = cover(plan, edits.cover)
    if edits.opposite:
        plan = opposite(plan, theme)
    for first, second in edits.swaps:
        plan = swap(plan, first, second)
    for numbers, name in edits.uses:
        for number in sorted(numbers):
            plan = decide(plan, number, _named(theme, name))
    if edits.only is not None:
        plan = only(plan, edits.only)
    return leave(plan, edits.skip)


def _counted(plan: Plan, edits: Edits) -> Edits:
    """Return edits with the numbers that faces have for those from the last one."""
    known = _every(plan)

    def number(count: int) -> int:
        if count < -len(known):
            last = "is no last face" if count == -1 else f"are no last {-count} faces"
            raise PlanError(f"There {last}: {_there(known)}.")
        return known[count] if count < 0 else count

    def numbers(counts: Iterable[int]) -> frozenset[int]:
        return frozenset(map(number, counts))

    return replace(
        edits,
        swaps=tuple((number(one), number(two)) for one, two in edits.swaps),
        uses=tuple((numbers(faces), name) for faces, name in edits.uses),
        skip=numbers(edits.skip),
        only=None if edits.only is None else numbers(edits.only),
    )


def _check_uses(edits: Edits) -> None:
    """Check that no face gets two things, or is left and gets one.

    Raises:
        PlanError: One does.
    """
    given: set[int] = set()
    for numbers, name in edits.uses:
        left = edits.skip if edits.only is None else edits.skip | numbers - edits.only
        if twice := sorted(numbers & (given | left)):
            other = "is left as it is" if twice[0] in left else "something else"
            raise PlanError(f'Face {twice[0]} gets "{name}" and {other}: choose one.')
        given |= numbers


def _named(theme: EmojiTheme, text: str) -> Decision:
    """Return the cover or the emoji that somebody means."""
    cover_named = COVERS.get(text.lower())
    return cover_named or DrawEmoji(emoji_named(theme, text).name)


def leave(plan: Plan, numbers: Collection[int]) -> Plan:
    """Leave some faces as they are."""
    return _decided(plan, numbers, lambda _: Leave())


def only(plan: Plan, numbers: Collection[int]) -> Plan:
    """Leave all faces but some as they are."""
    _check_numbers(plan, numbers)
    return leave(plan, {one.number for one in plan.faces} - set(numbers))


def decide(plan: Plan, number: int, decision: Decision) -> Plan:
    """Decide about one face."""
    return _decided(plan, {number}, lambda _: decision)


def carry_over(plan: Plan, older: Plan, theme: EmojiTheme) -> Plan:
    """Return a plan of the same picture with what a person decided in an older one.

    Args:
        plan: Read anew.
        older: Perhaps with another theme.
        theme: The plan's; emoji that it does not have are not taken over.
    """
    names = {one.name for one in theme.emoji}
    chosen = {
        one.number: one.decision
        for one in older.faces
        if one.chosen_by is ChosenBy.PERSON
        and (not isinstance(one.decision, DrawEmoji) or one.decision.name in names)
    }
    known = chosen.keys() & {one.number for one in plan.faces}
    return _decided(plan, known, lambda face: chosen[face.number])


def everyone(plan: Plan, name: str) -> Plan:
    """Give every face the same emoji."""
    return _decided(plan, _every(plan), lambda _: DrawEmoji(name))


def cover(plan: Plan, kind: Cover) -> Plan:
    """Cover every face."""
    return _decided(plan, _every(plan), lambda _: kind)


def swap(plan: Plan, first: int, second: int) -> Plan:
    """Exchange what becomes of two faces."""
    _check_numbers(plan, {first, second})
    if first == second:
        raise PlanError(f"Face {first} cannot be exchanged with itself.")
    by_number = {one.number: one.decision for one in plan.faces}
    swapped = {first: by_number[second], second: by_number[first]}
    return _decided(plan, swapped, lambda face: swapped[face.number])


def opposite(plan: Plan, theme: EmojiTheme) -> Plan:
    """Give every face that has an emoji the one that is most unlike it."""
    by_name = {one.name: one for one in theme.emoji}

    def turned(face: PlannedFace) -> Decision:
        decision = face.decision
        if isinstance(decision, DrawEmoji) and decision.name in by_name:
            return DrawEmoji(opposite_of(theme, by_name[decision.name]).name)
        return decision

    drawn = [one.number for one in plan.faces if isinstance(one.decision, DrawEmoji)]
    return _decided(plan, drawn, turned)


def opposite_of(theme: EmojiTheme, emoji: Emoji) -> Emoji:
    """Return the emoji nearest to the opposites of what an emoji stands for."""
    point = np.zeros(len(EMOTIONS), np.float32)
    for emotion, share in zip(EMOTIONS, emoji.point, strict=True):
        point[EMOTIONS.index(OPPOSITES[emotion])] += share
    others = [
        one for one in theme.emoji if one is not emoji and not one.surprise_only
    ] or [emoji]
    return min(
        others, key=lambda one: (float(np.linalg.norm(one.point - point)), one.name)
    )


def shuffle(plan: Plan, seed: int) -> Plan:
    """Give every face whose emoji the reader chose another one of the nearest.

    Args:
        plan: The plan.
        seed: The same seed chooses the same emoji.
    """

    def another(face: PlannedFace) -> Decision:
        others = [name for name in face.nearest if DrawEmoji(name) != face.decision]
        if not others:
            return face.decision
        draw = random.Random(f"{seed}/{face.number}")  # noqa: S311 - no secret
        weights = [1 / (rank + 1) for rank in range(len(others))]
        return DrawEmoji(draw.choices(others, weights)[0])

    read = [
        one.number
        for one in plan.faces
        if one.chosen_by is ChosenBy.READER and isinstance(one.decision, DrawEmoji)
    ]
    return _decided(plan, read, another, ChosenBy.READER)


def emoji_named(theme: EmojiTheme, text: str) -> Emoji:
    """Return the emoji that somebody means: ``grin``, ``:grin:`` or ``😁``.

    Raises:
        PlanError: The theme has none of that name.
    """
    name = text.strip().strip(":").lower()
    character = text.strip().replace(_EMOJI_FORM, "")
    for one in theme.emoji:
        if name == one.name or character == one.character.replace(_EMOJI_FORM, ""):
            return one
    names = [one.name for one in theme.emoji]
    near = difflib.get_close_matches(name, names, n=1) or names[:3]
    raise PlanError(
        f'The theme "{theme.name}" has no emoji "{text}". Try {", ".join(near)}.'
    )


def parse_numbers(text: str) -> frozenset[int]:
    """Return the faces that ``2,5``, ``1-3``, ``last`` or ``last:2`` names.

    Raises:
        PlanError: It is no list of numbers.
    """
    if not _NUMBERS.fullmatch(text):
        raise PlanError(f'"{text}" names no faces. Write numbers, such as 2,5 or 1-3.')
    found: set[int] = set()
    for part in text.lower().split(","):
        if part.startswith("last"):
            count = int(part.partition(":")[2] or 1)
            if not 1 <= count <= MOST_FACES:
                raise PlanError(f'"{part}" names no faces.')
            found.update(range(-count, 0))
            continue
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= MOST_FACES:
            raise PlanError(
                f'"{part}" names no faces. Faces have numbers from 1, the smaller '
                "one first."
            )
        found.update(range(low, high + 1))
    return frozenset(found)


def parse_use(text: str) -> tuple[frozenset[int], str]:
    """Return the faces and the emoji, or the cover, that ``3=grin`` names.

    Raises:
        PlanError: It is no number and an emoji.
    """
    match = _USE.fullmatch(text)
    if match is None:
        raise PlanError(
            f'"{text}" names no face and emoji. Write a number and an emoji, such as '
            "3=grin."
        )
    return parse_numbers(match[1]), match[2]


def parse_swap(text: str) -> tuple[int, int]:
    """Return the two faces that ``1,4`` names.

    Raises:
        PlanError: They are not two.
    """
    numbers = sorted(parse_numbers(text))
    if len(numbers) != 2:  # noqa: PLR2004 - a pair
        raise PlanError(f'"{text}" names no two faces. Write two numbers, such as 1,4.')
    return numbers[0], numbers[1]


def parse_box(text: str) -> BoundingBox:
    """Return the box that ``120,80,60x60`` names: left, top, width x height.

    Raises:
        PlanError: It is no box.
    """
    match = _BOX.fullmatch(text)
    left, top, width, height = map(int, match.groups()) if match else (0, 0, 0, 0)
    if not width or not height or max(left + width, top + height) > MOST_SIDE_PX:
        raise PlanError(
            f'"{text}" names no place. Write left, top and size in pixels, such as '
            "120,80,60x60."
        )
    return BoundingBox(left, top, left + width, top + height)


def parse_edits(text: str) -> Edits:
    """Return what a text asks for, such as ``skip 2, 3=grin``.

    Known are ``skip 2,5``, ``only 1-3``, ``3=😎``, ``3=blur``, ``everyone 😂``,
    ``swap 1 4``, ``opposite``, ``cover`` (or ``solid``), ``mosaic``, ``blur`` and, for
    a face that was missed, ``also 120,80,60x60``. Spaces and commas separate. ``last``
    is the number of the last face, ``last:2`` are those of the last two.

    Raises:
        PlanError: A word is none of these, or lacks what belongs to it: a number, an
            emoji.
    """
    edits = NO_EDITS
    waiting = [word for word in (one.strip(",") for one in text.split()) if word]
    while waiting:
        edits = _taken(edits, waiting.pop(0), waiting)
    return edits


def _taken(edits: Edits, word: str, waiting: list[str]) -> Edits:
    """Add one word and what belongs to it, taken off those that wait."""
    match word.lower():
        case "skip" | "only" | "swap" as verb:
            return _with_numbers(edits, verb, waiting)
        case "everyone" if waiting:
            return _for_all(edits, everyone=waiting.pop(0))
        case "everyone":
            raise PlanError('After "everyone" goes an emoji, such as everyone :grin:.')
        case "also":
            box = parse_box(waiting.pop(0) if waiting else "")
            return replace(edits, also=(*edits.also, box))
        case alone if alone in _ALONE:
            return _for_all(edits, **_ALONE[alone])
    if _USE.fullmatch(word):
        return replace(edits, uses=(*edits.uses, parse_use(word)))
    raise PlanError(f'"{word}" is no change of a plan. These are: {", ".join(WORDS)}.')


def _for_all(edits: Edits, **wanted: Any) -> Edits:
    """Add what concerns every face.

    Raises:
        PlanError: Something else is wanted for all of them already.
    """
    added = replace(edits, **wanted)
    before, after = ((one.everyone, one.cover) for one in (edits, added))
    is_double = edits.decide_all and before != after
    if is_double or (added.cover is not None and added.opposite):
        raise PlanError("All faces get one emoji, or one kind of cover: choose one.")
    return added


def _with_numbers(edits: Edits, verb: str, waiting: list[str]) -> Edits:
    taken: list[str] = []
    while waiting and _NUMBERS.fullmatch(waiting[0]):
        taken.append(waiting.pop(0))
    if not taken:
        raise PlanError(f'After "{verb}" go the numbers of faces, such as {verb} 1,4.')
    text = ",".join(taken)
    if verb == "swap":
        return replace(edits, swaps=(*edits.swaps, parse_swap(text)))
    numbers = parse_numbers(text)
    if verb == "skip":
        return replace(edits, skip=edits.skip | numbers)
    return replace(edits, only=(edits.only or frozenset()) | numbers)


def _every(plan: Plan) -> list[int]:
    return [one.number for one in plan.faces]


def _check_numbers(plan: Plan, numbers: Iterable[int]) -> None:
    known = _every(plan)
    wrong = sorted(set(numbers) - set(known))
    if not wrong:
        return
    raise PlanError(f"There is no face {wrong[0]}: {_there(known)}.")


def _there(known: Sequence[int]) -> str:
    """Return in words which faces a picture has."""
    if not known:
        return "no face was found in the picture"
    if len(known) == 1:
        return "the picture has one face, number 1"
    return f"the picture has faces {known[0]} to {known[-1]}"


def _decided(
    plan: Plan,
    numbers: Collection[int],
    decide: Callable[[PlannedFace], Decision],
    chosen_by: ChosenBy = ChosenBy.PERSON,
) -> Plan:
    _check_numbers(plan, numbers)
    chosen = set(numbers)
    faces = [
        replace(face, decision=decide(face), chosen_by=chosen_by)
        if face.number in chosen
        else face
        for face in plan.faces
    ]
    return replace(plan, faces=tuple(faces))
