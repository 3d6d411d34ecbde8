"""``emojifier-bot train`` and ``export``: the recipes behind the shipped models."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from emojifier_bot.training.fit import FitConfig


class TrainingTask(StrEnum):
    """What can be trained."""

    DETECTOR = "detector"
    LANDMARKS = "landmarks"
    EMOTION = "emotion"


class Variant(StrEnum):
    """The two emotion nets."""

    FUSED = "fused"
    LANDMARKS = "landmarks"


DataOption = Annotated[Path, typer.Option(help="Folder of the three data sets.")]
VariantOption = Annotated[Variant, typer.Option(help="Which emotion net.")]


def train(  # noqa: PLR0917 - typer turns them into options
    task: TrainingTask,
    data: DataOption = Path("../shared/data"),
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; an unfinished one goes on.")
    ] = None,
    variant: VariantOption = Variant.FUSED,
    steps: Annotated[int | None, typer.Option(min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(min=2)] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0)] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    threads: Annotated[int | None, typer.Option(min=1)] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="A model's state.pt to start from.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=0, max=4, help="Emotion: hold this fifth out.")
    ] = None,
) -> None:
    """Train one of the models; the log and the state stay in the run's folder."""
    tasks = _training()
    from emojifier_bot.training.device import use_device
    from emojifier_bot.training.fit import Run, load_warm_start

    use_device()
    name = _task_name(task, variant)
    folder = run or Path("runs") / name
    entry = tasks.TASKS[name]
    config = _changed(entry.config, steps, batch_size, learning_rate, seed, threads)
    with _bar(f"Reading data for {name}") as progress:
        inputs = tasks.Inputs(data, folder.parent, config, fold, progress)
        recipe = entry.recipe(inputs)
    if start_from is not None:
        load_warm_start(recipe.net, start_from)
    with _bar(f"Training {name}") as progress:
        Run(recipe, config, folder).fit(lambda step, of, _: progress(step, of))
    if task is TrainingTask.EMOTION:
        _keep_held_out(folder, recipe, entry)
    typer.echo(f"Done. Write the model with: emojifier-bot export {task}", err=True)


def export(
    task: TrainingTask,
    to: Annotated[Path, typer.Option(help="The model's folder, models/<name>.")],
    run: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    variant: VariantOption = Variant.FUSED,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion: folders of the cross-validation's runs."),
    ] = None,
) -> None:
    """Write a run's averaged weights as ONNX, with model.toml and a state to go on."""
    tasks = _training()
    import torch

    from emojifier_bot.training.export import write_model
    from emojifier_bot.training.fit import save_warm_start

    name = _task_name(task, variant)
    folder = run or Path("runs") / name
    entry = tasks.TASKS[name]
    net = entry.net()
    state = torch.load(folder / "run_state.pt", map_location="cpu")
    net.load_state_dict(state["average"])
    table = dict(entry.table)
    if task is TrainingTask.EMOTION:
        table["output"] = _calibrated(tasks, calibration or [folder])
    write_model(to, entry.export(net.eval()), table)
    save_warm_start(net, to / "state.pt")
    (to / "training.log.jsonl").write_bytes((folder / "log.jsonl").read_bytes())
    typer.echo(f"Wrote {to}", err=True)


def _training() -> ModuleType:
    try:
        from emojifier_bot.training import tasks
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"Training needs {error.name}, which is not installed: make train-env."]
        ) from error
    return tasks


def _task_name(task: TrainingTask, variant: Variant) -> str:
    return f"emotion-{variant}" if task is TrainingTask.EMOTION else str(task)


def _changed(config: FitConfig, *wanted: float | None) -> FitConfig:
    names = ("steps", "batch_size", "learning_rate", "seed", "threads")
    given = {n: v for n, v in zip(names, wanted, strict=True) if v is not None}
    return dataclasses.replace(config, **given)  # type: ignore[arg-type] # checked by typer


def _bar(title: str) -> Any:
    from emojifier_bot.cli.progress import bar

    return bar(title)


def _keep_held_out(folder: Path, recipe: Any, entry: Any) -> None:
    """Keep the held-out logits beside the run, for calibration and for the card."""
    import numpy as np
    import torch

    from emojifier_bot.training.tasks import held_out_logits

    net = entry.net()
    state = torch.load(folder / "run_state.pt", map_location="cpu")
    net.load_state_dict(state["average"])
    logits, targets = held_out_logits(recipe, net.eval())
    np.savez(folder / "held_out.npz", logits=logits.cpu(), targets=targets.cpu())


def _calibrated(tasks: ModuleType, folders: list[Path]) -> dict[str, Any]:
    import numpy as np
    import torch

    parts = [np.load(folder / "held_out.npz") for folder in folders]
    logits = torch.from_numpy(np.concatenate([part["logits"] for part in parts]))
    targets = torch.from_numpy(np.concatenate([part["targets"] for part in parts]))
    output: dict[str, Any] = tasks.calibrated(logits, targets)
    return output
