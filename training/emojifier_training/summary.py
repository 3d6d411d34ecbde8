"""One table: every figure that has a target, measured on what training never saw."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emojifier_bot.tools.intervals import Measured
from emojifier_bot.vision.models import pick_model_spec
from emojifier_bot.vision.resources import models_dir
from emojifier_training.evaluate_detector import (
    DIFFICULTIES,
    RECALL_FACE_PX,
    at_least,
    measured_ap,
    seen,
)
from emojifier_training.judge import EVERY_CANDIDATE, SHOWN, Judge
from emojifier_training.targets import TARGETS, Target

#: What is measured turned, for `recall_<degrees>`.
ROLLS_DEGREES = (0, 90, 180)
EMOTION_VARIANTS = ("fused", "landmarks")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its target."""

    target: Target
    #: None where it was not measured; `on` then says why.
    measured: Measured | None
    #: What it was measured on.
    on: str

    @property
    def reached(self) -> str:
        """Return ``aim``, ``must`` or ``no``; nothing where nothing was measured."""
        if self.measured is None or math.isnan(self.measured.value):
            return ""
        value, target = self.measured.value, self.target
        if target.met(value, target.aim):
            return "aim"
        return "must" if target.met(value, target.must) else "no"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        target = self.target
        figure = {} if self.measured is None else self.measured.as_dict()
        return {
            "task": target.task,
            "what": target.what,
            **figure,
            "on": self.on,
            "must": target.must,
            "aim": target.aim,
            "reached": self.reached,
        }


#: Figures by their key in `TARGETS`, each with what it was measured on.
Figures = Mapping[str, tuple[Measured, str]]


def summarise(judge: Judge, data: Path) -> dict[str, Row]:
    """Measure every row of `TARGETS` that the data at hand allows.

    Args:
        judge: Whose samples and models are taken; it always holds out.
        data: Folder of the three sets.

    Raises:
        DatasetError: A set is missing or damaged.
        ModelFileError: A model is missing or differs.
    """
    judge = dataclasses.replace(judge, held_out=True)
    figures: dict[str, tuple[Measured, str]] = {
        **_detection(judge, data / "detection"),
        **_landmarks(judge, data / "landmarks"),
    }
    for variant in EMOTION_VARIANTS:
        figures |= _emotion(judge, data / "expressions", variant)
    counted, unknown = _costs()
    figures |= counted
    return {
        key: _row(target, figures.get(key), target.kept_apart or unknown)
        for key, target in TARGETS.items()
    }


def _row(target: Target, found: tuple[Measured, str] | None, reason: str) -> Row:
    return Row(target, None, reason) if found is None else Row(target, *found)


def _detection(judge: Judge, data: Path) -> Figures:
    pictures = [one for one in judge.pictures(data) if one.source == "wider"]
    found = judge.find(pictures, EVERY_CANDIDATE)
    where = f"{len(pictures)} WIDER pictures"
    rows = {}
    for name, height_px in DIFFICULTIES.items():
        ap = measured_ap(found, at_least(height_px))
        rows[f"ap_{name}"] = (
            ap,
            f"{ap.count:,} faces of {height_px:g} px and higher, {where}",
        )
    for degrees in ROLLS_DEGREES:
        shown = seen(judge.find(pictures, SHOWN, degrees), at_least(RECALL_FACE_PX))
        count = shown.recall.count
        rows[f"recall_{degrees}"] = (
            shown.recall,
            f"{count:,} faces of {RECALL_FACE_PX:g} px and higher, {where}",
        )
    return rows


def _landmarks(judge: Judge, data: Path) -> Figures:
    figures = judge.landmarks(data)
    nme = figures["intervals"].get("nme_helen")
    if nme is None:
        return {}
    return {"nme_helen": (Measured(**nme), f"{nme['count']} HELEN faces")}


def _emotion(judge: Judge, data: Path, variant: str) -> Figures:
    models = dataclasses.replace(judge.models, emotion_variant=variant)
    figures = dataclasses.replace(judge, models=models).emotion(data)
    on = f"{figures['count']:,} FER+ validation faces"
    intervals = {n: Measured(**one) for n, one in figures["intervals"].items()}
    rows = {f"{n}_{variant}": (intervals[n], on) for n in ("accuracy", "macro_f1")}
    if variant == "fused":
        rows["calibration_error"] = (intervals["calibration_error"], on)
        rows["sure_coverage"] = (intervals["sure_coverage"], on)
        sure = intervals["sure_accuracy"]
        rows["sure_accuracy"] = (sure, f"{sure.count:,} of these")
    return rows


def _costs() -> tuple[Figures, str]:
    """Return the multiply-adds of the shipped models, or why they are not known."""
    try:
        from emojifier_training.graph_cost import (
            use_cost,
        )
    except ModuleNotFoundError as error:
        return {}, f"needs {error.name}: `make train-env`"
    specs = {
        "detector": pick_model_spec(models_dir(), "detector"),
        "landmarks": pick_model_spec(models_dir(), "landmarks"),
        "emotion": pick_model_spec(models_dir(), "emotion", "fused"),
    }
    return {
        f"{task}_multiply_adds": (
            _exact(use_cost(spec)),
            f"`{spec.name}`" + (", read twice" if spec.mirror else ""),
        )
        for task, spec in specs.items()
    }, ""


def _exact(value: float) -> Measured:
    return Measured(float(value), float(value), float(value), 1)
