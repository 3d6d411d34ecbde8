"""Alternative text of a result: how many faces there are and what each shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def alt_text(faces: Sequence[EmojifiedFace]) -> str:
    """Describe the faces of a picture for someone who does not see it.

    Up to eight faces are named one by one, more are counted by what they show, in the
    order in which each kind is first met. What does not fit is counted at the end.

    Args:
        faces: In reading order.

    Returns:
        One line of at most `MAX_ALT_TEXT_CHARACTERS`: "3 faces: grinning, neutral,
        perhaps worried".
    """
    if not faces:
        return NO_FACES
    shown = [spoken(face) for face in faces]
    if len(faces) > 1 and len(set(shown)) == 1:
        together = "both" if len(faces) == 2 else "all"  # noqa: PLR2004 - a pair
        items = [(f"{together} {shown[0]}", len(faces))]
    elif len(faces) > NAMED_ONE_BY_ONE:
        counts = Counter(shown).items()
        items = [(what if n == 1 else f"{n} {what}", n) for what, n in counts]
    else:
        items = [(what, 1) for what in shown]
    return _fitted(len(faces), items)


def spoken(face: EmojifiedFace) -> str:
    """Return what a face shows, in words."""
    if face.emoji is None:
        return LEFT if isinstance(face.planned.decision, Leave) else COVERED
    if face.planned.chosen_by is ChosenBy.PERSON:
        return f"{DRAWN} {face.emoji.spoken}"
    return face.emoji.spoken if face.sure else f"{GUESS} {face.emoji.spoken}"


def _fitted(face_count: int, items: Sequence[tuple[str, int]]) -> str:
    """Join as many whole items as fit, each a text and how many faces it stands for."""
    faces = "1 face" if face_count == 1 else f"{face_count} faces"
    for kept in range(len(items), 0, -1):
        named = ", ".join(text for text, _ in items[:kept])
        left = sum(count for _, count in items[kept:])
        rest = f" and {left} more" if left else ""
        sentence = f"{faces}: {named}{rest}"
        if len(sentence) <= MAX_ALT_TEXT_CHARACTERS:
            return sentence
    return faces
