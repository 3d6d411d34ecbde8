"""``check`` and ``manifest``: what a new installation needs, and whether it works."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import FAILED, WrongUsage, missing_extra
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import ConfigError, EmojifierError

if TYPE_CHECKING:
    from emojifier_bot.config import Settings


@click.command
@click.option(
    "--url",
    metavar="ADDRESS",
    default="",
    show_default="the setting PUBLIC_URL",
    help="The bot's public address, such as https://bot.example.com.",
)
@click.option(
    "--socket-mode", is_flag=True, help="For one workspace, without a public address."
)
@click.option(
    "--one-workspace",
    is_flag=True,
    help="For one workspace behind https, whose token is in SLACK_BOT_TOKEN.",
)
@click.option(
    "--command",
    metavar="COMMAND",
    default="",
    show_default="the setting SLACK_COMMAND",
    help="Name of the slash command, such as /faces.",
)
@click.option(
    "--name", metavar="NAME", default="Emojifier Bot", help="Name of the app in Slack."
)
def manifest(
    url: str, socket_mode: bool, one_workspace: bool, command: str, name: str
) -> None:
    """Print the Slack app manifest for this deployment as JSON.

    Paste it at https://api.slack.com/apps, under "Create New App", "From a manifest".
    """
    from emojifier_bot.config import load_settings
    from emojifier_bot.config.settings import COMMAND
    from emojifier_bot.slack.manifest import MAX_APP_NAME
    from emojifier_bot.slack.manifest import manifest as make_manifest

    if socket_mode and url:
        raise WrongUsage("Over Socket Mode nothing has an address: leave --url out.")
    settings = load_settings()
    url, command = url or settings.public_url, command or settings.slack_command
    try:
        COMMAND.read(command)
    except ValueError:
        raise WrongUsage(f"A slash command is {COMMAND.words}: --command.") from None
    if not 0 < len(name.strip()) <= MAX_APP_NAME:
        raise WrongUsage(
            f"Slack takes names of 1 to {MAX_APP_NAME} characters: --name."
        )
    if not socket_mode and not url.startswith("https://"):
        problem = "Slack sends to an https:// address only. Name it with --url, or try "
        raise ConfigError([problem + "the bot without one: --socket-mode."])
    found = make_manifest(
        url,
        socket_mode=socket_mode,
        one_workspace=one_workspace,
        command=command,
        name=name,
    )
    print(json.dumps(found, indent=2))


#: What is said of each reading mode.
READING_ADVICE = {
    ReadingMode.EXPRESSIONS: "expressions: at work and in education in the EU choose "
    "shapes or off with EMOJIFIER_READING; docs/privacy.md says why",
    ReadingMode.SHAPES: "shapes: texts only name what is visible",
    ReadingMode.OFF: "off: no model for emotions is loaded, no service asked for them",
}


@click.command
def check() -> None:
    """Check settings, models, theme and bot, one line each. Exit code 1 on a fault."""
    from emojifier_bot.app import check_faces
    from emojifier_bot.config import load_settings

    try:
        settings = load_settings()
    except ConfigError as error:
        _print_problems(error.problems)
        _print_env_file()
        raise SystemExit(FAILED) from error
    names = [
        one.name
        for one in fields(settings)
        if getattr(settings, one.name) != one.default
    ]
    changed = f"changed: {', '.join(sorted(names))}" if names else ""
    _print("ok", "settings", changed or "all at their defaults")
    _print_env_file()
    _print_unknown_names()
    results = [
        _passes("models", lambda: check_faces(settings)),
        _passes("theme", lambda: _read_art(settings)),
        *_check_bot(settings),
    ]
    if not all(results):
        raise SystemExit(FAILED)


def _print_problems(wrong: list[str]) -> None:
    """Print every wrong setting, and what is missing besides them."""
    from emojifier_bot.config import bot_problems, is_bot_set_up, load_valid_settings

    for problem in wrong:
        _print("wrong", "settings", problem)
    _print_unknown_names()
    sound = load_valid_settings()
    for problem in bot_problems(sound) if is_bot_set_up(sound) else ():
        _print("wrong", "slack", problem)


def _print_env_file() -> None:
    from emojifier_bot.config import env_file_report

    is_kept_well, words = env_file_report()
    _print("ok" if is_kept_well else "look", ".env", words)


def _print_unknown_names() -> None:
    """Warn of misspelt names. Others may read them: that is no fault."""
    from emojifier_bot.config import unknown_names

    for problem in unknown_names():
        _print("look", "settings", problem)


def _check_bot(settings: Settings) -> list[bool]:
    from emojifier_bot.config import bot_problems, is_bot_set_up

    problems = bot_problems(settings)
    try:
        from emojifier_bot.app.operators import (
            check_app_token,
            check_database,
            check_network,
            check_token,
        )
    except ModuleNotFoundError as error:
        problems.insert(0, missing_extra(error))
    if not is_bot_set_up(settings):
        _print("off", "slack", "not set up. To run the bot:")
        for problem in problems:
            print(f"{'':<17}{problem}")
        return []
    for problem in problems:
        _print("wrong", "slack", problem)
    if problems:
        return [False]
    if not settings.support_contact:
        problem = (
            "SUPPORT_CONTACT is missing: the page /privacy says who is responsible."
        )
        _print("look", "privacy", problem)
    is_full = settings.reading == ReadingMode.EXPRESSIONS
    _print(
        "look" if is_full else "ok",
        "reading",
        READING_ADVICE[ReadingMode(settings.reading)],
    )
    results = [
        _passes("slack", lambda: _entrypoint(settings)),
        _passes("database", lambda: check_database(settings)),
        _passes("network", lambda: check_network(settings)),
    ]
    if settings.slack_bot_token:
        results.append(_passes("token", lambda: check_token(settings)))
    if settings.slack_app_token:
        results.append(_passes("app token", lambda: check_app_token(settings)))
    return results


def _entrypoint(settings: Settings) -> str:
    """Return how people reach the bot.

    Raises:
        ConfigError: Slack would not come by the address.
    """
    if settings.slack_app_token:
        return "Socket Mode, one workspace"
    url = settings.public_url.rstrip("/")
    is_missed = not url and not settings.slack_bot_token
    if is_missed or (url and not url.startswith("https://")):
        fault = "is missing" if is_missed else "begins with http://"
        problem = (
            f"PUBLIC_URL {fault}: Slack leads people back to an https:// address "
            "only. Enter the one that your proxy has a certificate for."
        )
        raise ConfigError([problem])
    if settings.slack_bot_token:
        return f"one workspace, requests at {url}/slack/events"
    return f"Add to Slack at {url}/slack/install"


def _read_art(settings: Settings) -> str:
    from emojifier_bot.cli.shipped import read_all
    from emojifier_bot.vision.themes import open_theme

    return f"{settings.theme}, {read_all(open_theme(settings.theme))} emoji"


def _passes(name: str, attempt: Callable[[], str]) -> bool:
    try:
        _print("ok", name, attempt())
    except EmojifierError as error:
        _print("wrong", name, error.message)
        return False
    return True


def _print(verdict: str, name: str, text: str) -> None:
    print(f"{verdict:<6} {name:<9} {' '.join(text.split())}")
