"""Parses the words after ``/emojify`` and around a mention; runs settings commands.

Slack writes addresses as ``<https://host/path|label>`` and ``&`` as ``&amp;`` where it
escapes; people put quotes around them. Words come in any order and either case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from emojifier_bot.db.preferences import Preference
from emojifier_bot.domain import EmojifyRequest, Workspace
from emojifier_bot.emotion_models import ReadingMode, lowest
from emojifier_bot.errors import DeliveryError, ErrorKind, PlanError
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.face_words import FaceWords, read_face_words
from emojifier_bot.slack.messages import MAX_PROBLEM, quoted
from emojifier_bot.slack.payloads import is_address, is_direct
from emojifier_bot.slack.words import (
    ENDINGS,
    OF_A_THEME,
    POINTS,
    POLITE,
    SHORT_WORDS,
    THUMBS_DOWN,
    OtherWords,
    bare,
    is_emoji,
    meaning_of,
)
from emojifier_bot.vision.edits import parse_edits


class SettingsCommand(StrEnum):
    """A command that asks for no picture; it stands alone."""

    OFF = "off"
    ON = "on"
    OPT_OUT = "opt out"
    OPT_IN = "opt in"
    PLAIN = "plain"
    PLAIN_OFF = "plain off"


#: What a person wants of their own requests, and the answer to that.
_READINGS = {
    SettingsCommand.PLAIN: ("plain_now", ReadingMode.SHAPES),
    SettingsCommand.PLAIN_OFF: ("plain_off_now", ""),
}
#: What a message with a face's number may say as well, and is answered for.
_ANSWERED = frozenset({OtherWords.THANKS, OtherWords.QUESTION, OtherWords.PRIVACY})
#: Orders that nothing speaks against.
KEEPING_AWAY = frozenset(
    {SettingsCommand.OFF, SettingsCommand.OPT_OUT, SettingsCommand.PLAIN}
)
SURPRISE, PRIVATE, HELP, AGAIN = "surprise", "private", "help", "again"
PREVIEW, NOW = "preview", "now"
FLAGS = {SURPRISE: SURPRISE, PRIVATE: PRIVATE, HELP: HELP, "?": HELP}
FLAGS |= dict.fromkeys(("privately", "dm"), PRIVATE)
FLAGS |= {PREVIEW: PREVIEW, NOW: NOW}
FLAGS |= dict.fromkeys((AGAIN, "redo", "retry", "another"), AGAIN)
#: Who uses one of these asks for a picture; "surprise" may be a remark.
_ASKING = frozenset({AGAIN, PRIVATE, PREVIEW})
#: Settings commands by every spelling.
SPELLINGS = {str(command): command for command in SettingsCommand} | {
    "opt-out": SettingsCommand.OPT_OUT,
    "optout": SettingsCommand.OPT_OUT,
    "opt-in": SettingsCommand.OPT_IN,
    "optin": SettingsCommand.OPT_IN,
}
#: Quotes that people put around a word, and what joins words in a sentence.
WRAPPING = "\"'`“”‘’«»„<>,;!"  # noqa: RUF001 - as people write them
#: All that Slack escapes; nothing else, for ``&copy=1`` is part of an address.
ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
#: Most characters, words and addresses of a message that are read. An address has
#: 2,000 characters at most in practice; Slack's longest message has 40,000.
MAX_CHARACTERS, MAX_WORDS, MAX_ADDRESSES = 8000, 400, 10
#: How alike a word and its nearest guess must be, 0 to 1; `difflib` takes 0.6 too.
GUESS_LIKENESS = 0.6
# No pattern may begin anew inside what another try has passed already: each class
# leaves out what its own match begins with.
#: ``<https://…|label>``: the label may hold spaces.
_ESCAPED_ADDRESS = re.compile(r"<(https?://[^|<>\s]+)(?:\|[^<>]*)?>", re.IGNORECASE)
#: ``<@U123>``, ``<@U123|name>``: a mention.
_MENTION = re.compile(r"<@[^<>]*>")
#: What asks in more than one word for the same again, for oneself alone, or to see it.
_ONE_MORE = re.compile(r"\b(?:one|once) more(?: time)?\b", re.IGNORECASE)
_FOR_ME = re.compile(r"\b(?:just|only) (?:for|to) me\b", re.IGNORECASE)
_SEE_FIRST = re.compile(
    r"\b(?:see|show)(?: me)?(?: it| this| that| them)? first\b", re.IGNORECASE
)
_THANKS_AGAIN = re.compile(r"\b(thanks|thank you|thx|cheers) again\b", re.IGNORECASE)
#: ``host.example/path``, ``photo.jpg``, ``www.x``, ``ftp://x``: meant as an address.
_LIKE_ADDRESS = re.compile(r"^(\w[\w+.-]*://.*|www\..*|[\w-]+(\.[\w-]+)+(/.*)?)$")
#: What people ask for, whatever stands around it: it does no harm where it is wrong.
_OPT_OUT = re.compile(r"\bopt(?:-| me | )?out\b")
_OPT_IN = re.compile(r"\bopt(?:-| me | )?in\b")
#: What nobody sees: it is copied along with what is meant.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0000-\U000e0fff]"
)

#: What Slack calls people who may decide for a workspace.
ADMINS = ("is_admin", "is_owner", "is_primary_owner")
#: Slack's refusals where the bot may not ask who is an admin.
NOT_ALLOWED = frozenset({ErrorKind.MISSING_SCOPE, ErrorKind.NO_PERMISSION})


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """What somebody asks for."""

    #: Where the pictures lie; empty for none named.
    addresses: tuple[str, ...] = field(default=(), repr=False)
    #: Name of a theme; empty for the settings' own.
    theme: str = ""
    surprise: bool = False
    private: bool = False
    #: First for the asker alone; or not, although they have chosen that for all.
    preview: bool = False
    now: bool = False
    help: bool = False
    #: Other emoji for what a result was made from.
    again: bool = False
    #: What is asked for single faces: ``skip 2``, ``3=grin``.
    words: tuple[str, ...] = ()
    #: Set where it asks for no picture; then all the rest is empty.
    settings: SettingsCommand | None = None
    other_words: OtherWords = OtherWords.NONE

    @property
    def is_answered(self) -> bool:
        """Return whether its words ask for no picture, and none stands beside them."""
        if self.other_words is OtherWords.THANKS:
            return self == ParsedCommand(other_words=OtherWords.THANKS)
        asks = self.other_words in {OtherWords.NONE, OtherWords.REQUEST}
        return not (asks or self.addresses or self.other_words is OtherWords.UNCLEAR)


@dataclass(frozen=True, slots=True)
class ParseError:
    """A word that means nothing: kind of the message about it, and its facts."""

    kind: str
    facts: Mapping[str, str]


def parse_command(text: str, themes: Collection[str]) -> ParsedCommand | ParseError:
    """Read the words after the command; each must mean something, or be polite.

    What they ask for single faces must be complete; in a mention it may be a sentence,
    where "only" and "skip" are words like others.

    Args:
        text: As Slack sends it, escaped or not.
        themes: Names of the themes that may be asked for.
    """
    if len(text) > MAX_CHARACTERS or len(text.split(None, MAX_WORDS)) > MAX_WORDS:
        most = {"characters": f"{MAX_CHARACTERS:,}", "words": str(MAX_WORDS)}
        return ParseError(ErrorKind.TOO_LONG, most)
    parsed, error, others = _parse(text, themes)
    if error is None and others and not parsed.is_answered:
        polite = parsed.other_words in {OtherWords.REQUEST, OtherWords.THANKS}
        unknown = [one for one in others if not (polite and bare(one) in POLITE)]
        if unknown:
            error = _parse_error(
                unknown[0], [*themes, *(FLAGS.keys() - {NOW}), *SettingsCommand]
            )
    return error if error and not parsed.help else parsed


def parse_mention(text: str, themes: Collection[str]) -> ParsedCommand | ParseError:
    """Read a message to the bot; of words that mean nothing it returns what for.

    An order among other words is an error, but for ``opt out``, and so are too many
    addresses.
    """
    plain = _MENTION.sub(" ", text)
    parsed, error, others = _parse(plain, themes, is_command=False)
    if others and all(map(is_emoji, others)):
        against = not THUMBS_DOWN.isdisjoint(others)
        meaning = OtherWords.AGAINST if against else OtherWords.THANKS
        parsed = replace(parsed, other_words=meaning)
    return error or parsed


def _parse(
    text: str, themes: Collection[str], *, is_command: bool = True
) -> tuple[ParsedCommand, ParseError | None, list[str]]:
    """Return what is asked for, what is wrong with it, and the other words."""
    themes_by_name = {theme.casefold(): theme for theme in themes}
    words = _words(text)
    sentence = " ".join(words).casefold().rstrip(ENDINGS)
    settings = SPELLINGS.get(sentence)
    if settings is None and _OPT_OUT.search(sentence):
        settings = SettingsCommand.OPT_OUT
    if settings:
        return ParsedCommand(settings=settings), None, []
    theme = ""
    flags: set[str] = set()
    addresses: dict[str, None] = {}
    others: list[str] = []
    of_faces = read_face_words(words[:MAX_WORDS], is_command=is_command)
    for word in of_faces.others:
        lower = word.casefold()
        plain = lower.rstrip(ENDINGS) or lower[:1]
        if plain in FLAGS:
            flags.add(FLAGS[plain])
        elif plain in themes_by_name:
            theme = themes_by_name[plain]
        elif is_address(word):
            addresses[word] = None
        else:
            others.append(word)
    others += words[MAX_WORDS:]
    of_a_theme = OF_A_THEME if theme else ()
    others = [word for word in others if bare(word) not in of_a_theme]
    if AGAIN in flags:
        flags.add(SURPRISE)
    asks = bool(of_faces.found) or not _ASKING.isdisjoint(flags)
    parsed = ParsedCommand(
        addresses=tuple(addresses)[:MAX_ADDRESSES],
        theme=theme,
        surprise=SURPRISE in flags,
        private=PRIVATE in flags,
        preview=PREVIEW in flags,
        now=NOW in flags,
        help=HELP in flags,
        again=AGAIN in flags,
        words=tuple(of_faces.found),
        other_words=meaning_of(others, asks=asks, wants_help=HELP in flags),
    )
    error = None
    if len(addresses) > MAX_ADDRESSES:
        facts = {"addresses": str(MAX_ADDRESSES)}
        error = ParseError(ErrorKind.SEVERAL_ADDRESSES, facts)
    elif order := _order_among(of_faces.others, sentence):
        error = ParseError(ErrorKind.ORDER_ALONE, {"word": order})
    return parsed, error or _error_of_faces(of_faces, parsed.other_words), others


def _error_of_faces(asked: FaceWords, beside: OtherWords) -> ParseError | None:
    """Return what is wrong with the words for single faces."""
    if not asked.is_order and beside in _ANSWERED:
        return None
    problem = asked.problem
    try:
        parse_edits(" ".join(asked.found))
    except PlanError as wrong:
        problem = problem or wrong.message
    facts = {"problem": quoted(problem, MAX_PROBLEM)}
    return ParseError(ErrorKind.PLAN, facts) if problem else None


def _order_among(words: list[str], sentence: str) -> str:
    """Return the order that stands among a few other words; empty for none."""
    if _OPT_IN.search(sentence):
        return SettingsCommand.OPT_IN
    listed = [word.casefold().rstrip(ENDINGS) for word in words[:SHORT_WORDS]]
    if len(words) >= SHORT_WORDS or not POINTS.isdisjoint(listed):
        return ""
    return next((word for word in listed if word in SPELLINGS), "")


def _words(text: str) -> list[str]:
    """Return the words, one more than are read where there are more."""
    if len(text) > MAX_CHARACTERS:
        # Half an address would be another address.
        text = "".join(text[:MAX_CHARACTERS].rpartition(" ")[:2]) + "…"
    plain = _ESCAPED_ADDRESS.sub(r" \1 ", _INVISIBLE.sub("", text))
    plain = _THANKS_AGAIN.sub(r"\1", _ONE_MORE.sub(AGAIN, plain))
    plain = _SEE_FIRST.sub(PREVIEW, _FOR_ME.sub(PRIVATE, plain))
    for escaped, character in ESCAPES:
        plain = plain.replace(escaped, character)
    words = (word.strip(WRAPPING) for word in plain.split(None, MAX_WORDS))
    return [word for word in words if word]


def _parse_error(word: str, known: list[str]) -> ParseError:
    if _LIKE_ADDRESS.match(word):
        return ParseError(ErrorKind.NOT_A_URL, {"word": quoted(word)})
    lower = word.casefold()
    if lower in SPELLINGS:
        return ParseError(ErrorKind.ORDER_ALONE, {"word": lower})
    guess = "".join(get_close_matches(lower, known, 1, GUESS_LIKENESS))
    if is_emoji(word):
        guess = quoted(f"everyone {word}")
    facts = {"word": quoted(word), "guess": guess}
    return ParseError(ErrorKind.UNKNOWN_OPTION, facts)


def run_settings_command(
    context: ListenerContext, asker: EmojifyRequest, command: SettingsCommand
) -> str:
    """Run a command, or begin to: off and on for a channel, opt out and opt in.

    Returns:
        Kind of the answer; empty if Slack must be asked first: then the asker is
        notified afterwards.
    """
    settings, workspace = context.settings, asker.workspace
    if command is SettingsCommand.OPT_OUT:
        settings.opt(workspace, asker.user_id, out=True)
        return "opted_out_now"
    if command is SettingsCommand.OPT_IN:
        settings.opt(workspace, asker.user_id, out=False)
        elsewhere = settings.opted_out([asker.user_id])
        return "opted_out_elsewhere" if elsewhere else "opted_in_now"
    if command in _READINGS:
        kind, reading = _READINGS[command]
        who = (workspace, asker.user_id)
        if reading:  # whoever has chosen less already keeps that
            own = context.preferences.chosen(*who).get(Preference.READING, "")
            reading = lowest(reading, own)
        context.preferences.choose(*who, Preference.READING, reading)
        return kind
    if is_direct(asker.channel_id):
        return ErrorKind.CHANNEL_ONLY
    off = command is SettingsCommand.OFF

    def switch() -> None:
        if kind := refusal_of(context.client, asker):
            context.notify(asker, kind)
            return
        settings.switch(workspace, asker.channel_id, asker.user_id, off=off)
        elsewhere = not off and settings.is_off(asker.channel_id)
        on = "channel_off_elsewhere" if elsewhere else "channel_switched_on"
        context.notify(asker, "channel_switched_off" if off else on)

    context.run_later(asker, "switch", switch)
    return ""


def refusal_of(client: SlackClient, asker: EmojifyRequest) -> str:
    """Return why the asker may not decide for the workspace; empty if they may."""
    workspace = asker.workspace
    if asker.user_id == client.installation(workspace).installed_by != "":
        return ""
    if not client.has_scope(workspace, "users:read"):
        return ErrorKind.ADMIN_UNKNOWN
    try:
        answer = client.call(workspace, "users.info", user=asker.user_id)
    except DeliveryError as error:
        if error.kind in NOT_ALLOWED:
            return ErrorKind.ADMIN_UNKNOWN
        raise
    return "" if is_admin(answer.get("user") or {}, workspace) else ErrorKind.NOT_ADMIN


def is_admin(user: Mapping[str, Any], workspace: Workspace) -> bool:
    """Return whether a user is an admin of a workspace or its organisation.

    Somebody from another organisation in a shared channel may be an admin, but there.
    """
    grid = user.get("enterprise_user") or {}
    of_organisation = grid.get("enterprise_id") == workspace.enterprise_id != ""
    if of_organisation and any(grid.get(name) for name in ADMINS):
        return True
    belongs = user.get("team_id") == workspace.team_id or of_organisation
    return belongs and any(user.get(name) for name in ADMINS)
