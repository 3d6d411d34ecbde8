"""Renders the messages that people in Slack read, from ``messages.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emojifier_bot.domain import RETENTION, OutcomeKind
from emojifier_bot.errors import ErrorKind
from emojifier_bot.slack.manifest import BOT_NAME, COMMAND
from emojifier_bot.vision.formats import readable_titles

__all__ = [
    "MESSAGES",
    "SILENT",
    "Message",
    "is_retryable",
    "mention_of",
    "render_message",
    "render_message_elsewhere",
]

PATH = Path(__file__).with_name("messages.toml")
#: Outcomes that speak for themselves: nobody is notified.
SILENT = frozenset({OutcomeKind.POSTED})
UNKNOWN = "unknown_code"
#: Whatever a sentence names and the caller leaves out.
DEFAULT_FACTS = {
    "command": COMMAND,
    "bot": f"@{BOT_NAME}",
    "word": "that",
    "guess": "help",
    "themes": "`classic`",
    "formats": readable_titles("and"),
    "pictures": "usual",
    "wait": "a few minutes",
    "retention_days": str(RETENTION.days),
}
#: Longest error code that is repeated to somebody.
MAX_CODE = 60
_NOT_CODE = re.compile(r"[^a-z0-9_.:-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of ``messages.toml``."""

    #: What happened. ``{name}`` is replaced by a fact.
    sentence: str
    #: What to do now.
    next_step: str
    #: The same in a direct message between people, into which nobody can invite the
    #: bot; empty for no difference.
    elsewhere: str = ""
    #: Whether the same request may succeed later although nobody changes anything.
    retryable: bool = False
    #: Further kinds with the same message.
    aliases: Sequence[str] = ()


def _load() -> dict[str, Message]:
    groups = tomllib.loads(PATH.read_text(encoding="utf-8"))
    found: dict[str, Message] = {}
    for entries in groups.values():
        for kind, fields in entries.items():
            message = Message(**fields)
            found |= dict.fromkeys((kind, *message.aliases), message)
    return found


#: Message by kind, aliases included.
MESSAGES: Mapping[str, Message] = _load()


def render_message(kind: str, **facts: str) -> str:
    """Return the message for a kind: what happened, and what to do.

    Args:
        kind: Of an outcome or an error; an unknown one gets a generic message.
        facts: What the sentences may name, as Slack's ``mrkdwn``: already escaped.
    """
    return _render(kind, facts, elsewhere=False)


def render_message_elsewhere(kind: str, **facts: str) -> str:
    """Return the same message where nobody can invite the bot."""
    return _render(kind, facts, elsewhere=True)


def _render(kind: str, facts: Mapping[str, str], *, elsewhere: bool) -> str:
    if kind == ErrorKind.UNKNOWN_OPTION and facts.get("guess"):
        kind = "unknown_option_guess"
    message = MESSAGES.get(kind) or MESSAGES[UNKNOWN]
    code = _NOT_CODE.sub("", kind)[:MAX_CODE]
    between = "\n" if "\n" in message.sentence else " "
    next_step = (elsewhere and message.elsewhere) or message.next_step
    template = f"{message.sentence}{between}{next_step}"
    return template.format_map({**DEFAULT_FACTS, "code": code, **facts})


def mention_of(user_id: str) -> str:
    """Return what Slack shows as a user's name, whatever that is in the workspace."""
    return f"<@{user_id}>" if user_id else DEFAULT_FACTS["bot"]


def is_retryable(kind: str) -> bool:
    """Return whether the same request may succeed later by itself."""
    return kind in MESSAGES and MESSAGES[kind].retryable
