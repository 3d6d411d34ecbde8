"""``check``: whether everything that an installation needs is there and works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import FAILED
from emojifier_bot.errors import ConfigError, EmojifierError

if TYPE_CHECKING:
    from emojifier_bot.config import Settings


@click.command
def check() -> None:
    """Check settings, models, theme and bot: one line each; exit code 1 for a fault."""
    from emojifier_bot.app import check_faces
    from emojifier_bot.config import load_settings

    try:
        settings = load_settings()
    except ConfigError as error:
        _print_problems(error.problems)
        raise SystemExit(FAILED) from error
    _print("settings", _changed(settings), fine=True)
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
        _print("settings", problem, fine=False)
    _print_unknown_names()
    sound = load_valid_settings()
    for problem in bot_problems(sound) if is_bot_set_up(sound) else ():
        _print("slack", problem, fine=False)


def _print_unknown_names() -> None:
    """Warn of misspelt names. Others may read them: that is no fault."""
    from emojifier_bot.config import unknown_names

    for problem in unknown_names():
        print(_line("look", "settings", problem))


def _check_bot(settings: Settings) -> list[bool]:
    from emojifier_bot.config import bot_problems, is_bot_set_up

    problems = bot_problems(settings)
    if not is_bot_set_up(settings):
        print(_line("off", "slack", "not set up. To run the bot:"))
        for problem in problems:
            print(f"{'':<17}{problem}")
        return []
    for problem in problems:
        _print("slack", problem, fine=False)
    if problems:
        return [False]
    return [
        _passes("slack", lambda: _ways_in(settings)),
        *_check_outside(settings),
    ]


def _check_outside(settings: Settings) -> list[bool]:
    """Ask the database and Slack."""
    from emojifier_bot.app.operators import check_app_token, check_database, check_token

    results = [_passes("database", lambda: check_database(settings))]
    if settings.slack_bot_token:
        results.append(_passes("token", lambda: check_token(settings)))
    if settings.slack_app_token:
        results.append(_passes("app token", lambda: check_app_token(settings)))
    return results


def _ways_in(settings: Settings) -> str:
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


def _passes(name: str, attempt: Callable[[], str]) -> bool:
    try:
        _print(name, attempt(), fine=True)
    except EmojifierError as error:
        _print(name, error.message, fine=False)
        return False
    return True


def _print(name: str, text: str, *, fine: bool) -> None:
    print(_line("ok" if fine else "wrong", name, text))


def _line(verdict: str, name: str, text: str) -> str:
    return f"{verdict:<6} {name:<9} {' '.join(text.split())}"


def _changed(settings: Settings) -> str:
    names = sorted(
        one.name
        for one in fields(settings)
        if getattr(settings, one.name) != one.default
    )
    return f"changed: {', '.join(names)}" if names else "all at their defaults"


def _read_art(settings: Settings) -> str:
    from emojifier_bot.cli.themes import read_all
    from emojifier_bot.vision.themes import open_theme

    return f"{settings.theme}, {read_all(open_theme(settings.theme))} emoji"
