"""``models``: which weights there are, and whether they are what they claim."""

from __future__ import annotations

import click

from emojifier_bot.cli.console import FAILED, VerbGroup


@click.group(cls=VerbGroup, no_args_is_help=True)
def models() -> None:
    """List or verify the models."""


@models.command("list")
def list_models() -> None:
    """Print each model's name, what it is, and what its licence note says."""
    from emojifier_bot.vision import models_dir
    from emojifier_bot.vision.models import list_model_specs

    for spec in list_model_specs(models_dir()):
        print(f"{spec.name}: {spec.title}")
        print(f"    {spec.license_note}")


@models.command("verify")
def verify_models() -> None:
    """Compare each model file with its table's SHA-256; exit code 1 if one differs."""
    from emojifier_bot.errors import ModelFileError
    from emojifier_bot.vision import models_dir
    from emojifier_bot.vision.models import list_model_specs

    wrong = 0
    specs = list_model_specs(models_dir())
    for spec in specs:
        try:
            content = spec.verified_bytes()
        except ModelFileError as error:
            wrong += 1
            print(f"wrong  {spec.name}: {error.message}")
        else:
            print(f"ok     {spec.name}: {len(content) / 1e6:.1f} MB")
    if wrong or not specs:
        raise SystemExit(FAILED)
