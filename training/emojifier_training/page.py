"""Writes the summary as Markdown: the page in ``docs`` and the README's table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from emojifier_training.summary import Row

HEADINGS = ("task", "figure", "held out", "95 %", "must", "aim", "reached", "on")
#: How columns are set: figures to the right.
RULES = ("---", "---", "--:", "--:", "--:", "--:", "---", "---")

INTRO = """\
# How well the models do

Written by `make evaluate` from the models in `models/`, on pictures and faces that
training never saw ([held_out](held_out/README.md)). `emojifier-bot evaluate` without a
task measures it anew; each [model card](../models/) tells the rest.

"""

NOTES = """
- **Targets** were set on test sets that are kept apart from this project, so a figure
  here stands beside its target as a stand-in, not as the result there. Faces here are
  harder to find than there: a peer measured on both tells
  ([how hard](held_out/stand_in.md)).
- **Easy, medium and hard** are stand-ins for WIDER FACE's sets, which sort pictures by
  how hard they are: valid faces of at least 31, 19 and 6 pixels in a picture whose
  longer side is 640. Lower and invalid faces are neither hits nor misses.
- **Recall** counts faces of 24 pixels and higher, found with IoU 0.4 at confidence 0.5,
  by the whole pipeline with all its looks, in pictures turned as told.
- **Intervals** are Wilson's for shares; for the rest they come from drawing the samples
  (pictures, for average precision) anew 1,000 times.
- **The error of 68 points** is the mean over the distance of the outer eye corners, of
  faces that our own detector found; a missed face is an error of 100 %.
- **Emotion** is judged against the majority of ten people, on validation faces that
  training has no [twin](held_out/README.md#twins) of; the calibration error is the
  expected one over 15 bins; drawing anew adds to it, so its interval leans upwards.
- **Multiply-adds** are those of convolutions and matrix products in the file's graph:
  the detector's at 320 × 320, the others' for one face as use reads it.
"""


def evaluation_page(rows: Iterable[Row]) -> str:
    """Return the whole page."""
    return INTRO + markdown_table(rows) + NOTES


def markdown_table(rows: Iterable[Row]) -> str:
    """Return the table alone, as the README shows it."""
    return markdown(HEADINGS, RULES, map(cells, rows))


def markdown(
    headings: Sequence[str], rules: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    """Return a Markdown table.

    >>> print(markdown(["a"], ["--:"], [["1"]]), end="")
    | a |
    |--:|
    | 1 |
    """
    lines = [f"| {' | '.join(headings)} |", f"|{'|'.join(rules)}|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


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
