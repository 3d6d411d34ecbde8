"""Renders the messages that people in Slack read, from ``messages.toml``."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emojifier_bot.domain import RETENTION, NotPosted, Outcome, OutcomeKind
from emojifier_bot.errors import ErrorKind
from emojifier_bot.http.fetch import visible
from emojifier_bot.slack.manifest import BOT_NAME, COMMAND
from emojifier_bot.vision.formats import readable_titles

__all__ = [
    "MESSAGES",
    "SILENT",
    "Message",
    "has_elsewhere",
    "is_retryable",
    "mention_of",
    "names_of",
    "quoted",
    "render_message",
    "render_outcome",
]

PATH = Path(__file__).with_name("messages.toml")
#: Outcomes that speak for themselves: nobody is notified.
SILENT = frozenset({OutcomeKind.POSTED, OutcomeKind.PREVIEWED, OutcomeKind.EXPLAINED})
UNKNOWN = "unknown_code"
#: Whatever a sentence names and the caller leaves out.
DEFAULT_FACTS = {
    "again": "ask again",
    "left": "",
    "command": COMMAND,
    "bot": f"@{BOT_NAME}",
    "word": "that",
    "addresses": "ten",
    "characters": "8,000",
    "words": "400",
    "guess": "help",
    "themes": "`classic`",
    "formats": readable_titles("or"),
    "picture": "your picture",
    "pictures": "usual",
    "place": "this conversation",
    "posted": "some",
    "results": "the result",
    "wait": "a few minutes",
    "problem": "What you want for single faces does not fit this picture.",
    "retention_days": str(RETENTION.days),
    "done": "some",
    "total": "all",
}
#: A word that is repeated to its writer is cut after this many characters.
MAX_QUOTED_CHARACTERS = 60
#: The same of a sentence about what somebody asked for.
MAX_PROBLEM = 300
#: Longest message that Slack shows to one person alone.
MAX_SAID = 4000
#: Longest error code that is repeated to somebody.
MAX_CODE = 60
#: What formats a text; between two letters or digits it does not: ``IMG_2024_01.png``.
_MARKUP = re.compile(r"`|(?<![^\W_])[*_~]+|[*_~]+(?![^\W_])")
_NOT_CODE = re.compile(r"[^a-z0-9_.:-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of ``messages.toml``."""

    #: What happened. ``{name}`` is replaced by a fact.
    sentence: str
    #: What to do now.
    next_step: str
    #: Both in a direct message between people, into which nobody can invite the bot;
    #: empty for no difference.
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


def _render(kind: str, facts: Mapping[str, str], *, elsewhere: bool) -> str:
    if kind == ErrorKind.UNKNOWN_OPTION and facts.get("guess"):
        kind = "unknown_option_guess"
    if kind == OutcomeKind.SEVERAL and facts.get("posted") == "0":
        kind = "several_none"
    message = MESSAGES.get(kind) or MESSAGES[UNKNOWN]
    code = _NOT_CODE.sub("", kind)[:MAX_CODE]
    between = "\n" if "\n" in message.sentence else " "
    usual = f"{message.sentence}{between}{message.next_step}"
    template = (elsewhere and message.elsewhere) or usual
    return template.format_map({**DEFAULT_FACTS, "code": code, **facts})


def render_outcome(
    outcome: Outcome, names: Mapping[str, str], *, elsewhere: bool
) -> str:
    """Return the message for an outcome; of several pictures, a line for each reason.

    Args:
        outcome: How it ended.
        names: Facts that every text may name.
        elsewhere: It is read in a direct message between people.
    """
    reasons: dict[str, list[NotPosted]] = {}
    for one in outcome.missing:
        reasons.setdefault(one.kind, []).append(one)
    lines = [
        f"• {names_of(pictures)}{', each' * (len(pictures) > 1)}: "
        f"{_render(kind, names, elsewhere=elsewhere)}"
        for kind, pictures in reasons.items()
    ]
    facts = {**names, **outcome.facts}
    if problem := outcome.facts.get("problem"):
        facts["problem"] = quoted(problem, MAX_PROBLEM)
    said = "\n".join([_render(outcome.kind, facts, elsewhere=elsewhere), *lines])
    return said if len(said) <= MAX_SAID else said[: MAX_SAID - 1] + "…"


def has_elsewhere(outcome: Outcome) -> bool:
    """Return whether the message differs in direct messages between people."""
    kinds = (outcome.kind, *(one.kind for one in outcome.missing))
    return any(one.elsewhere for one in map(MESSAGES.get, kinds) if one)


def names_of(pictures: Iterable[NotPosted]) -> str:
    """Return what some of several pictures are called: ``“a.png” and picture 2``."""
    *most, last = (
        f"“{quoted(one.name)}”" if one.name else f"picture {one.number}"
        for one in pictures
    )
    return f"{', '.join(most)} and {last}" if most else last


def quoted(word: str, longest: int = MAX_QUOTED_CHARACTERS) -> str:
    """Return a word as a message may repeat it: short, nothing in it is markup."""
    shown = _MARKUP.sub("", visible(word))
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return html.escape(shown, quote=False)


def mention_of(user_id: str) -> str:
    """Return what Slack shows as a user's name, whatever that is in the workspace."""
    return f"<@{user_id}>" if user_id else DEFAULT_FACTS["bot"]


def is_retryable(kind: str) -> bool:
    """Return whether the same request may succeed later by itself."""
    return kind in MESSAGES and MESSAGES[kind].retryable
