"""Messages, windows and the home tab in Block Kit, within Slack's limits.

The comment above a result says who asked, what was found, and how sure that is.

Everybody in the channel sees the same buttons below a result. The listeners decide who
may press them, so *Delete* has no confirmation dialog: the asker needs none, and
everybody else gets a window.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from typing import Any

from emojifier_bot.domain import FaceSummary, Post
from emojifier_bot.slack.messages import render_message
from emojifier_bot.slack.payloads import is_direct
from emojifier_bot.vision.alt_text import COVERED, DRAWN, LEFT

#: Ids of the buttons below a result; the value of each is the post's id.
DELETE, TRY_ANOTHER, WHY = "delete_post", "try_another", "why"
#: Id of the window that asks before somebody else's post is deleted.
DELETE_CONFIRMED = "delete_post_confirmed"
#: Slack's limits, in characters.
MAX_SECTION_TEXT, MAX_BUTTON_TEXT, MAX_BUTTON_VALUE = 3000, 75, 2000
MAX_VIEW_TITLE, MAX_METADATA = 24, 3000
#: What replaces the end of a text that is too long.
CUT = "…"
#: More faces than this are counted by emoji; nobody reads a longer row.
SHOWN_ONE_BY_ONE = 12
#: So many kinds of emoji are counted; the rest is summed up.
COUNTED_KINDS = 8
#: Doubtful faces that are named one by one: "the second and the third face".
NAMED_DOUBTS = 3
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

Block = dict[str, Any]


def result_blocks(post: Post) -> list[Block]:
    """Return what stands with a result: comment, alternative text, buttons."""
    alt_text = [context(alt_text_of(post))] if post.alt_text else []
    return [section(comment(post)), *alt_text, result_buttons(post)]


def plain_comment(post: Post) -> str:
    """Return the comment where there can be no blocks, with the alternative text."""
    return _cut(f"{comment(post)}\n{alt_text_of(post)}".strip(), MAX_SECTION_TEXT)


def buttons_blocks(post: Post) -> list[Block]:
    """Return the buttons alone, for a message in the result's thread."""
    return [section(render_message("buttons_in_thread")), result_buttons(post)]


def result_buttons(post: Post) -> Block:
    """Return *Try another*, *Why?* and *Delete*."""
    return {
        "type": "actions",
        "block_id": "result_actions",
        "elements": [
            button(
                "Try another",
                TRY_ANOTHER,
                post.post_id,
                "Draw this picture again with other emoji",
            ),
            button("Why?", WHY, post.post_id, "Show you alone why these emoji"),
            button("Delete", DELETE, post.post_id, "Delete this picture for everybody")
            | {"style": "danger"},
        ],
    }


def comment(post: Post) -> str:
    """Return who asked and what was found, as Slack's ``mrkdwn``: a few lines."""
    asked = f"<@{post.asker_id}> asked for this."
    if is_direct(post.channel_id):
        asked = "Here you are."
    moving = f" in {post.frames} frames" if post.frames > 1 else ""
    lines = [f"{asked} {found(post.faces, moving)}", doubts(post.faces), *post.notes]
    return "\n".join(filter(None, lines))


def found(faces: Sequence[FaceSummary], where: str = "") -> str:
    """Return how many faces there are and which emoji they got, in reading order."""
    total = sum(face.count for face in faces)
    count = ("1 face" if total == 1 else f"{total} faces") + where
    drawn = [face for face in faces if face.character]
    by_person = any(face.spoken.startswith(DRAWN) for face in faces)
    parts = [_emoji_of(drawn)] if drawn else []
    for words in (COVERED, LEFT):
        number = sum(face.count for face in faces if face.spoken == words)
        parts += [f"{number} {words}"] if number else []
    if parts == [f"{total} {COVERED}"]:
        return f"{count} {COVERED}"
    between = f", {DRAWN} " if drawn and by_person else ": "
    return f"{count}{between}{', '.join(parts)}" if parts else count


def _emoji_of(faces: Sequence[FaceSummary]) -> str:
    """Return the emoji of some faces, one by one or by kind."""
    if sum(face.count for face in faces) <= SHOWN_ONE_BY_ONE:
        return " ".join(face.character for face in faces)
    counted: Counter[str] = Counter()
    for face in faces:
        counted[face.character] += face.count
    kinds = counted.most_common()
    shown = [
        f"{character} × {number}" if number > 1 else character
        for character, number in kinds[:COUNTED_KINDS]
    ]
    rest = sum(number for _, number in kinds[COUNTED_KINDS:])
    return f"{', '.join(shown)}{f' and {rest} more' if rest else ''}"


def doubts(faces: Sequence[FaceSummary]) -> str:
    """Return which faces are guesses; empty where all are sure."""
    doubtful = [number for number, face in enumerate(faces) if not face.sure]
    count = sum(faces[number].count for number in doubtful)
    if not doubtful:
        return ""
    if len(doubtful) == len(faces):
        them = {1: "it", 2: "either of them"}.get(count, "any of them")
    elif sum(face.count for face in faces) > len(faces):
        them = f"{count} of them"  # where they are is not known any more
    elif len(doubtful) <= NAMED_DOUBTS and doubtful[-1] < len(ORDINALS):
        *most, last = (f"the {ORDINALS[number]}" for number in doubtful)
        them = f"{', '.join(most)} and {last} faces" if most else f"{last} face"
    else:
        them = f"{len(doubtful)} of them"
    return f"I am not sure about {them}."


def alt_text_of(post: Post) -> str:
    """Return the alternative text, as it may stand in a message."""
    return html.escape(post.alt_text, quote=False)


def delete_confirmation_view(metadata: str) -> Block:
    """Return the window that asks whether to delete somebody else's post.

    Args:
        metadata: Comes back with the answer. Longer than Slack keeps is a `ValueError`.
    """
    if len(metadata) > MAX_METADATA:
        raise ValueError(f"A window keeps {MAX_METADATA} characters at most.")
    return {
        "type": "modal",
        "callback_id": DELETE_CONFIRMED,
        "private_metadata": metadata,
        "title": plain("Delete the picture?", MAX_VIEW_TITLE),
        "submit": plain("Delete", MAX_VIEW_TITLE),
        "close": plain("Keep it", MAX_VIEW_TITLE),
        "blocks": [section(render_message("confirm_delete"))],
    }


def help_blocks(**facts: str) -> list[Block]:
    """Return the help message."""
    return [
        section(render_message("help", **facts)),
        context(render_message("privacy")),
    ]


def section(text: str) -> Block:
    """Return a paragraph."""
    return {"type": "section", "text": mrkdwn(text)}


def context(text: str) -> Block:
    """Return small print."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def header(text: str) -> Block:
    """Return a heading."""
    return {"type": "header", "text": plain(text)}


def button(text: str, action_id: str, value: str, spoken: str) -> Block:
    """Return a button.

    Args:
        text: On it.
        action_id: Chooses the listener.
        value: Passed to the listener.
        spoken: Text for screen readers.

    Raises:
        ValueError: The value is longer than Slack carries; cut, it would be another.
    """
    if len(value) > MAX_BUTTON_VALUE:
        raise ValueError(f"A button carries {MAX_BUTTON_VALUE} characters at most.")
    return {
        "type": "button",
        "action_id": action_id,
        "text": plain(text),
        "value": value,
        "accessibility_label": spoken,
    }


def mrkdwn(text: str) -> Block:
    """Return a text in Slack's mark-up, cut where Slack would refuse it."""
    return {"type": "mrkdwn", "text": _cut(text, MAX_SECTION_TEXT)}


def plain(text: str, longest: int = MAX_BUTTON_TEXT) -> Block:
    """Return a text without mark-up, cut where Slack would refuse it."""
    return {"type": "plain_text", "text": _cut(text, longest), "emoji": True}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT
