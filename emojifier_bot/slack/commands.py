"""Parses the words after ``/emojify`` and around a mention; runs settings commands.

Slack writes addresses as ``<https://host/path|label>`` and ``&`` as ``&amp;`` where it
escapes; people put quotes around them. Words come in any order and either case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from emojifier_bot.domain import EmojifyRequest, Workspace
from emojifier_bot.errors import DeliveryError, ErrorKind
from emojifier_bot.slack.client import SlackClient
from emojifier_bot.slack.context import ListenerContext
from emojifier_bot.slack.messages import quoted
from emojifier_bot.slack.payloads import is_direct


class SettingsCommand(StrEnum):
    """A command that asks for no picture; it stands alone."""

    OFF = "off"
    ON = "on"
    OPT_OUT = "opt out"
    OPT_IN = "opt in"


SURPRISE, PRIVATE, HELP = "surprise", "private", "help"
FLAGS = {SURPRISE: SURPRISE, PRIVATE: PRIVATE, HELP: HELP, "?": HELP}
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
#: How alike a word and its nearest guess must be, 0 to 1; `difflib` takes 0.6 too.
GUESS_LIKENESS = 0.6
#: ``<https://…|label>``: the label may hold spaces.
_ESCAPED_ADDRESS = re.compile(r"<(https?://[^|>\s]+)(?:\|[^>]*)?>", re.IGNORECASE)
#: ``<@U123>``, ``<@U123|name>``: a mention.
_MENTION = re.compile(r"<@[^>]*>")
#: ``host.example/path``, ``photo.jpg``, ``www.x``, ``ftp://x``: meant as an address.
_LIKE_ADDRESS = re.compile(r"^(\w[\w+.-]*://.*|www\..*|[\w-]+(\.[\w-]+)+(/.*)?)$")

#: What Slack calls people who may decide for a workspace.
ADMINS = ("is_admin", "is_owner", "is_primary_owner")
#: Slack's refusals where the bot may not ask who is an admin.
NOT_ALLOWED = frozenset({ErrorKind.MISSING_SCOPE, ErrorKind.NO_PERMISSION})


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """What somebody asks for."""

    #: Where the picture lies; empty for none named.
    address: str = field(default="", repr=False)
    #: Name of a theme; empty for the settings' own.
    theme: str = ""
    surprise: bool = False
    private: bool = False
    help: bool = False
    #: Set where it asks for no picture; then all the rest is empty.
    settings: SettingsCommand | None = None
    #: A message has other words in it, which mean nothing to the bot.
    has_other_words: bool = False


@dataclass(frozen=True, slots=True)
class ParseError:
    """A word that means nothing: kind of the message about it, and its facts."""

    kind: str
    facts: Mapping[str, str]


def parse_command(text: str, themes: Collection[str]) -> ParsedCommand | ParseError:
    """Read the words after the command; each must mean something.

    Args:
        text: As Slack sends it, escaped or not.
        themes: Names of the themes that may be asked for.
    """
    parsed, errors = _parse(text, themes)
    return errors[0] if errors and not parsed.help else parsed


def parse_mention(text: str, themes: Collection[str]) -> ParsedCommand:
    """Read a message to the bot; words that mean nothing are passed over."""
    parsed, _ = _parse(_MENTION.sub(" ", text), themes)
    return parsed


def _parse(
    text: str, themes: Collection[str]
) -> tuple[ParsedCommand, list[ParseError]]:
    theme_names = {theme.casefold(): theme for theme in themes}
    words = _words(text)
    if settings := SPELLINGS.get(" ".join(words).casefold()):
        return ParsedCommand(settings=settings), []
    address, theme = "", ""
    flags: set[str] = set()
    errors: list[ParseError] = []
    for word in words:
        lower = word.casefold()
        if lower in FLAGS:
            flags.add(FLAGS[lower])
        elif lower in theme_names:
            theme = theme_names[lower]
        elif is_address(word):
            if address not in ("", word):
                errors.append(ParseError(ErrorKind.SEVERAL_ADDRESSES, {}))
            address = address or word
        else:
            known = [*theme_names, *FLAGS, *SettingsCommand]
            errors.append(_parse_error(word, known))
    parsed = ParsedCommand(
        address=address,
        theme=theme,
        surprise=SURPRISE in flags,
        private=PRIVATE in flags,
        help=HELP in flags,
        has_other_words=bool(errors),
    )
    return parsed, errors


def _words(text: str) -> list[str]:
    plain = _ESCAPED_ADDRESS.sub(r" \1 ", text)
    for escaped, character in ESCAPES:
        plain = plain.replace(escaped, character)
    words = (word.strip(WRAPPING) for word in plain.split())
    return [word for word in words if word]


def is_address(word: str) -> bool:
    """Return whether a word is a whole http address."""
    try:
        parts = urlsplit(word)
        web = parts.scheme in ("http", "https")
        return web and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as for "http://[::" and "http://host:port"
        return False


def _parse_error(word: str, known: list[str]) -> ParseError:
    if _LIKE_ADDRESS.match(word):
        return ParseError(ErrorKind.NOT_A_URL, {"word": quoted(word)})
    lower = word.casefold()
    if lower in (SettingsCommand.OFF, SettingsCommand.ON):
        return ParseError(ErrorKind.ORDER_ALONE, {"word": lower})
    guess = "".join(get_close_matches(lower, known, 1, GUESS_LIKENESS))
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
    if is_direct(asker.channel_id):
        return ErrorKind.CHANNEL_ONLY
    off = command is SettingsCommand.OFF

    def switch() -> None:
        if kind := _refusal(context.client, asker):
            context.notify(asker, kind)
            return
        settings.switch(workspace, asker.channel_id, asker.user_id, off=off)
        elsewhere = not off and settings.is_off(asker.channel_id)
        on = "channel_off_elsewhere" if elsewhere else "channel_switched_on"
        context.notify(asker, "channel_switched_off" if off else on)

    context.run_later(asker, "switch", switch)
    return ""


def _refusal(client: SlackClient, asker: EmojifyRequest) -> str:
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
