"""What stands above a result: who asked, what was found, and how sure that is."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

from emojifier_bot.domain import FaceSummary, Post

#: More faces than this are counted by their emoji; nobody reads a longer row.
SHOWN_ONE_BY_ONE = 12
#: So many kinds of emoji are counted; the rest is summed up.
COUNTED_KINDS = 8
#: Doubtful faces that are named one by one: "the second and the third face".
NAMED_DOUBTS = 3
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
#: Ids of direct messages begin so.
DIRECT = "D"


def comment(post: Post) -> str:
    """Return who asked and what was found, as Slack's ``mrkdwn``: one or two lines."""
    asked = f"<@{post.asker_id}> asked for this."
    if is_direct(post.channel_id):
        asked = "Here you are."
    return f"{asked} {found(post.faces)}\n{doubts(post.faces)}".strip()


def found(faces: Sequence[FaceSummary]) -> str:
    """Return how many faces there are and which emoji they got, in reading order."""
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    if len(faces) <= SHOWN_ONE_BY_ONE:
        return f"{count}: {' '.join(face.character for face in faces)}".rstrip(": ")
    kinds = Counter(face.character for face in faces).most_common()
    shown = [
        f"{character} × {number}" if number > 1 else character
        for character, number in kinds[:COUNTED_KINDS]
    ]
    rest = sum(number for _, number in kinds[COUNTED_KINDS:])
    return f"{count}: {', '.join(shown)}{f' and {rest} more' if rest else ''}"


def doubts(faces: Sequence[FaceSummary]) -> str:
    """Return which faces are guesses; empty where all are sure."""
    doubtful = [number for number, face in enumerate(faces) if not face.sure]
    if not doubtful:
        return ""
    if len(doubtful) == len(faces):
        return "I am not sure about " + _all_of(len(faces)) + "."
    if len(doubtful) <= NAMED_DOUBTS and doubtful[-1] < len(ORDINALS):
        named = [f"the {ORDINALS[number]}" for number in doubtful]
        plural = "" if len(named) == 1 else "s"
        return f"I am not sure about {_joined(named)} face{plural}."
    return f"I am not sure about {len(doubtful)} of them."


def in_words(post: Post) -> str:
    """Return the alternative text, as it may stand in a message."""
    return html.escape(post.alt_text, quote=False)


def is_direct(channel_id: str) -> bool:
    """Tell whether a conversation is between two."""
    return channel_id.startswith(DIRECT)


def _all_of(count: int) -> str:
    return {1: "it", 2: "either of them"}.get(count, "any of them")


def _joined(parts: Sequence[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
