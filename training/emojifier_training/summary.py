"""One table: every figure that has a target, measured on what training never saw."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.intervals import Measured
from emojifier_bot.vision.models import pick_model_spec
from emojifier_training.data import SET_FOLDERS
from emojifier_training.evaluate import EVERY_CANDIDATE, SHOWN, Evaluator
from emojifier_training.evaluate_detector import (
    DIFFICULTIES,
    RECALL_FACE_PX,
    SHIPPED_CONFIDENCE,
    at_least,
    measured_ap,
    seen,
)
from emojifier_training.negatives import without_people
from emojifier_training.pages import filled, markdown

Format = Callable[[float], str]


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{value * 100:.2f} %"


def _millions(value: float) -> str:
    return f"{value / 1e6:.1f} M"


@dataclass(frozen=True, slots=True)
class Target:
    """One row: a figure, and where it shall be."""

    task: str
    what: str
    must: float | None
    #: The best small peers' own figure, on the sets kept apart; None where a bound is
    #: all there is.
    aim: float | None
    lower_is_better: bool = False
    shown: Format = _plain
    #: Why it cannot be measured on the data at hand; empty where it can.
    kept_apart: str = ""

    def met(self, value: float, goal: float | None) -> bool:
        """Tell whether a value is at least as good as a goal."""
        if goal is None:
            return False
        return value <= goal if self.lower_is_better else value >= goal


_detection = partial(Target, "detection")
_emotion = partial(Target, "emotion")
KEPT_APART = "not measurable here: kept apart"
_cost = partial(Target, "speed", aim=None, lower_is_better=True, shown=_millions)

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "ap_easy": _detection("AP@0.5, easy", 0.91, 0.935),
        "ap_medium": _detection("AP@0.5, medium", 0.89, 0.92),
        "ap_hard": _detection("AP@0.5, hard", 0.80, 0.83),
        "recall_shown": _detection("recall, as shipped", 0.83, 0.87),
        "false_shown": _detection(
            "false faces a picture, as shipped", 0.24, 0.12, lower_is_better=True
        ),
        **{
            f"emoji_on_{kind}": _detection(
                f"emoji on photographs {of}", must, aim, lower_is_better=True
            )
            for kind, of, must, aim in (
                ("all", "without people", 0.03, 0.01),
                ("animal", "of animals", 0.08, None),
            )
        },
        "recall_0": _detection("recall, upright", 0.92, 0.96),
        "recall_90": _detection("recall, turned 90°", 0.88, 0.95),
        "recall_180": _detection("recall, turned 180°", 0.88, 0.95),
        "nme_helen": Target(
            "landmarks",
            "error of 68 points",
            0.043,
            0.036,
            lower_is_better=True,
            shown=_percent,
        ),
        "accuracy_fused": _emotion("`fused`, accuracy", 0.88, 0.90),
        "macro_f1_fused": _emotion("`fused`, macro-F1", 0.76, 0.78),
        "accuracy_posed": _emotion(
            "`fused`, accuracy on CK+48", 0.75, 0.83, kept_apart=KEPT_APART
        ),
        "accuracy_posed_photos": _emotion(
            "`fused`, accuracy on JAFFE", 0.58, 0.70, kept_apart=KEPT_APART
        ),
        "sure_posed_photos": _emotion(
            "`fused`, accuracy where sure on JAFFE", 0.80, None, kept_apart=KEPT_APART
        ),
        "accuracy_landmarks": _emotion("`landmarks`, accuracy", 0.70, 0.75),
        "macro_f1_landmarks": _emotion("`landmarks`, macro-F1", 0.42, 0.50),
        "calibration_error": _emotion(
            "`fused`, calibration error", 0.05, None, lower_is_better=True
        ),
        "sure_accuracy": _emotion("`fused`, accuracy where sure", 0.92, None),
        "sure_coverage": _emotion("`fused`, share called sure", 0.65, None),
        # 1.2 times what YuNet-n takes at 320 × 320: 135.6 M.
        "detector_multiply_adds": _cost("detector, multiply-adds", 162.7e6),
        # A candidate may cost a twentieth of the detector.
        "rescorer_multiply_adds": _cost("rescorer, multiply-adds", 7.5e6),
        "landmarks_multiply_adds": _cost("landmarks, multiply-adds", 150e6),
        "emotion_multiply_adds": _cost("emotion, multiply-adds", 40e6),
    }
)
#: Rotations that recall is measured at, for `recall_<degrees>`.
RECALL_DEGREES = (0, 90, 180)
EMOTION_VARIANTS = ("fused", "landmarks")

HEADINGS = ("task", "figure", "held out", "95 %", "must", "aim", "reached", "on")
#: How columns are set: figures to the right.
RULES = ("---", "---", "--:", "--:", "--:", "--:", "---", "---")


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


def summarise(evaluator: Evaluator, data: Path) -> dict[str, Row]:
    """Measure every row of `TARGETS` that the data at hand allows.

    Args:
        evaluator: Whose samples and models are taken; it always holds out.
        data: Folder of the three sets.

    Raises:
        DatasetError: A set is missing or damaged.
        ModelFileError: A model is missing or differs.
    """
    evaluator = dataclasses.replace(evaluator, held_out=True)
    figures: dict[str, tuple[Measured, str]] = {
        **_detection_figures(evaluator, data / SET_FOLDERS["detector"]),
        **_landmark_figures(evaluator, data / SET_FOLDERS["landmarks"]),
    }
    for variant in EMOTION_VARIANTS:
        figures |= _emotion_figures(evaluator, data / SET_FOLDERS["emotion"], variant)
    counted, unknown = _costs()
    figures |= counted
    return {
        key: Row(target, *figures.get(key, (None, target.kept_apart or unknown)))
        for key, target in TARGETS.items()
    }


def _detection_figures(evaluator: Evaluator, data: Path) -> Figures:
    pictures = [one for one in evaluator.pictures(data) if one.source == "wider"]
    found = evaluator.find(pictures, EVERY_CANDIDATE)
    where = f"{len(pictures)} WIDER pictures"
    rows = {}
    for name, height_px in DIFFICULTIES.items():
        ap = measured_ap(found, at_least(height_px))
        rows[f"ap_{name}"] = (
            ap,
            f"{ap.count:,} faces of {height_px:g} px and higher, {where}",
        )
    shown = seen(found, at_least(RECALL_FACE_PX), SHIPPED_CONFIDENCE)
    alarms = shown.false_alarms_per_picture
    on = f"{shown.recall.count:,} faces of {RECALL_FACE_PX:g} px and higher, {where}"
    rows["recall_shown"] = (shown.recall, on)
    rows["false_shown"] = (Measured(alarms, alarms, alarms, len(pictures)), where)
    without = evaluator.find(evaluator.negatives(data), SHIPPED_CONFIDENCE)
    for kind, row in without_people(without, SHIPPED_CONFIDENCE).items():
        on = f"{row['count']} photographs without people"
        rows[f"emoji_on_{kind}"] = (Measured(**row), on)
    for degrees in RECALL_DEGREES:
        shown = seen(evaluator.find(pictures, SHOWN, degrees), at_least(RECALL_FACE_PX))
        count = shown.recall.count
        rows[f"recall_{degrees}"] = (
            shown.recall,
            f"{count:,} faces of {RECALL_FACE_PX:g} px and higher, {where}",
        )
    return rows


def _landmark_figures(evaluator: Evaluator, data: Path) -> Figures:
    figures = evaluator.landmarks(data)
    nme = figures["intervals"].get("nme_helen")
    if nme is None:
        return {}
    return {"nme_helen": (Measured(**nme), f"{nme['count']} HELEN faces")}


def _emotion_figures(evaluator: Evaluator, data: Path, variant: str) -> Figures:
    models = dataclasses.replace(evaluator.models, emotion_variant=variant)
    figures = dataclasses.replace(evaluator, models=models).emotion(data)
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
        from emojifier_training.graph_cost import use_cost
    except ModuleNotFoundError as error:
        return {}, f"needs {error.name}: `make train-env`"
    specs = {
        "detector": pick_model_spec(models_dir(), "detector"),
        "rescorer": pick_model_spec(models_dir(), "rescorer"),
        "landmarks": pick_model_spec(models_dir(), "landmarks"),
        "emotion": pick_model_spec(models_dir(), "emotion", "fused"),
    }
    figures = {}
    for task, spec in specs.items():
        cost = float(use_cost(spec))
        on = f"`{spec.name}`" + (", read twice" if spec.mirror else "")
        figures[f"{task}_multiply_adds"] = (Measured(cost, cost, cost, 1), on)
    return figures, ""


def write_page(page: Path, rows: Iterable[Row]) -> None:
    """Fill the table of a page; a page that is not there becomes the table alone."""
    text = page.read_text("utf-8") if page.is_file() else "<!-- targets -->\n"
    table = markdown(HEADINGS, RULES, map(cells, rows))
    page.write_text(filled(text, {"targets": table}), encoding="utf-8")


def cells(row: Row) -> tuple[str, ...]:
    """Return one row's texts, in the order of `HEADINGS`."""
    target, measured = row.target, row.measured
    value = between = ""
    if measured is not None and not math.isnan(measured.value):
        value = target.shown(measured.value)
        if measured.low < measured.high:
            low, high = target.shown(measured.low), target.shown(measured.high)
            between = f"{low} – {high}"
    sign = "≤" if target.lower_is_better else "≥"
    goals = [
        "" if goal is None else f"{sign} {target.shown(goal)}"
        for goal in (target.must, target.aim)
    ]
    return (target.task, target.what, value, between, *goals, row.reached, row.on)
