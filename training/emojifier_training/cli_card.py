"""``emojifier-bot card``: measures a model and writes its card beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emojifier_bot.cli.progress import bar
from emojifier_bot.cli.report import say
from emojifier_bot.errors import ConfigError
from emojifier_training.cli_evaluate import DATA


def card(
    model: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The model's folder.")
    ],
    data: Annotated[Path, typer.Option(help="Folder of the three data sets.")] = DATA,
    pooled: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion: folders of the cross-validation's runs."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion: another model's folder to compare with."),
    ] = None,
    alike: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Emotion: a run of it, one of appearance, trained alike."),
    ] = None,
    keep_figures: Annotated[
        bool,
        typer.Option("--keep-figures", help="Only write the card anew, as measured."),
    ] = False,
    every: Annotated[
        int, typer.Option(min=1, help="Judge only every so many samples.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=0, help="0 takes the setting.")] = 0,
) -> None:
    """Measure a model on what training never saw, and write its card and pictures.

    Beside the card lies figures.json, which holds every figure.
    """
    try:
        from emojifier_training import card as cards
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"Cards need {error.name}, which is not installed: make train-env."]
        ) from error
    from emojifier_training.judge import Judge, Models

    if keep_figures:
        figures = cards.read_figures(model)
    else:
        with bar(f"Measuring {model.name}") as progress:
            judge = Judge(Models(threads=threads), progress, every=every)
            sources = cards.Sources(data, pooled or (), against or (), alike)
            figures = cards.measure(model, judge, sources)
    cards.write_card(model, figures)
    say(f"Wrote {model / cards.CARD_FILE}")
