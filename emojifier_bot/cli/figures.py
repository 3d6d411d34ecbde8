"""Figures as JSON, and how wide tables of them are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

#: Columns that the summary fills.
TABLE_WIDTH = 150


def print_json(figures: Mapping[str, Any]) -> None:
    """Print one object to standard output."""
    print(json.dumps(without_nan(figures), allow_nan=False))


def without_nan(figures: Any) -> Any:
    """Return figures with None for what is not defined; JSON has no NaN.

    >>> without_nan({"ap": float("nan"), "rows": [1.0]})
    {'ap': None, 'rows': [1.0]}
    """
    if isinstance(figures, Mapping):
        return {name: without_nan(value) for name, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [without_nan(value) for value in figures]
    is_nan = isinstance(figures, float) and math.isnan(figures)
    return None if is_nan else figures
