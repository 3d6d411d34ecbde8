"""Charts for the models' cards: what was measured, drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.evaluate_emotion import SURE_ACCURACY

#: 600 pixels wide, and readable at that size.
DPI, WIDE_INCHES = 100, 6.0
#: Share of a row from which on a cell's number is white on dark.
DARK_FROM = 0.55
BLUE, GREY, RED, GRID = "#2b6cb0", "#8a8f98", "#c0392b", "#eceff3"

#: Draws from what `Evaluator.figures` returns.
Chart = Callable[[Axes, Mapping[str, Any]], None]


def draw(task: str, figures: Mapping[str, Any], folder: Path) -> None:
    """Draw the charts of a task's card into the model's folder."""
    for name, (height_inches, chart) in CHARTS[task].items():
        figure = Figure((WIDE_INCHES, height_inches), DPI, layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        chart(axes, figures)
        # Without the version of who drew it, the same figures give the same file.
        figure.savefig(folder / name, metadata={"Software": None})


def _confusion(axes: Axes, figures: Mapping[str, Any]) -> None:
    """Draw counts in a square, each cell as dark as its share of the row."""
    confusion, names = figures["confusion"], [str(one) for one in EMOTIONS]
    counts = np.array([[confusion.get(a, {}).get(b, 0) for b in names] for a in names])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > DARK_FROM else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("said by the model")
    axes.set_ylabel("said by most people")


def _reliability(
    axes: Axes,
    figures: Mapping[str, Any],
    of: str = "probability of the emotion it names",
) -> None:
    """Draw how often the model is right, and how often it is that sure."""
    bins = figures["reliability"]
    confidence = [row["confidence"] for row in bins]
    most = max((row["count"] for row in bins), default=1)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as sure as right")
    axes.bar(
        confidence,
        [0.25 * row["count"] / most for row in bins],
        width=0.04,
        color="#d5dbe3",
        label="how often (not to scale)",
    )
    accuracy = [row["accuracy"] for row in bins]
    axes.plot(confidence, accuracy, color=BLUE, marker="o", label="the model")
    _unit_axes(axes, of, "how often it is right")
    axes.legend(loc="upper left", frameon=False)


def _risk_coverage(axes: Axes, figures: Mapping[str, Any]) -> None:
    """Draw how right the surest faces are over how many they are."""
    rows, sure = figures["risk_coverage"], figures["sure"]
    coverages, accuracies = (
        [row[name] for row in rows] for name in ("coverage", "accuracy")
    )
    axes.plot(coverages, accuracies, color=BLUE, marker=".")
    wanted = f"{SURE_ACCURACY:.0%} right"
    axes.axhline(SURE_ACCURACY, color=GREY, linestyle="--", label=wanted)
    point = [sure["coverage"]], [sure["accuracy"]]
    axes.plot(*point, "D", color=RED, label="called sure")
    axes.set(xlim=(0, 1.02), xlabel="share of the faces, the surest first")
    axes.set_ylabel("how often it is right")
    axes.grid(color=GRID)
    axes.legend(loc="lower left", frameon=False)


def _operating(axes: Axes, figures: Mapping[str, Any]) -> None:
    """Draw recall and precision over the confidence from which a face is shown."""
    curve = figures["curve"]
    confidence = [float(key) for key in curve]
    for name, color in (("recall", BLUE), ("precision", RED)):
        values = [row[name] for row in curve.values()]
        axes.plot(confidence, values, color=color, marker=".", label=name)
    _unit_axes(axes, "least confidence that is shown", "")
    axes.axvline(0.5, color=GREY, linestyle="--")
    axes.legend(loc="lower left", frameon=False)


def _errors(axes: Axes, figures: Mapping[str, Any]) -> None:
    """Draw the share of faces below each error of the 68 points."""
    errors = figures["cumulative"]
    limits = [float(key) * 100 for key in errors]
    value, low, high = (
        [row[name] for row in errors.values()] for name in ("value", "low", "high")
    )
    axes.plot([0, *limits], [0, *value], color=BLUE, marker=".")
    axes.fill_between(limits, low, high, color=BLUE, alpha=0.15)
    axes.set(ylim=(0, 1.02), xlim=(0, max(limits, default=1)))
    axes.set_xlabel("error, per cent of the distance of the outer eye corners")
    axes.set_ylabel("share of the faces")
    axes.grid(color=GRID)


def _unit_axes(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel=x, ylabel=y)
    axes.grid(color=GRID)


#: The files of each task's charts, with their height in inches.
CHARTS: Mapping[str, Mapping[str, tuple[float, Chart]]] = MappingProxyType(
    {
        "detector": {"operating.png": (4.0, _operating)},
        "rescorer": {
            "operating.png": (4.0, _operating),
            "reliability.png": (4.4, partial(_reliability, of="probability of a face")),
        },
        "landmarks": {"errors.png": (4.0, _errors)},
        "emotion": {
            "confusion.png": (5.6, _confusion),
            "reliability.png": (4.4, _reliability),
            "risk_coverage.png": (4.0, _risk_coverage),
        },
    }
)
