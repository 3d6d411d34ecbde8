"""Pictures for the model cards: what was measured, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emojifier_bot.vision.types import EMOTIONS

#: 600 pixels wide, and readable at that size.
DPI, WIDE_INCHES = 100, 6.0
#: Share of a row from which on a cell's number is white on dark.
DARK_FROM = 0.55
BLUE, GREY, RED = "#2b6cb0", "#8a8f98", "#c0392b"


def _chart(height_inches: float) -> tuple[Figure, Axes]:
    figure = Figure((WIDE_INCHES, height_inches), DPI, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _write(figure: Figure, path: Path) -> None:
    # Without the version of who drew it, the same figures give the same file.
    figure.savefig(path, metadata={"Software": None})


def draw(task: str, figures: Mapping[str, Any], folder: Path, wanted: float) -> None:
    """Draw the charts of a task's card from its figures.

    Args:
        task: Of the model.
        figures: What `Evaluator.figures` returns.
        folder: The model's.
        wanted: Emotion: accuracy that what it calls sure shall have.
    """
    if task == "detector":
        operating_chart(figures["curve"], folder / "operating.png")
    elif task == "landmarks":
        error_chart(figures["cumulative"], folder / "errors.png")
    else:
        confusion_chart(figures["confusion"], folder / "confusion.png")
        reliability_chart(figures["reliability"], folder / "reliability.png")
        risk_chart(
            figures["risk_coverage"],
            folder / "risk_coverage.png",
            sure=figures["sure"],
            wanted=wanted,
        )


def confusion_chart(confusion: Mapping[str, Mapping[str, int]], path: Path) -> None:
    """Draw counts in a square, each cell as dark as its share of the row.

    Args:
        confusion: ``{said by people: {by the model: count}}``.
        path: A PNG file.
    """
    names = [str(one) for one in EMOTIONS]
    counts = np.array([[confusion.get(a, {}).get(b, 0) for b in names] for a in names])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _chart(5.6)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > DARK_FROM else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("said by the model")
    axes.set_ylabel("said by most people")
    _write(figure, path)


def reliability_chart(bins: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw how often the model is right over how sure it is, and how often it is that.

    Args:
        bins: Rows of `evaluation.metrics.reliability`.
        path: A PNG file.
    """
    figure, axes = _chart(4.4)
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
    _unit_axes(axes, "probability of the emotion it names", "how often it is right")
    axes.legend(loc="upper left", frameon=False)
    _write(figure, path)


def risk_chart(
    rows: Sequence[Mapping[str, float]],
    path: Path,
    *,
    sure: Mapping[str, float],
    wanted: float,
) -> None:
    """Draw how right the surest faces are over how many they are.

    Args:
        rows: Points of the risk–coverage curve.
        path: A PNG file.
        sure: Coverage and accuracy of what the model calls sure.
        wanted: Accuracy that what it calls sure shall have.
    """
    figure, axes = _chart(4.0)
    axes.plot(
        [row["coverage"] for row in rows],
        [row["accuracy"] for row in rows],
        color=BLUE,
        marker=".",
    )
    axes.axhline(wanted, color=GREY, linestyle="--", label=f"{wanted:.0%} right")
    axes.plot(
        [sure["coverage"]], [sure["accuracy"]], "D", color=RED, label="called sure"
    )
    axes.set(xlim=(0, 1.02), xlabel="share of the faces, the surest first")
    axes.set_ylabel("how often it is right")
    axes.grid(color="#eceff3")
    axes.legend(loc="lower left", frameon=False)
    _write(figure, path)


def operating_chart(curve: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw recall and precision over the confidence from which a face is shown."""
    figure, axes = _chart(4.0)
    confidence = [float(key) for key in curve]
    for name, color in (("recall", BLUE), ("precision", RED)):
        values = [row[name] for row in curve.values()]
        axes.plot(confidence, values, color=color, marker=".", label=name)
    _unit_axes(axes, "least confidence that is shown", "")
    axes.axvline(0.5, color=GREY, linestyle="--")
    axes.legend(loc="lower left", frameon=False)
    _write(figure, path)


def error_chart(errors: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw the share of faces below each error of the 68 points."""
    figure, axes = _chart(4.0)
    limits = [float(key) * 100 for key in errors]
    axes.plot(
        [0, *limits],
        [0, *(row["value"] for row in errors.values())],
        color=BLUE,
        marker=".",
    )
    axes.fill_between(
        limits,
        [row["low"] for row in errors.values()],
        [row["high"] for row in errors.values()],
        color=BLUE,
        alpha=0.15,
    )
    axes.set(ylim=(0, 1.02), xlim=(0, max(limits, default=1)))
    axes.set_xlabel("error, per cent of the distance of the outer eye corners")
    axes.set_ylabel("share of the faces")
    axes.grid(color="#eceff3")
    _write(figure, path)


def _unit_axes(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel=x, ylabel=y)
    axes.grid(color="#eceff3")
