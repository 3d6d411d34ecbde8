"""Markdown tables of the model cards, from the figures that `evaluate --full` gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.page import markdown

Row = Mapping[str, Any]
Rows = Mapping[str, Row]
#: Classes of heights, as people read them.
HEIGHTS = {
    "8_16": "8 to 16 px",
    "16_32": "16 to 32 px",
    "32_64": "32 to 64 px",
    "64_inf": "over 64 px",
}
#: Confidences of the curve that a card tells.
CURVE_AT = ("0.30", "0.40", "0.50", "0.60", "0.70", "0.80")
PERCENT = 100


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure; a dash where there is none.

    >>> number(0.12345), number(None), number(float("nan"))
    ('0.123', '–', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in per cent.

    >>> percent(0.1234)
    '12.3 %'
    """
    shown = number(None if value is None else value * PERCENT, digits)
    return shown if shown == "–" else f"{shown} %"


def ranged(row: Row, key: str = "value", *, scale: float = 1, digits: int = 3) -> str:
    """Return a figure with its interval in brackets.

    >>> ranged({"ap": 0.5, "ap_low": 0.4, "ap_high": 0.6}, "ap", digits=2)
    '0.50 (0.40 – 0.60)'
    """
    prefix = "" if key == "value" else f"{key}_"
    keys = (key, f"{prefix}low", f"{prefix}high")
    values = [row.get(one) for one in keys]
    value, low, high = (
        number(None if one is None else one * scale, digits) for one in values
    )
    return value if "–" in {value, low, high} else f"{value} ({low} – {high})"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    rules = ["---", *["--:"] * (len(headings) - 1)]
    return markdown(headings, rules, rows).rstrip("\n")


def kinds_table(first: str, rows: Rows, names: Mapping[str, str] | None = None) -> str:
    """Return kinds of faces with count, average precision and recall."""
    return table(
        (first, "faces", "AP", "recall"),
        [
            (
                (names or {}).get(kind, kind),
                f"{row['faces']:,}",
                ranged(row, "ap"),
                ranged(row, "recall"),
            )
            for kind, row in rows.items()
            if row["faces"]
        ],
    )


def roll_table(rows: Rows) -> str:
    """Return what turned pictures do, with precision and false alarms."""
    return table(
        ("turned by", "faces", "AP", "recall", "precision", "false a picture"),
        [
            (
                roll,
                f"{row['faces']:,}",
                ranged(row, "ap"),
                ranged(row, "recall"),
                number(row["precision"]),
                number(row["false_alarms_per_picture"], 2),
            )
            for roll, row in rows.items()
        ],
    )


def curve_table(rows: Rows) -> str:
    """Return the operating points that a card tells."""
    return table(
        ("confidence", "recall", "precision", "false a picture"),
        [
            (
                at,
                number(rows[at]["recall"]),
                number(rows[at]["precision"]),
                number(rows[at]["false_alarms_per_picture"], 2),
            )
            for at in CURVE_AT
        ],
    )


def empty_table(rows: Rows) -> str:
    """Return how many faces are seen where there is none."""
    return table(
        ("without a face", "pictures", "seen a picture"),
        [
            (kind, f"{row['pictures']}", ranged(row, "per_picture", digits=2))
            for kind, row in rows.items()
        ],
    )


def error_table(first: str, rows: Rows, names: Mapping[str, str]) -> str:
    """Return errors of the 68 points, in per cent, with their intervals."""
    return table(
        (first, "faces", "error, %"),
        [
            (shown, f"{rows[key]['count']:,}", ranged(rows[key], scale=100, digits=2))
            for key, shown in names.items()
            if key in rows
        ],
    )


def cumulative_table(rows: Rows) -> str:
    """Return the share of faces below each error."""
    return table(
        ("error at most", "share of the faces"),
        [
            (percent(float(limit), 0), ranged(row, scale=100, digits=1) + " %")
            for limit, row in rows.items()
        ],
    )


def followed_table(rows: Rows) -> str:
    """Return how found openings go with the labelled ones."""
    return table(
        ("ratio", "faces", "correlation", "mean difference", "spread of the labels"),
        [
            (
                name.replace("_", " "),
                f"{row['faces']}",
                ranged(row, "correlation"),
                number(row.get("mean_difference")),
                number(row.get("spread")),
            )
            for name, row in rows.items()
        ],
    )


def harder_table(rows: Rows) -> str:
    """Return errors of faces made harder, and whether openings are still followed."""
    return table(
        ("", "faces", "error, %", "mouth followed", "right eye", "left eye"),
        [
            (
                name,
                f"{row['faces']}",
                ranged(row, "nme", scale=100, digits=2),
                number(row["mouth_opening_correlation"], 2),
                number(row["right_eye_opening_correlation"], 2),
                number(row["left_eye_opening_correlation"], 2),
            )
            for name, row in rows.items()
        ],
    )


def main_table(figures: Row) -> str:
    """Return an emotion model's main figures."""
    rows, threshold = figures["intervals"], figures["sure"]["threshold"]
    return table(
        ("figure", "value"),
        [
            ("accuracy", ranged(rows["accuracy"])),
            ("macro-F1", ranged(rows["macro_f1"])),
            ("expected calibration error", ranged(rows["calibration_error"])),
            (
                f"called sure (from {round(threshold, 3):g} on)",
                ranged(rows["sure_coverage"]),
            ),
            ("right where sure", ranged(rows["sure_accuracy"])),
        ],
    )


def class_table(figures: Row) -> str:
    """Return precision, recall and F1 of every emotion."""
    return table(
        ("emotion", "faces", "precision", "recall", "F1"),
        [
            (
                str(emotion),
                f"{row['count']:,}",
                number(row["precision"], 2),
                number(row["recall"], 2),
                ranged(figures["intervals"][f"f1_{emotion}"], digits=2),
            )
            for emotion in EMOTIONS
            for row in [figures["per_class"][str(emotion)]]
        ],
    )


def loss_table(first: str, rows: Rows) -> str:
    """Return what is lost, in points of accuracy and macro-F1."""
    return table(
        (first, "accuracy", "lost", "macro-F1", "lost"),
        [
            (
                name,
                number(row["accuracy"]),
                ranged(row, "accuracy_drop", digits=1),
                number(row["macro_f1"]),
                ranged(row, "macro_f1_drop", digits=1),
            )
            for name, row in rows.items()
        ],
    )
