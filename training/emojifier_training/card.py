"""Fills the tables of a model's card with what was measured, and draws its charts."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emojifier_bot.errors import ConfigError
from emojifier_bot.vision.models import ModelSpec, read_model_spec
from emojifier_bot.vision.types import EMOTIONS
from emojifier_training import MODEL_LOG_FILE, charts
from emojifier_training.card_tables import (
    SOURCES,
    TABLES,
    Row,
    count,
    figures_table,
    table,
)
from emojifier_training.data import (
    HAND_LABELLED,
    SET_FOLDERS,
    is_held_out,
    read_detection,
    read_expressions,
    read_landmarks,
    read_negatives,
)
from emojifier_training.evaluate import Evaluator
from emojifier_training.graph_cost import is_quantized, parameters, use_cost
from emojifier_training.near_duplicates import held_out
from emojifier_training.pages import filled

FIGURES_FILE, CARD_FILE = "figures.json", "MODEL_CARD.md"
#: Decimals of what is stored.
DIGITS = 5
#: What a model's cost is counted for.
COST_OF = MappingProxyType(
    {
        "detector": "320 × 320",
        "rescorer": "a candidate",
        "landmarks": "a face",
        "emotion": "a face",
    }
)


def measure(folder: Path, evaluator: Evaluator, data: Path) -> dict[str, Any]:
    """Measure a model on what training never saw, and store the figures beside it.

    Args:
        folder: The model's.
        evaluator: How many samples are read, with how many threads.
        data: Folder of the three sets.

    Raises:
        DatasetError: A set is missing or damaged.
    """
    spec = read_model_spec(folder)
    # The models are named as their tasks are.
    this: dict[str, Any] = {spec.task: folder}
    models = replace(evaluator.models, **this)
    evaluator = replace(evaluator, models=models, held_out=True)
    content = spec.verified_bytes()
    figures = {
        "model": spec.name,
        "sha256": spec.sha256,
        "parameters": parameters(content),
        "multiply_adds": use_cost(spec),
        "bytes": len(content),
        "every": evaluator.every,
        "data": DATA_COUNTS[spec.task](data),
        "held_out": evaluator.figures(
            spec.task, data / SET_FOLDERS[spec.task], full=True
        ),
    }
    text = json.dumps(rounded(figures), indent=1, allow_nan=False)
    (folder / FIGURES_FILE).write_text(text + "\n", encoding="utf-8")
    return dict(json.loads(text))


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
        raise ConfigError([f"{path} is of other weights: measure the model again."])
    return figures


def write_card(folder: Path, figures: Row) -> None:
    """Fill the card and draw its charts; a model without a card gets its task's."""
    spec = read_model_spec(folder)
    path = folder / CARD_FILE
    template = files(__package__).joinpath("cards", f"{spec.task}.md")
    text = (path if path.is_file() else template).read_text("utf-8")
    text = text.replace("$name", spec.name).replace("$title", spec.title)
    path.write_text(filled(text, card_blocks(spec, figures)), encoding="utf-8")
    charts.draw(spec.task, figures["held_out"], folder)


def card_blocks(spec: ModelSpec, figures: Row) -> dict[str, str]:
    """Return every table of a task's card, by the name that stands above it."""
    cost = f"{figures['multiply_adds'] / 1e6:.1f} M"
    return {
        "size": figures_table(
            {
                "parameters": f"{figures['parameters']:,}",
                f"multiply-adds, {COST_OF[spec.task]}": cost,
                "size of the file": f"{figures['bytes'] / 1e6:.2f} MB",
            }
        ),
        "data": table(
            "source",
            figures["data"],
            {"for training": count("train"), "held out": count("held")},
        ),
        "commands": commands(spec),
        "evaluate": evaluate_command(spec, figures["every"]),
        **TABLES[spec.task](figures["held_out"]),
    }


def commands(spec: ModelSpec) -> str:
    """Return the commands behind the weights, as the log has them."""
    log = (spec.folder / MODEL_LOG_FILE).read_text("utf-8")
    rows = [json.loads(line) for line in log.splitlines()]
    typed = [_typed(spec, row) for row in rows if "config" in row]
    variant = f" --variant {spec.variant}" if spec.variant else ""
    int8 = " --int8" if is_quantized(spec.verified_bytes()) else ""
    export = (
        f"emojifier-training export {spec.task}{variant} --run RUN "
        f"--to models/{spec.name}{int8}"
    )
    return _shell([*dict.fromkeys(typed), export])


def _typed(spec: ModelSpec, row: Row) -> str:
    """Return what began a run; the first runs noted their knobs only."""
    if command := row.get("command"):
        # Where the data lies on somebody's machine is nobody's business; and the
        # command had another name once.
        command = re.sub(r" --data \S+", "", command)
        return re.sub(r"^emojifier-bot ", "emojifier-training ", command)
    variant = f" --variant {spec.variant}" if spec.variant else ""
    knobs = " ".join(
        f"--{name.replace('_', '-')} {row['config'][name]}"
        for name in ("steps", "batch_size", "learning_rate", "seed", "threads")
    )
    return f"emojifier-training train {spec.task}{variant} {knobs}"


def evaluate_command(spec: ModelSpec, every: int) -> str:
    """Return what measures the figures again."""
    variant = f" --emotion-model {spec.variant}" if spec.variant else ""
    part = f" --every {every}" if every > 1 else ""
    return _shell(
        [f"emojifier-training evaluate {spec.task}{variant} --held-out --full{part}"]
    )


def _shell(lines: Iterable[str]) -> str:
    return "\n".join(["```sh", *lines, "```", ""])


def _detection_counts(data: Path) -> dict[str, Any]:
    counts: Counter[tuple[str, bool]] = Counter()
    for one in read_detection(data / SET_FOLDERS["detector"]):
        counts[one.source, is_held_out(one.source, one.name)] += 1
    for crop in read_landmarks(data / SET_FOLDERS["landmarks"]):
        name = "HELEN and AFW" if crop.source in HAND_LABELLED else "video"
        held = is_held_out(crop.source, crop.name, crop.subject)
        counts[f"{name} crops", held] += 1
    return _two_columns(counts)


def _rescorer_counts(data: Path) -> dict[str, Any]:
    return _detection_counts(data) | _two_columns(
        Counter(
            (f"without people, {one.event}", is_held_out(one.source, one.name))
            for one in read_negatives(data / SET_FOLDERS["negatives"])
        )
    )


def _landmark_counts(data: Path) -> dict[str, Any]:
    return _two_columns(
        Counter(
            (SOURCES[one.source], is_held_out(one.source, one.name, one.subject))
            for one in read_landmarks(data / SET_FOLDERS["landmarks"])
        )
    )


def _expression_counts(data: Path) -> dict[str, Any]:
    faces = read_expressions(data / SET_FOLDERS["emotion"])
    return _two_columns(
        Counter(
            (str(EMOTIONS[index]), is_held)
            for is_held, part in (
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
        "rescorer": _rescorer_counts,
        "landmarks": _landmark_counts,
        "emotion": _expression_counts,
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
