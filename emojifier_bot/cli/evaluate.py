"""``emojifier-bot evaluate``: the shipped models on labelled data, without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emojifier_bot.cli.choices import EmotionVariant, ModelTask

if TYPE_CHECKING:
    from PIL import Image

    from emojifier_bot.backends.local import LocalAnalyzer
    from emojifier_bot.domain import Detection

Progress = Callable[[int, int], None]
#: Average precision wants every candidate.
EVERY_CANDIDATE = 0.01
#: Landmarks are judged on the faces that a result would show.
SHOWN = 0.5


def evaluate(  # noqa: PLR0917 - typer turns them into options
    task: ModelTask,
    data: Annotated[Path, typer.Argument(help="A data folder, or an .npz file.")],
    emotion_model: Annotated[
        EmotionVariant | None, typer.Option(help="Emotion: which net to judge.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only what training never saw.")
    ] = False,
    first_look: Annotated[
        bool,
        typer.Option("--first-look", help="Without the look at turned copies."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one object to stdout.")
    ] = False,
) -> None:
    """Measure a model on labelled data, by the code that replay runs."""
    from emojifier_bot.cli.progress import bar

    confidence = EVERY_CANDIDATE if task is ModelTask.DETECTOR else SHOWN
    with bar(f"Evaluating {task}") as progress:
        if task is ModelTask.DETECTOR:
            analyzer = _analyzer(None, confidence, second_look=not first_look)
            figures = _detector(analyzer, data, held_out, progress)
        elif task is ModelTask.LANDMARKS:
            analyzer = _analyzer(None, confidence, second_look=not first_look)
            figures = _landmarks(analyzer, data, held_out, progress)
        else:
            analyzer = _analyzer(emotion_model, confidence)
            figures = _emotion(analyzer, data, held_out, progress)
    if as_json:
        print(json.dumps(_without_nan(figures), allow_nan=False))
    else:
        _print_figures(figures)


def _analyzer(
    emotion_model: str | None, min_confidence: float, *, second_look: bool = True
) -> LocalAnalyzer:
    import dataclasses
    from typing import cast

    from emojifier_bot.config import load_settings
    from emojifier_bot.wiring import make_analyzer

    settings = load_settings(
        emotion_model=emotion_model, min_confidence=min_confidence, face_backend="local"
    )
    analyzer = cast("LocalAnalyzer", make_analyzer(settings))
    return dataclasses.replace(analyzer, second_look=second_look)


def _finder(analyzer: LocalAnalyzer) -> Callable[[Image.Image], list[Detection]]:
    from emojifier_bot.core.decode import from_image

    return lambda image: analyzer.detect(from_image(image))


def _detector(
    analyzer: LocalAnalyzer, data: Path, held_out: bool, progress: Progress
) -> dict[str, Any]:
    from emojifier_bot.evaluation.datasets import is_held_out, read_detection
    from emojifier_bot.evaluation.detector import evaluate_detector, picture_of

    find = _finder(analyzer)
    pictures = [
        p for p in read_detection(data) if not held_out or is_held_out(p.source, p.name)
    ]
    _check_any(pictures, data, held_out)
    return evaluate_detector(lambda p: find(picture_of(p)), pictures, progress)


def _landmarks(
    analyzer: LocalAnalyzer, data: Path, held_out: bool, progress: Progress
) -> dict[str, Any]:
    from emojifier_bot.evaluation.datasets import is_held_out, read_landmarks
    from emojifier_bot.evaluation.landmarks import evaluate_landmarks

    crops = [
        c
        for c in read_landmarks(data)
        if not held_out or is_held_out(c.source, c.name, c.subject)
    ]
    _check_any(crops, data, held_out)
    return evaluate_landmarks(_finder(analyzer), analyzer.landmarker, crops, progress)


def _emotion(
    analyzer: LocalAnalyzer, data: Path, held_out: bool, progress: Progress
) -> dict[str, Any]:
    from emojifier_bot.evaluation.datasets import read_expressions
    from emojifier_bot.evaluation.emotion import classify_crops, emotion_figures

    faces = read_expressions(data)
    if held_out:
        faces = faces.subset(faces.is_validation)
    _check_any(faces.images, data, held_out)
    classifier = analyzer.classifier
    probabilities = classify_crops(analyzer.landmarker, classifier, faces, progress)
    return emotion_figures(probabilities, faces, classifier.sure_threshold)


def _check_any(samples: Sized, data: Path, held_out: bool) -> None:
    from emojifier_bot.evaluation.datasets import DatasetError

    if not len(samples):
        kind = "held-out sample" if held_out else "sample"
        raise DatasetError(f"There is no {kind} in {data}.")


def _without_nan(figures: Any) -> Any:
    """Return figures with None for what is not defined; JSON has no NaN."""
    if isinstance(figures, dict):
        return {name: _without_nan(value) for name, value in figures.items()}
    is_nan = isinstance(figures, float) and math.isnan(figures)
    return None if is_nan else figures


def _print_figures(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    table = Table("figure", "value")
    for name, value in figures.items():
        if not isinstance(value, dict):
            table.add_row(
                name, f"{value:.4f}" if isinstance(value, float) else f"{value}"
            )
    console.print(table)
    for name in ("per_class", "confusion", "sure"):
        if name in figures:
            console.print_json(json.dumps({name: figures[name]}))
