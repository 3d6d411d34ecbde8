"""Writes a model's card: measured anew, told from a template, with pictures."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

import numpy as np

from emojifier_bot.errors import ConfigError
from emojifier_bot.tools.intervals import mean
from emojifier_bot.vision.models import (
    ModelSpec,
    list_model_specs,
    read_model_spec,
)
from emojifier_bot.vision.types import EMOTIONS, FloatArray
from emojifier_training import charts
from emojifier_training.calibration import cross_entropies, fit_temperature
from emojifier_training.card_words import SOURCES, WORDS
from emojifier_training.cross_validation import pooled_figures
from emojifier_training.datasets import (
    is_held_out,
    read_detection,
    read_expressions,
    read_landmarks,
)
from emojifier_training.detector import HAND_LABELLED
from emojifier_training.evaluate_emotion import SURE_ACCURACY
from emojifier_training.examples import EXAMPLES, montage
from emojifier_training.fit import LOG_FILE
from emojifier_training.fusion import beside
from emojifier_training.graph_cost import parameters, use_cost
from emojifier_training.judge import SHOWN, Judge, Models
from emojifier_training.metrics import accuracy, macro_f1
from emojifier_training.run_log import commands, steps_of
from emojifier_training.runs import held_out_logits
from emojifier_training.tasks import calibrated
from emojifier_training.twins import held_out

FIGURES_FILE, CARD_FILE = "figures.json", "MODEL_CARD.md"
#: Columns of a paragraph.
WIDTH = 88
#: Decimals of what is stored.
DIGITS = 5
#: The folder of each task's set.
SETS = MappingProxyType(
    {"detector": "detection", "landmarks": "landmarks", "emotion": "expressions"}
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a card is measured on and compared with."""

    #: Folder of the three sets.
    data: Path
    #: Emotion: runs of the cross-validation.
    pooled: Sequence[Path] = ()
    #: Emotion: folders of further models that fusion is set beside.
    against: Sequence[Path] = ()
    #: Emotion: a run of this variant, and one of the appearance alone, trained alike.
    alike: tuple[Path, Path] | None = None


def measure(folder: Path, judge: Judge, sources: Sources) -> dict[str, Any]:
    """Measure a model and store the figures beside it, with their pictures.

    Args:
        folder: The model's.
        judge: How many samples are judged, with how many threads.
        sources: On what.

    Raises:
        DatasetError: A set is missing or damaged.
    """
    spec = read_model_spec(folder)
    models = _with(judge.models, spec.task, folder)
    judge = replace(judge, models=models, held_out=True)
    data = sources.data / SETS[spec.task]
    content = spec.verified_bytes()
    figures: dict[str, Any] = {
        "model": spec.name,
        "sha256": spec.sha256,
        "parameters": parameters(content),
        "multiply_adds": use_cost(spec),
        "bytes": len(content),
        "every": judge.every,
        "data": DATA_COUNTS[spec.task](sources.data),
        "held_out": _judged(judge, spec, data, sources.against),
    }
    if sources.pooled:
        folds = {run: held_out_logits([run], spec.variant) for run in sources.pooled}
        figures["pooled"] = pooled_figures(list(folds.values()))
        figures["pooled"]["steps"] = min(steps_of(run / LOG_FILE) for run in folds)
        output = calibrated(*map(np.concatenate, zip(*folds.values(), strict=True)))
        figures["pooled"]["calibrates"] = output["temperature"] == spec.temperature
    if sources.alike is not None:
        figures["alike"] = appearance_alone(*sources.alike)
    text = json.dumps(rounded(figures), indent=1, allow_nan=False)
    (folder / FIGURES_FILE).write_text(text + "\n", encoding="utf-8")
    examples = EXAMPLES[spec.task](models.analyzer(SHOWN))
    montage(examples, folder / "examples.png")
    return dict(json.loads(text))


def appearance_alone(fused: Path, alone: Path) -> dict[str, Any]:
    """Return what the appearance alone loses against fusion, both trained alike.

    Beside decisions, cross-entropy with the votes is compared: it tells of every face,
    also of those where both decide alike.

    Args:
        fused: Folder of a run of fusion.
        alone: Folder of a run of the appearance alone.

    Raises:
        ConfigError: They held out other faces, or learned for another number of steps.
    """
    whole, targets = held_out_logits([fused], "fused")
    part, judged = held_out_logits([alone], "appearance")
    steps, other_steps = (steps_of(run / LOG_FILE) for run in (fused, alone))
    if not np.array_equal(targets, judged) or steps != other_steps:
        raise ConfigError([f"{fused} and {alone} were not trained alike."])
    truth = targets.argmax(axis=1)
    return {
        "faces": len(targets),
        "steps": steps,
        "accuracy": accuracy(truth, whole.argmax(axis=1)),
        "macro_f1": macro_f1(truth, whole.argmax(axis=1)),
        "lost": beside(truth, whole, {"appearance alone": part}),
        "cross_entropy": asdict(
            mean(_cross_entropies(part, targets) - _cross_entropies(whole, targets))
        ),
    }


def _cross_entropies(logits: FloatArray, targets: FloatArray) -> FloatArray:
    """Return ``(N,)`` of them, at the temperature that fits these votes best."""
    temperature = np.float32(fit_temperature(logits, targets))
    return cross_entropies(logits / temperature, targets)


def _with(models: Models, task: str, folder: Path) -> Models:
    if task == "detector":
        return replace(models, detector=folder)
    if task == "landmarks":
        return replace(models, landmarks=folder)
    return replace(models, emotion=folder)


def _judged(
    judge: Judge, spec: ModelSpec, data: Path, against: Sequence[Path]
) -> dict[str, Any]:
    if spec.task == "detector":
        return judge.detector(data, full=True)
    if spec.task == "landmarks":
        return judge.landmarks(data, full=True)
    others = [
        one.folder
        for one in list_model_specs(spec.folder.parent)
        if one.task == "emotion" and one.name != spec.name
    ]
    return judge.emotion(data, full=True, against=[*others, *against])


def read_figures(folder: Path) -> dict[str, Any]:
    """Return the stored figures.

    Raises:
        ConfigError: There are none, or they are those of other weights.
    """
    path = folder / FIGURES_FILE
    if not path.is_file():
        raise ConfigError(
            [f"There is no {FIGURES_FILE} in {folder}: measure it first."]
        )
    figures = dict(json.loads(path.read_text("utf-8")))
    if figures["sha256"] != read_model_spec(folder).sha256:
        raise ConfigError([f"{path} tells of other weights: measure the model anew."])
    return figures


def write_card(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write the card and its charts from figures."""
    spec = read_model_spec(folder)
    template = files(__package__).joinpath("cards", f"{spec.task}.md")
    words = {
        "name": spec.name,
        "parameters": _thousands(figures["parameters"]),
        "multiply_adds": f"{figures['multiply_adds'] / 1e6:.1f} M",
        "megabytes": f"{figures['bytes'] / 1e6:.2f}",
        "evaluate_command": evaluate_command(spec, figures["every"]),
        "commands": commands(spec),
        **WORDS[spec.task](spec, figures),
    }
    text = Template(template.read_text("utf-8")).substitute(words)
    (folder / CARD_FILE).write_text(wrapped(text), encoding="utf-8")
    CHARTS[spec.task](figures["held_out"], folder)


def evaluate_command(spec: ModelSpec, every: int) -> str:
    """Return what measures the figures again."""
    variant = f" --emotion-model {spec.variant}" if spec.variant else ""
    part = f" --every {every}" if every > 1 else ""
    return f"emojifier-bot evaluate {spec.task}{variant} --held-out --full{part}"


def wrapped(text: str) -> str:
    r"""Return Markdown with its paragraphs filled; tables, code and pictures stay.

    >>> wrapped("one\ntwo\n\n| a |\n|---|\n")
    'one two\n\n| a |\n|---|\n'
    """
    blocks = [block.strip("\n") for block in text.split("\n\n")]
    return "\n\n".join(_filled(block) for block in blocks if block) + "\n"


def _filled(block: str) -> str:
    if block.startswith(("#", "|", "!", "```", "- ")):
        return block
    return textwrap.fill(block, WIDTH, break_long_words=False, break_on_hyphens=False)


def _detection_counts(data: Path) -> dict[str, Any]:
    counts: Counter[tuple[str, bool]] = Counter()
    for one in read_detection(data / "detection"):
        counts[one.source, is_held_out(one.source, one.name)] += 1
    for crop in read_landmarks(data / "landmarks"):
        if crop.source in HAND_LABELLED:
            held = is_held_out(crop.source, crop.name, crop.subject)
            counts["HELEN and AFW crops", held] += 1
    return _two_columns(counts)


def _landmark_counts(data: Path) -> dict[str, Any]:
    return _two_columns(
        Counter(
            (SOURCES[one.source], is_held_out(one.source, one.name, one.subject))
            for one in read_landmarks(data / "landmarks")
        )
    )


def _expression_counts(data: Path) -> dict[str, Any]:
    faces = read_expressions(data / "expressions")
    return _two_columns(
        Counter(
            (str(EMOTIONS[index]), is_judged)
            for is_judged, part in (
                (False, ~faces.is_validation),
                (True, held_out(faces)),
            )
            for index in faces.majority[part]
        )
    )


def _two_columns(counts: Mapping[tuple[str, bool], int]) -> dict[str, Any]:
    return {
        name: {
            "train": counts.get((name, False), 0),
            "held": counts.get((name, True), 0),
        }
        for name in sorted({name for name, _ in counts})
    }


DATA_COUNTS: Mapping[str, Callable[[Path], dict[str, Any]]] = MappingProxyType(
    {
        "detector": _detection_counts,
        "landmarks": _landmark_counts,
        "emotion": _expression_counts,
    }
)


def _detector_charts(figures: Mapping[str, Any], folder: Path) -> None:
    charts.operating_chart(figures["curve"], folder / "operating.png")


def _landmark_charts(figures: Mapping[str, Any], folder: Path) -> None:
    charts.error_chart(figures["cumulative"], folder / "errors.png")


def _emotion_charts(figures: Mapping[str, Any], folder: Path) -> None:
    charts.confusion_chart(figures["confusion"], folder / "confusion.png")
    charts.reliability_chart(figures["reliability"], folder / "reliability.png")
    charts.risk_chart(
        figures["risk_coverage"],
        folder / "risk_coverage.png",
        sure=figures["sure"],
        wanted=SURE_ACCURACY,
    )


CHARTS: Mapping[str, Callable[[Mapping[str, Any], Path], None]] = MappingProxyType(
    {
        "detector": _detector_charts,
        "landmarks": _landmark_charts,
        "emotion": _emotion_charts,
    }
)


def rounded(figures: Any) -> Any:
    """Return figures as they are stored: rounded, None for what is not defined.

    >>> rounded({"a": [0.1234567, float("nan")], "b": 3})
    {'a': [0.12346, None], 'b': 3}
    """
    if isinstance(figures, Mapping):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [rounded(value) for value in figures]
    if not isinstance(figures, float):
        return figures
    return None if math.isnan(figures) else round(figures, DIGITS)


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f} k"
