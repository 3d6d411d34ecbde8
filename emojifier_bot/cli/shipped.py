"""``models``: those that ship with the bot, and whether they are complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from emojifier_bot.cli.console import FAILED, VerbGroup
from emojifier_bot.errors import EmojifierError, ThemeError

if TYPE_CHECKING:
    from emojifier_bot.vision.themes import ThemeFolder


@click.group(cls=VerbGroup, no_args_is_help=True)
def models() -> None:
    """List or verify the models."""


@models.command("list")
def list_models() -> None:
    """Print each model's name, title and licence note."""
    from emojifier_bot.vision import models_dir
    from emojifier_bot.vision.models import list_model_specs

    for spec in list_model_specs(models_dir()):
        print(f"{spec.name}: {spec.title}")
        print(f"    {spec.license_note}")


@models.command("verify")
def verify_models() -> None:
    """Check each model file against its SHA-256. Exit code 1 if one differs."""
    from emojifier_bot.vision import models_dir
    from emojifier_bot.vision.models import list_model_specs

    specs = {spec.name: spec for spec in list_model_specs(models_dir())}
    verify_each(specs, lambda name: f"{len(specs[name].verified_bytes()) / 1e6:.1f} MB")


def read_all(folder: ThemeFolder) -> int:
    """Open every emoji's art and return how many there are.

    Raises:
        ThemeError: Some art is missing or wrong.
    """
    if faults := folder.verify():
        raise ThemeError("\n".join(faults))
    return len(folder.theme.emoji)


def verify_each(names: Iterable[str], read: Callable[[str], str]) -> None:
    """Print a line for each, what reading it says; exit if one is wrong or none is."""
    lines = []
    for name in names:
        try:
            lines.append(f"ok     {name}: {read(name)}")
        except EmojifierError as error:
            lines.append(f"wrong  {name}: {error.message}")
        print(lines[-1], flush=True)
    if not lines or any(line.startswith("wrong") for line in lines):
        raise SystemExit(FAILED)
