"""``emojifier-bot evaluate``: the shipped models on labelled data, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emojifier_bot.cli.choices import ModelTask
from emojifier_bot.cli.report import WrongUsage, say
from emojifier_bot.emotion_models import EmotionModel

if TYPE_CHECKING:
    from emojifier_training.judge import Judge

#: Folder of each task's set within a data folder.
SETS = {
    ModelTask.DETECTOR: "detection",
    ModelTask.LANDMARKS: "landmarks",
    ModelTask.EMOTION: "expressions",
}
DATA = Path("../shared/data")


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
        EmotionModel | None, typer.Option(help="Emotion: which net to judge.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only what training never saw.")
    ] = False,
    first_look: Annotated[
        bool,
        typer.Option("--first-look", help="Without the look at turned copies."),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Also turned, covered, blurred, small, badly lit: many minutes.",
        ),
    ] = False,
    every: Annotated[
        int, typer.Option(min=1, help="Judge only every so many samples.")
    ] = 1,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion, --full: another model's folder to compare with."),
    ] = None,
    pooled: Annotated[
        list[Path] | None,
        typer.Option(help="Emotion: judge the held-out faces of these runs instead."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="0 takes the setting.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one object to stdout.")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Without a task: write this page as well.")
    ] = None,
) -> None:
    """Measure the models on labelled data, by the code that replay runs.

    Without a task: one table, each held-out figure beside what it must reach.
    """
    from emojifier_bot.cli.progress import bar
    from emojifier_training.cli_figures import print_figures, print_json
    from emojifier_training.judge import Judge, Models

    if pooled:
        figures = _pooled(pooled, str(emotion_model or EmotionModel.FUSED))
    elif markdown and task:
        raise WrongUsage("A page has every figure: leave the task out.")
    else:
        models = Models(emotion_model, second_look=not first_look, threads=threads)
        with bar(f"Evaluating {task or 'everything'}") as progress:
            judge = Judge(models, progress, held_out, every)
            if task is None:
                return _summary(judge, _existing(sets), as_json, markdown)
            figures = _one(
                task, judge, data or _existing(sets) / SETS[task], full, against
            )
    if as_json:
        print_json(figures)
    else:
        print_figures(figures)
    return None


def _one(
    task: ModelTask, judge: Judge, data: Path, full: bool, against: list[Path] | None
) -> dict[str, Any]:
    if task is ModelTask.DETECTOR:
        return judge.detector(data, full=full)
    if task is ModelTask.LANDMARKS:
        return judge.landmarks(data, full=full)
    return judge.emotion(data, full=full, against=against or ())


def _summary(judge: Judge, data: Path, as_json: bool, page: Path | None) -> None:
    from emojifier_training.cli_figures import print_json, print_rows
    from emojifier_training.page import evaluation_page
    from emojifier_training.summary import summarise

    rows = summarise(judge, data)
    if page is not None:
        page.write_text(evaluation_page(rows.values()), encoding="utf-8")
        say(f"Wrote {page}")
    if as_json:
        print_json({key: row.as_dict() for key, row in rows.items()})
    else:
        print_rows(rows.values())


def _pooled(runs: list[Path], variant: str) -> dict[str, Any]:
    from emojifier_training.cli_train import training
    from emojifier_training.cross_validation import pooled_figures

    held_out, _ = training()
    return pooled_figures([held_out.held_out_logits([run], variant) for run in runs])


def _existing(folder: Path) -> Path:
    from emojifier_training.datasets import DatasetError

    if folder.is_dir():
        return folder
    raise DatasetError(
        f"There is no data in {folder}. Name the folder of the three sets by --data, "
        "or a task and its set."
    )
