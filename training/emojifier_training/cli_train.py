"""``emojifier-bot train`` and ``export``: the recipes behind the shipped models."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emojifier_bot.cli.choices import ModelTask, TrainedVariant
from emojifier_bot.cli.progress import bar
from emojifier_bot.cli.report import counted, say
from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from emojifier_training.fit import FitConfig, Needs


DataOption = Annotated[Path, typer.Option(help="Folder of the three data sets.")]
VariantOption = Annotated[TrainedVariant, typer.Option(help="Which emotion net.")]
DATA = Path("../shared/data")
BYTES_PER_GB = 1_000_000_000


def train(
    task: ModelTask,
    data: DataOption = DATA,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; an unfinished one goes on.")
    ] = None,
    variant: VariantOption = TrainedVariant.FUSED,
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
    teacher: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Emotion: a state.pt to learn from too."
        ),
    ] = None,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="Say what it would need, and stop.")
    ] = False,
) -> None:
    """Train one of the models; the log and the state stay in the run's folder."""
    runs, tasks = training()
    name = _task_name(task, variant)
    folder = run or Path("runs") / name
    config = _changed(
        tasks.TASKS[name].config, steps, batch_size, learning_rate, seed, threads
    )
    command = command_line(
        "train",
        task,
        data=None if data.resolve() == DATA.resolve() else data,
        run=run,
        variant=variant if task is ModelTask.EMOTION else None,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
        start_from=start_from,
        fold=fold,
        teacher=teacher,
    )
    with bar(f"Training {name}") as progress:
        inputs = tasks.Inputs(data, folder.parent, config, fold, progress, teacher)
        if forecast:
            needs = runs.forecast_task(name, inputs, folder, start_from)
            says = _needed(name, needs, config.threads)
        else:
            runs.train_task(name, inputs, folder, start_from, progress, command=command)
            says = (
                f"Done. Write the model with: emojifier-bot export {task} "
                f"--run {folder}"
            )
    say(says)


def export(
    task: ModelTask,
    to: Annotated[Path, typer.Option(help="The model's folder, models/<name>.")],
    run: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    variant: VariantOption = TrainedVariant.FUSED,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion: folders of the cross-validation's runs."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Landmarks, emotion: in eight bits.")
    ] = False,
    data: DataOption = DATA,
) -> None:
    """Write a run's averaged weights as ONNX, with model.toml and a state to go on."""
    runs, _ = training()
    name = _task_name(task, variant)
    runs.export_task(name, run or Path("runs") / name, to, calibration or ())
    if int8:
        from emojifier_training.int8 import shrink

        shrink(to, data)
    say(f"Wrote {to}")


def command_line(verb: str, *arguments: object, **options: object) -> str:
    """Return what was typed, for a log.

    >>> command_line("train", "emotion", fold=0, start_from=None, batch_size=8)
    'emojifier-bot train emotion --fold 0 --batch-size 8'
    """
    words = ["emojifier-bot", verb, *map(str, arguments)]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def training() -> tuple[ModuleType, ModuleType]:
    """Return what runs and what knows the tasks.

    Raises:
        ConfigError: torch is not installed.
    """
    try:
        from emojifier_training import runs, tasks
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"Training needs {error.name}, which is not installed: make train-env."]
        ) from error
    return runs, tasks


def _needed(name: str, needs: Needs, threads: int) -> str:
    """Return a sentence on time and memory."""
    where = "the GPU" if needs.device != "cpu" else counted(threads, "processor thread")
    memory = f"{needs.memory_bytes / BYTES_PER_GB:.1f} GB of memory"
    if needs.device_memory_bytes:
        memory += f" and {needs.device_memory_bytes / BYTES_PER_GB:.1f} GB of the GPU's"
    return (
        f"{name} on {where}: {needs.steps:,} steps of {needs.seconds_a_step:.3f} s, "
        f"{timedelta(seconds=round(needs.seconds))} in all, {memory}. "
        "Nothing was written."
    )


def _task_name(task: ModelTask, variant: TrainedVariant) -> str:
    return f"emotion-{variant}" if task is ModelTask.EMOTION else str(task)


def _changed(config: FitConfig, *wanted: float | None) -> FitConfig:
    names = ("steps", "batch_size", "learning_rate", "seed", "threads")
    given = {n: v for n, v in zip(names, wanted, strict=True) if v is not None}
    return dataclasses.replace(config, **given)  # type: ignore[arg-type] # checked by typer
