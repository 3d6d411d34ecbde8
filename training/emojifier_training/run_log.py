"""Reads the log of a model's runs: what was typed, for how many steps, how long."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from emojifier_bot.vision.models import ModelSpec
from emojifier_training.graph_cost import is_quantized
from emojifier_training.runs import MODEL_LOG_FILE


def commands(spec: ModelSpec) -> str:
    """Return the commands behind the weights, as the log tells them.

    A run that did not note what was typed is told from its knobs.
    """
    rows = read_log(spec.folder / MODEL_LOG_FILE)
    typed = [
        # Where the data lies on somebody's machine is nobody's business.
        re.sub(r" --data \S+", "", row.get("command", ""))
        or _from_knobs(spec, row["config"])
        for row in rows
        if "config" in row
    ]
    variant = f" --variant {spec.variant}" if spec.variant else ""
    eight = " --int8" if is_quantized(spec.verified_bytes()) else ""
    typed.append(
        f"emojifier-bot export {spec.task}{variant} --run RUN "
        f"--to models/{spec.name}{eight}"
    )
    lines = "\n".join(dict.fromkeys(typed))
    minutes = sum(_lasted(rows)) / 60
    counted = f"{_steps(rows):,} steps and {minutes:.0f} minutes"
    return f"```sh\n{lines}\n```\n\nThe log counts {counted} in all."


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a log."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def steps_of(path: Path) -> int:
    """Return how many steps a log tells of."""
    return _steps(read_log(path))


def _steps(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the steps of all runs; a run that went on counts once."""
    steps = [row["step"] for row in rows if "step" in row]
    return sum(now for now, then in pairwise([*steps, 0]) if then <= now)


def _from_knobs(spec: ModelSpec, knobs: Mapping[str, Any]) -> str:
    variant = f" --variant {spec.variant}" if spec.variant else ""
    told = " ".join(
        f"--{name.replace('_', '-')} {knobs[name]}"
        for name in ("steps", "batch_size", "learning_rate", "seed", "threads")
    )
    return f"emojifier-bot train {spec.task}{variant} {told}"


def _lasted(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the last reading of the clock of each run in a log."""
    ends = [
        now.get("seconds", 0.0)
        for now, then in zip(rows, [*rows[1:], {"config": None}], strict=True)
        if "config" in then
    ]
    return [float(one) for one in ends]
