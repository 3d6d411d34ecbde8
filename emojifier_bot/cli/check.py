"""``check``: whether everything that an installation needs is there and works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from emojifier_bot.errors import EmojifierError

if TYPE_CHECKING:
    from emojifier_bot.config import Settings


def check() -> None:
    """Check settings, models, theme and bot: one line each; exit code 1 for a fault."""
    from emojifier_bot.config import load_settings
    from emojifier_bot.errors import ConfigError

    try:
        settings = load_settings()
    except ConfigError as error:
        _tell_problems(error.problems)
        raise typer.Exit(1) from error
    _tell("settings", _changed(settings), fine=True)
    results = [
        _passes("models", lambda: _read_blank(settings)),
        _passes("theme", lambda: _read_art(settings)),
        *_check_bot(settings),
    ]
    if not all(results):
        raise typer.Exit(1)


def _tell_problems(wrong: list[str]) -> None:
    """Tell every wrong setting, and what is missing besides them."""
    from emojifier_bot.config import bot_problems, is_bot_set_up, load_sound_settings

    for problem in wrong:
        _tell("settings", problem, fine=False)
    sound = load_sound_settings()
    for problem in bot_problems(sound) if is_bot_set_up(sound) else ():
        _tell("slack", problem, fine=False)


def _check_bot(settings: Settings) -> list[bool]:
    from emojifier_bot.config import bot_problems, is_bot_set_up
    from emojifier_bot.wiring import check_database, check_token

    problems = bot_problems(settings)
    if not is_bot_set_up(settings):
        print(f"{'off':<6} {'slack':<9} not set up. To run the bot:")
        for problem in problems:
            print(f"{'':<17}{problem}")
        return []
    for problem in problems:
        _tell("slack", problem, fine=False)
    if problems:
        return [False]
    _tell("slack", _ways_in(settings), fine=True)
    results = [_passes("database", lambda: check_database(settings))]
    if settings.slack_bot_token:
        results.append(_passes("token", lambda: check_token(settings)))
    return results


def _ways_in(settings: Settings) -> str:
    if settings.slack_app_token:
        return "Socket Mode, one workspace"
    if settings.slack_bot_token:
        return "one workspace, requests at /slack/events"
    where = settings.public_url or "(set PUBLIC_URL to show people the way)"
    return f"Add to Slack at {where}"


def _passes(name: str, attempt: Callable[[], str]) -> bool:
    try:
        _tell(name, attempt(), fine=True)
    except EmojifierError as error:
        _tell(name, error.message, fine=False)
        return False
    return True


def _tell(name: str, text: str, *, fine: bool) -> None:
    print(f"{'ok' if fine else 'wrong':<6} {name:<9} {' '.join(text.split())}")


def _changed(settings: Settings) -> str:
    names = sorted(settings.model_fields_set)
    return f"changed: {', '.join(names)}" if names else "all at their defaults"


def _read_blank(settings: Settings) -> str:
    """Load the models and run them on a grey picture."""
    from PIL import Image

    from emojifier_bot.core.decode import from_image
    from emojifier_bot.wiring import make_analyzer

    blank = from_image(Image.new("RGB", (64, 64), "grey"))
    make_analyzer(settings).analyze(blank)
    return f"back end {settings.face_backend}, emotion model {settings.emotion_model}"


def _read_art(settings: Settings) -> str:
    from emojifier_bot.cli.themes import read_all
    from emojifier_bot.themes import open_theme

    return f"{settings.theme}, {read_all(open_theme(settings.theme))} emoji"
