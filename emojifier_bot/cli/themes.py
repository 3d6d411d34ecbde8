"""``themes``: which sets of emoji there are, and whether they are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import FAILED, VerbGroup
from emojifier_bot.errors import ThemeError

if TYPE_CHECKING:
    from emojifier_bot.vision.themes import ThemeFolder


@click.group(cls=VerbGroup, no_args_is_help=True)
def themes() -> None:
    """List or verify the themes."""


@themes.command("list")
def list_all() -> None:
    """Print each theme's name, title and number of emoji."""
    from emojifier_bot.vision.themes import open_theme

    for name in _names():
        theme = open_theme(name).theme
        print(f"{name}: {theme.title}, {len(theme.emoji)} emoji")


@themes.command("verify")
def verify_all() -> None:
    """Read each theme's table and art; exit code 1 if one is wrong."""
    from emojifier_bot.vision.themes import open_theme

    names = _names()
    wrong = not names
    for name in names:
        try:
            print(f"ok     {name}: {read_all(open_theme(name))} emoji")
        except ThemeError as error:
            wrong = True
            print(f"wrong  {name}: {error.message}")
    if wrong:
        raise SystemExit(FAILED)


def read_all(folder: ThemeFolder) -> int:
    """Open every emoji's art and return how many there are.

    Raises:
        ThemeError: Some art is missing or wrong.
    """
    if faults := folder.verify():
        raise ThemeError("\n".join(faults))
    return len(folder.theme.emoji)


def _names() -> list[str]:
    from emojifier_bot.vision import emojis_dir
    from emojifier_bot.vision.themes import list_themes

    return list_themes(emojis_dir())
