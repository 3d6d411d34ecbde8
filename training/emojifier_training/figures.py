"""Figures of an evaluation: one object for programs, tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from emojifier_bot.cli.calibrate import TABLE_WIDTH
from emojifier_bot.cli.console import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from emojifier_training.summary import Row

__all__ = ["print_figures", "print_json", "print_rows", "print_table"]


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print a model's figures to standard error: one table, then one for each part."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    table = Table("figure", "value")
    for name, value in figures.items():
        if not isinstance(value, Mapping | list):
            table.add_row(name, shown(value))
    console.print(table)
    for name, value in figures.items():
        rows = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(rows, Mapping) and rows:
            console.print(_table(name, rows))


def print_table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one table to standard output, a line for each row."""
    from rich.console import Console

    Console(width=TABLE_WIDTH).print(_table(title, rows), soft_wrap=True)


def _table(name: str, rows: Mapping[Any, Any]) -> Table:
    """Return a table with a line for each entry, a column for each key of theirs."""
    from rich.table import Table

    table = Table(title=name, title_justify="left", box=None)
    nested = {k: with_intervals(v) for k, v in rows.items() if isinstance(v, Mapping)}
    keys = list(dict.fromkeys(key for row in nested.values() for key in row))
    table.add_column("")
    for key in keys or ["value"]:
        table.add_column(key, justify="right")
    for entry, row in rows.items():
        if entry in nested:
            line = nested[entry]
            table.add_row(str(entry), *(line.get(key, "") for key in keys))
        else:
            table.add_row(str(entry), shown(row))
    return table


def with_intervals(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row's texts, each interval joined with its figure.

    >>> with_intervals({"ap": 0.5, "ap_low": 0.4, "ap_high": 0.6, "faces": 9})
    {'ap': '0.5 (0.4 – 0.6)', 'faces': '9'}
    """
    texts = {}
    for key, value in row.items():
        text, prefix = shown(value), "" if key == "value" else f"{key}_"
        if f"{prefix}low" in row and text:
            low, high = (shown(row[f"{prefix}{end}"]) for end in ("low", "high"))
            text = f"{text} ({low} – {high})" if low else text
        texts[key] = text
    of_others = {f"{key}_{end}" for key in row for end in ("low", "high")}
    of_others |= {"low", "high"} if "value" in row else set()
    return {key: text for key, text in texts.items() if key not in of_others}


def shown(value: object) -> str:
    """Return a figure as a person reads it.

    >>> shown(0.12345), shown(12), shown(float("nan"))
    ('0.1235', '12', '')
    """
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def print_rows(rows: Iterable[Row]) -> None:
    """Print the summary to standard output."""
    from rich.console import Console
    from rich.table import Table

    from emojifier_training.summary import HEADINGS, cells

    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in HEADINGS:
        right = name in {"held out", "must", "aim"}
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row))
    # Each row on one line; a narrow terminal breaks it where it likes.
    Console(width=TABLE_WIDTH).print(table, soft_wrap=True)
