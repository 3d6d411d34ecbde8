"""The command line of the laboratory: train, export, evaluate, card and bench."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emojifier_bot.cli.choices import ModelTask
from emojifier_bot.cli.main import FriendlyGroup
from emojifier_bot.cli.progress import bar
from emojifier_bot.cli.report import WrongUsage, counted, say
from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.errors import ConfigError

if TYPE_CHECKING:
    from emojifier_training.evaluate import Evaluator
    from emojifier_training.fit import FitConfig, Needs

PROGRAM = "emojifier-training"
#: Folder of the three data sets.
DATA = Path("../shared/data")
#: How often `bench` times each model, and how often with ``--quick``.
ROUNDS, QUICK_ROUNDS = 60, 20
BYTES_PER_GB = 1_000_000_000

DataOption = Annotated[Path, typer.Option(help="Folder of the three data sets.")]
VariantOption = Annotated[EmotionModel, typer.Option(help="Which emotion net.")]
EveryOption = Annotated[
    int, typer.Option(min=1, help="Evaluate only every n-th sample.")
]
ThreadsOption = Annotated[int, typer.Option(min=0, help="0 takes the setting.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object to stdout.")
]

app = typer.Typer(
    cls=FriendlyGroup,
    help="Train, export and evaluate the models of Emojifier Bot.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
def train(
    task: ModelTask,
    data: DataOption = DATA,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; an unfinished one goes on.")
    ] = None,
    variant: VariantOption = EmotionModel.FUSED,
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
    require("train", "torch")
    from emojifier_training import runs, tasks

    name = _task_name(task, variant)
    folder = run or Path("runs") / name
    knobs = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "threads": threads,
    }
    config = _changed(tasks.TASKS[name].config, knobs)
    command = command_line(
        "train",
        task,
        data=None if data.resolve() == DATA.resolve() else data,
        run=run,
        variant=variant if task is ModelTask.EMOTION else None,
        **knobs,
        start_from=start_from,
        fold=fold,
        teacher=teacher,
    )
    with bar(f"Training {name}") as progress:
        inputs = tasks.Inputs(data, folder.parent, config, fold, progress, teacher)
        if forecast:
            needs = runs.forecast_task(name, inputs, folder, start_from)
            text = _forecast(name, needs, config.threads)
        else:
            runs.train_task(name, inputs, folder, start_from, progress, command=command)
            text = f"Done. Write the model with: {PROGRAM} export {task} --run {folder}"
    say(text)


@app.command()
def export(
    task: ModelTask,
    to: Annotated[Path, typer.Option(help="The model's folder, models/<name>.")],
    run: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    variant: VariantOption = EmotionModel.FUSED,
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
    require("export", "torch", "onnx")
    from emojifier_training import runs

    name = _task_name(task, variant)
    runs.export_task(name, run or Path("runs") / name, to, calibration or ())
    if int8:
        from emojifier_training.int8 import shrink

        shrink(to, data)
    say(f"Wrote {to}")


@app.command()
def evaluate(
    task: Annotated[
        ModelTask | None,
        typer.Argument(help="One model; without it, every figure that has a target."),
    ] = None,
    data: Annotated[
        Path | None, typer.Argument(help="The task's set: a folder, or an .npz file.")
    ] = None,
    sets: Annotated[
        Path,
        typer.Option("--data", help="Folder of the three sets, where none is named."),
    ] = DATA,
    emotion_model: Annotated[
        EmotionModel | None, typer.Option(help="Emotion: which net to evaluate.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only what training never saw.")
    ] = False,
    first_look: Annotated[
        bool,
        typer.Option("--first-look", help="Detect upright faces only, in one pass."),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Also turned, covered, blurred and small faces: many minutes.",
        ),
    ] = False,
    every: EveryOption = 1,
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Without a task: write this page as well.")
    ] = None,
) -> None:
    """Measure the models on labelled data, by the code that replay runs.

    Without a task: one table, each held-out figure beside what it must reach.
    """
    from emojifier_training.data import SET_FOLDERS
    from emojifier_training.evaluate import Evaluator, Models
    from emojifier_training.figures import print_figures, print_json

    if markdown and task:
        raise WrongUsage("A page has every figure: leave the task out.")
    models = Models(emotion_model, second_look=not first_look, threads=threads)
    with bar(f"Evaluating {task or 'everything'}") as progress:
        evaluator = Evaluator(models, progress, held_out, every)
        if task is None:
            _summary(evaluator, _existing(sets), as_json, markdown)
            return
        folder = data or _existing(sets) / SET_FOLDERS[task]
        figures = evaluator.figures(task, folder, full=full)
    if as_json:
        print_json(figures)
    else:
        print_figures(figures)


@app.command()
def card(
    model: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The model's folder.")
    ],
    data: DataOption = DATA,
    keep_figures: Annotated[
        bool,
        typer.Option("--keep-figures", help="Only fill the card anew, as measured."),
    ] = False,
    every: EveryOption = 1,
    threads: ThreadsOption = 0,
) -> None:
    """Measure a model on what training never saw, and fill its card's tables.

    Beside the card lies figures.json, which holds every figure.
    """
    require("card", "onnx", "matplotlib")
    from emojifier_training import card as cards
    from emojifier_training.evaluate import Evaluator, Models

    if keep_figures:
        figures = cards.read_figures(model)
    else:
        with bar(f"Measuring {model.name}") as progress:
            evaluator = Evaluator(Models(threads=threads), progress, every=every)
            figures = cards.measure(model, evaluator, data)
    cards.write_card(model, figures)
    say(f"Wrote {model / cards.CARD_FILE}")


@app.command()
def bench(
    models: Annotated[
        Path | None, typer.Option(help="Their folder, instead of the shipped ones.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Time each model on one core: one face, and ten faces in one call."""
    require("bench", "onnx")
    from emojifier_bot.vision import models_dir
    from emojifier_training.bench import time_models
    from emojifier_training.figures import print_json, print_table

    rows = time_models(models or models_dir(), QUICK_ROUNDS if quick else ROUNDS)
    if as_json:
        print_json(rows)
    else:
        print_table("One core, medians", rows)


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


def _task_name(task: ModelTask, variant: EmotionModel) -> str:
    return f"emotion-{variant}" if task is ModelTask.EMOTION else str(task)


def _changed(config: FitConfig, knobs: dict[str, Any]) -> FitConfig:
    given = {name: value for name, value in knobs.items() if value is not None}
    return dataclasses.replace(config, **given)


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


def _summary(
    evaluator: Evaluator, data: Path, as_json: bool, page: Path | None
) -> None:
    from emojifier_training.figures import print_json, print_rows
    from emojifier_training.summary import evaluation_page, summarise

    rows = summarise(evaluator, data)
    if page is not None:
        page.write_text(evaluation_page(rows.values()), encoding="utf-8")
        say(f"Wrote {page}")
    if as_json:
        print_json({key: row.as_dict() for key, row in rows.items()})
    else:
        print_rows(rows.values())


def _existing(folder: Path) -> Path:
    from emojifier_training.data import DatasetError

    if folder.is_dir():
        return folder
    raise DatasetError(
        f"There is no data in {folder}. Name the folder of the three sets by --data, "
        "or a task and its set."
    )
