"""Reads the values of a TOML table by their types, and notes all that is wrong."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any


class TomlTable:
    """A table of a file. Reading notes what is wrong and goes on."""

    def __init__(self, values: dict[str, Any], where: str, problems: list[str]) -> None:
        """Begin to read.

        Args:
            values: The table, as it was parsed.
            where: What it is, for the notes: ``"the theme"``.
            problems: Where the notes go.
        """
        self._left = dict(values)
        self._where = where
        self._problems = problems

    def note(self, problem: str) -> None:
        """Note a problem of this table."""
        self._problems.append(f"- {self._where}: {problem}")

    def text(
        self, key: str, *, default: str | None = None, limit: int | None = None
    ) -> str:
        """Read one line of text.

        Args:
            key: Its name.
            default: What stands for a missing one, which is else a problem.
            limit: The most characters it may have.
        """
        value = self._left.pop(key, default)
        if not isinstance(value, str):
            self.note(f"{key} must be a text.")
            return ""
        if default is None and not value.strip():
            self.note(f"{key} must not be empty.")
        if value != value.strip() or len(value.splitlines()) > 1:
            self.note(f"{key} must be one line without spaces around it.")
        if limit is not None and len(value) > limit:
            self.note(f"{key} must have at most {limit} characters.")
        return value

    def flag(self, key: str) -> bool:
        """Read true or false; a missing one is false."""
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            self.note(f"{key} must be true or false.")
        return value is True

    def number(self, key: str) -> float:
        """Read a number; NaN where there is none."""
        value = self._left.pop(key, None)
        if not _is_number(value):
            self.note(f"{key} must be a number.")
            return math.nan
        return float(value)

    def pair(self, key: str) -> tuple[float, float]:
        """Read two numbers; NaN where there are none."""
        match self._left.pop(key, None):
            case [x, y] if _is_number(x) and _is_number(y):
                return float(x), float(y)
        self.note(f"{key} must be two numbers.")
        return math.nan, math.nan

    def table(self, key: str) -> TomlTable:
        """Read a table within this one; an empty one where there is none."""
        value = self._left.pop(key, None)
        if not isinstance(value, dict):
            self.note(f"{key} must be a table.")
            value = {}
        return self.child(value, key)

    def child(self, values: dict[str, Any], key: str) -> TomlTable:
        """Begin to read a table that belongs to this one."""
        return TomlTable(values, f"{self._where}, {key}", self._problems)

    def tables(self, key: str) -> list[dict[str, Any]]:
        """Read a list of tables; a missing one is empty."""
        value = self._left.pop(key, [])
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return value
        self.note(f"{key} must be a list of tables.")
        return []

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._left))

    def refuse_the_rest(self) -> None:
        """Note every key that nobody has read."""
        for key in self._left:
            self.note(f"there is no such key as {key!r}.")


def _is_number(value: Any) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and abs(value) <= sys.float_info.max
