"""Messages, windows and the home tab in Block Kit, within Slack's limits.

A result's buttons look alike for everybody in the channel. Who may press them is for
the listeners to decide, so *Delete* has no dialog of its own: the asker needs none, and
everybody else gets a window.
"""

from __future__ import annotations

from typing import Any

from emojifier_bot.domain import Post
from emojifier_bot.slack.comments import comment, in_words
from emojifier_bot.slack.replies import say

#: Ids of the buttons below a result; the value of each is the post's id.
DELETE, TRY_ANOTHER = "delete_post", "try_another"
#: Id of the window that asks before somebody else's post is deleted.
DELETE_CONFIRMED = "delete_post_confirmed"
#: Slack's limits, in characters.
MAX_SECTION_TEXT, MAX_BUTTON_TEXT, MAX_BUTTON_VALUE = 3000, 75, 2000
MAX_VIEW_TITLE, MAX_METADATA = 24, 3000
#: What replaces the end of a text that is too long.
CUT = "…"

PRIVACY = (
    "I read only the pictures that you point me at, keep none of them, and forget "
    "after 30 days where they were.\n"
    "Faces are found, not recognised: I never know who somebody is."
)

Block = dict[str, Any]


def result_blocks(post: Post) -> list[Block]:
    """Return what stands with a result: comment, its words, buttons."""
    words = [context(in_words(post))] if post.alt_text else []
    return [section(comment(post)), *words, result_buttons(post)]


def plain_comment(post: Post) -> str:
    """Return the comment where there can be no blocks: the picture's words included."""
    return _cut(f"{comment(post)}\n{in_words(post)}".strip(), MAX_SECTION_TEXT)


def buttons_blocks(post: Post) -> list[Block]:
    """Return the buttons alone, for a message in the result's thread."""
    return [section(buttons_text()), result_buttons(post)]


def buttons_text() -> str:
    """Return what such a message says."""
    return "Not quite right? You can do something about the picture above."


def result_buttons(post: Post) -> Block:
    """Return *Try another* and *Delete*."""
    return {
        "type": "actions",
        "block_id": "result_actions",
        "elements": [
            button(
                "Try another",
                TRY_ANOTHER,
                post.post_id,
                spoken="Draw this picture anew with other emoji",
            ),
            button(
                "Delete",
                DELETE,
                post.post_id,
                spoken="Delete this picture for everybody",
                style="danger",
            ),
        ],
    }


def delete_confirmation_view(metadata: str) -> Block:
    """Return the window that asks whether to delete somebody else's post.

    Args:
        metadata: What the window brings back when somebody is sure.

    Raises:
        ValueError: That is longer than Slack keeps.
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
        "blocks": [section(say("confirm_delete"))],
    }


def home_view(**facts: str) -> Block:
    """Return the home tab: what the bot does, how to ask, and what it keeps.

    Args:
        facts: As for the row ``help``: ``themes``.
    """
    return {
        "type": "home",
        "blocks": [
            header("Emojifier Bot"),
            section(say("help", **facts)),
            {"type": "divider"},
            header("Privacy"),
            section(PRIVACY),
        ],
    }


def help_blocks(**facts: str) -> list[Block]:
    """Return the help message."""
    return [section(say("help", **facts)), context(PRIVACY)]


def section(text: str) -> Block:
    """Return a paragraph."""
    return {"type": "section", "text": mrkdwn(text)}


def context(text: str) -> Block:
    """Return small print."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def header(text: str) -> Block:
    """Return a heading."""
    return {"type": "header", "text": plain(text)}


def button(
    text: str, action_id: str, value: str, *, spoken: str = "", style: str = ""
) -> Block:
    """Return a button.

    Args:
        text: On it.
        action_id: Which listener hears of a press.
        value: What that listener is told.
        spoken: What a screen reader says; empty for the text.
        style: ``"primary"``, ``"danger"`` or empty.

    Raises:
        ValueError: The value is longer than Slack carries; cut, it would be another.
    """
    if len(value) > MAX_BUTTON_VALUE:
        raise ValueError(f"A button carries {MAX_BUTTON_VALUE} characters at most.")
    more = {"accessibility_label": spoken[:MAX_BUTTON_TEXT], "style": style}
    return {
        "type": "button",
        "action_id": action_id,
        "text": plain(text),
        "value": value,
    } | {name: given for name, given in more.items() if given}


def mrkdwn(text: str) -> Block:
    """Return a text in Slack's mark-up, cut where Slack would refuse it."""
    return {"type": "mrkdwn", "text": _cut(text, MAX_SECTION_TEXT)}


def plain(text: str, longest: int = MAX_BUTTON_TEXT) -> Block:
    """Return a text without mark-up, cut where Slack would refuse it."""
    return {"type": "plain_text", "text": _cut(text, longest), "emoji": True}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT
