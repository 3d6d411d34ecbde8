"""Every sentence that somebody in Slack reads: what happened, and what to do.

One table, kind to `Reply`; its rows stand in ``replies_talk``, ``replies_pictures``,
``replies_rules`` and ``replies_slack``, its words about results in ``comments``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from emojifier_bot.domain import OutcomeKind
from emojifier_bot.errors import ErrorKind
from emojifier_bot.slack.replies_pictures import (
    ADDRESSES,
    FACES,
    IMAGES,
    SLACK_FILES,
)
from emojifier_bot.slack.replies_rules import RULES
from emojifier_bot.slack.replies_slack import SLACK_CODES
from emojifier_bot.slack.replies_talk import TALK
from emojifier_bot.slack.reply import Reply

__all__ = ["REPLIES", "SILENT", "is_retryable", "reply", "say"]

REPLIES: Mapping[str, Reply] = {
    **SLACK_CODES,
    **ADDRESSES,
    **SLACK_FILES,
    **IMAGES,
    **FACES,
    **RULES,
    **TALK,
}
#: Outcomes that speak for themselves: nobody is told.
SILENT = frozenset({OutcomeKind.POSTED})
UNKNOWN = "unknown_code"
#: Whatever a sentence names and nobody told.
DEFAULT_FACTS = {
    "word": "that",
    "guess": "help",
    "themes": "`classic`",
    "code": "?",
    "pictures": "usual",
    "wait": "a few minutes",
}
#: Longest code that is repeated to somebody.
TOLD_CODE = 60
_NOT_CODE = re.compile(r"[^a-z0-9_.:-]", re.IGNORECASE)


def reply(kind: str) -> Reply:
    """Return the row with the words for a kind; the generic one for an unknown kind."""
    row = REPLIES.get(kind) or REPLIES[UNKNOWN]
    return REPLIES[row.same_as] if row.same_as else row


def say(kind: str, **facts: str) -> str:
    """Return the sentences for a kind: what happened, and what to do.

    Args:
        kind: Row of the table.
        facts: What the sentences may name, as Slack's ``mrkdwn``: escaped already.
    """
    if kind == ErrorKind.UNKNOWN_OPTION and facts.get("guess"):
        kind = "unknown_option_guess"
    row = reply(kind)
    code = _NOT_CODE.sub("", kind)[:TOLD_CODE]
    told = {**DEFAULT_FACTS, "code": code, **facts}
    between = "\n" if "\n" in row.sentence else " "
    return f"{row.sentence}{between}{row.next_step}".format_map(told)


def is_retryable(kind: str) -> bool:
    """Tell whether the same again may go well without anybody doing anything."""
    return reply(kind).retryable
