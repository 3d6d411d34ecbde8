"""Alternative text of a result: how many faces there are and what each shows.

What a face shows is the emoji's expression, or only its shape, or nothing: the reading
mode says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.vision.plan import ChosenBy, Leave

if TYPE_CHECKING:
    from emojifier_bot.vision.result import EmojifiedFace

#: What Slack takes as alternative text, and more than anybody listens to.
MAX_ALT_TEXT_CHARACTERS = 1000
#: More faces than this are counted by what they show; a longer list loses the listener.
NAMED_ONE_BY_ONE = 8
NO_FACES = "No faces found."
#: Goes before what a face shows when the emoji is a guess.
GUESS = "perhaps"
#: Goes before an emoji that a person chose: it says nothing about the face.
DRAWN = "drawn as"
#: What is said of a face without an emoji.
COVERED, LEFT = "covered", "not covered"
#: What is said of a face whose shape is not known.
UNSEEN = "shape not known"


def alt_text(
    faces: Sequence[EmojifiedFace], reading: ReadingMode = ReadingMode.EXPRESSIONS
) -> str:
    """Describe the faces of a picture for someone who does not see it.

    Up to eight faces are named one by one, more are counted by what they show, in the
    order in which each kind is first met. What does not fit is counted at the end.

    Args:
        faces: In reading order.
        reading: What may be said of them.

    Returns:
        One line of at most `MAX_ALT_TEXT_CHARACTERS`: "3 faces: grinning, neutral,
        perhaps worried", or "2 faces covered: mouth open, brows raised; mouth closed".
    """
    if not faces:
        return NO_FACES
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    if reading == ReadingMode.EXPRESSIONS:
        items = _items([spoken(face) for face in faces])
        return _fitted(count, items, ", ")
    left = sum(isinstance(face.planned.decision, Leave) for face in faces)
    count += f" {COVERED}" if not left else f", {left} of them {LEFT}"
    if reading == ReadingMode.OFF:
        return count
    return _fitted(count, _items([shape_of(face) for face in faces], "with "), "; ")


def _items(shown: Sequence[str], joined: str = "") -> list[tuple[str, int]]:
    """Return what is listed: each text and how many faces it stands for."""
    if len(shown) > 1 and len(set(shown)) == 1:
        together = "both" if len(shown) == 2 else "all"  # noqa: PLR2004 - a pair
        return [(f"{together} {joined}{shown[0]}", len(shown))]
    if len(shown) > NAMED_ONE_BY_ONE:
        counts = Counter(shown).items()
        return [(what if n == 1 else f"{n} {joined}{what}", n) for what, n in counts]
    return [(what, 1) for what in shown]


def shape_of(face: EmojifiedFace) -> str:
    """Return what is visible of a face, in words."""
    return face.planned.shapes or UNSEEN


def spoken(face: EmojifiedFace, reading: ReadingMode = ReadingMode.EXPRESSIONS) -> str:
    """Return what a face shows, in words that the reading mode allows."""
    if reading != ReadingMode.EXPRESSIONS:
        if isinstance(face.planned.decision, Leave):
            return LEFT
        return COVERED
    if face.emoji is None:
        return LEFT if isinstance(face.planned.decision, Leave) else COVERED
    if face.planned.chosen_by is ChosenBy.PERSON:
        return f"{DRAWN} {face.emoji.spoken}"
    return face.emoji.spoken if face.sure else f"{GUESS} {face.emoji.spoken}"


def _fitted(faces: str, items: Sequence[tuple[str, int]], between: str) -> str:
    """Join as many whole items as fit, each a text and how many faces it stands for."""
    for kept in range(len(items), 0, -1):
        named = between.join(text for text, _ in items[:kept])
        left = sum(count for _, count in items[kept:])
        rest = f" and {left} more" if left else ""
        sentence = f"{faces}: {named}{rest}"
        if len(sentence) <= MAX_ALT_TEXT_CHARACTERS:
            return sentence
    return faces
