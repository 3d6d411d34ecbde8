"""``emojifier-bot train`` and ``export``: the recipes behind the shipped models."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emojifier_bot.cli.choices import EmotionVariant, ModelTask
from emojifier_bot.cli.progress import bar
from emojifier_bot.cli.report import say
from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from emojifier_bot.training.fit import FitConfig


DataOption = Annotated[Path, typer.Option(help="Folder of the three data sets.")]
VariantOption = Annotated[EmotionVariant, typer.Option(help="Which emotion net.")]


def train(  # noqa: PLR0917 - typer turns them into options
    task: ModelTask,
    data: DataOption = Path("../shared/data"),
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; an unfinished one goes on.")
    ] = None,
    variant: VariantOption = EmotionVariant.FUSED,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches in all.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Samples.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="At its highest.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random draw.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor.")] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A model's state.pt to start from."
        ),
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=0, max=4, help="Emotion: hold this fifth out.")
    ] = None,
) -> None:
    """Train one of the models; the log and the state stay in the run's folder."""
    runs, tasks = _training()
    name = _task_name(task, variant)
    folder = run or Path("runs") / name
    config = _changed(
        tasks.TASKS[name].config, steps, batch_size, learning_rate, seed, threads
    )
    with bar(f"Training {name}") as progress:
        inputs = tasks.Inputs(data, folder.parent, config, fold, progress)
        runs.train_task(name, inputs, folder, start_from, progress)
    say(f"Done. Write the model with: emojifier-bot export {task} --run {folder}")


def export(
    task: ModelTask,
    to: Annotated[Path, typer.Option(help="The model's folder, models/<name>.")],
    run: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    variant: VariantOption = EmotionVariant.FUSED,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion: folders of the cross-validation's runs."),
    ] = None,
) -> None:
    """Write a run's averaged weights as ONNX, with model.toml and a state to go on."""
    runs, _ = _training()
    name = _task_name(task, variant)
    runs.export_task(name, run or Path("runs") / name, to, calibration or ())
    say(f"Wrote {to}")


def _training() -> tuple[ModuleType, ModuleType]:
    try:
        from emojifier_bot.training import runs, tasks
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"Training needs {error.name}, which is not installed: make train-env."]
        ) from error
    return runs, tasks


def _task_name(task: ModelTask, variant: EmotionVariant) -> str:
    return f"emotion-{variant}" if task is ModelTask.EMOTION else str(task)


def _changed(config: FitConfig, *wanted: float | None) -> FitConfig:
    names = ("steps", "batch_size", "learning_rate", "seed", "threads")
    given = {n: v for n, v in zip(names, wanted, strict=True) if v is not None}
    return dataclasses.replace(config, **given)  # type: ignore[arg-type] # checked by typer
