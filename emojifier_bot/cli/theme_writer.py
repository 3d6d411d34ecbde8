"""Writes folders of themes: from drawings, or a copy of one with other points."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit

from emojifier_bot.errors import ErrorKind, OutputError, reason_of
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.calibration import DECIMALS
from emojifier_bot.vision.theme_maker import Drawing, point_table
from emojifier_bot.vision.themes import TABLE_NAME, open_theme
from emojifier_bot.vision.types import EmojiTheme, FloatArray


def refuse_theme_folder(to: Path, source: Path, *, force: bool) -> None:
    """Check that a new theme may be written to a folder.

    Raises:
        OutputError: It is one of those that ship with us, the theme that it is made
            from, or is there already and ``force`` is not given or it is no theme.
    """
    real = to.resolve()
    is_theme = (to / TABLE_NAME).is_file() or (to.is_dir() and not any(to.iterdir()))
    if real.parent == emojis_dir().resolve() or real == source.resolve():
        fault = "is a theme that is not to be touched. Choose another folder by -o."
    elif to.exists() and not is_theme:
        fault = "is there already and is no theme. Choose another folder by -o."
    elif to.exists() and not force:
        fault = (
            "is there already. Use --force to write over it, or -o to write elsewhere."
        )
    else:
        return
    raise OutputError(f"{to} {fault}", kind=ErrorKind.EXISTS)


@contextmanager
def theme_draft(to: Path) -> Iterator[Path]:
    """Give a folder for a theme; it takes its place at the end if it is sound.

    Raises:
        OutputError: The place refuses it.
        ThemeError: Table or art are wrong; nothing is written then.
    """
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=".theme-") as scratch:
            draft = Path(scratch, to.name)
            draft.mkdir()
            yield draft
            open_theme(draft)
            if to.exists():
                to.rename(Path(scratch, "before"))
            draft.rename(to)
    except OSError as error:
        raise OutputError(
            f"{to} cannot be written: {reason_of(error)}. Choose another folder by -o.",
            kind=ErrorKind.UNWRITABLE,
        ) from error


def write_drawings(folder: Path, name: str, drawings: Sequence[Drawing]) -> None:
    """Write drawings as a theme: its table, and the art of each."""
    table = tomlkit.document()
    table.update({"name": name, "title": name.replace("_", " ").title()})
    entries = tomlkit.aot()
    for one in drawings:
        one.art.save(folder / f"{one.entry['name']}.png", optimize=True)
        entry = tomlkit.table()
        for key, value in one.entry.items():
            entry.append(key, _inline(value))
        entries.append(entry)
    table.append("emoji", entries)
    (folder / TABLE_NAME).write_text(tomlkit.dumps(table), encoding="utf-8")


def write_theme(source: Path, to: Path, theme: EmojiTheme) -> None:
    """Write a copy of a theme, with its art and comments, with other points.

    An emoji whose point moves keeps what it was declared to show as its mixture.

    Args:
        source: The theme's folder.
        to: The new folder; its name becomes the theme's.
        theme: The theme with its new points.

    Raises:
        OutputError: The place refuses it.
        ThemeError: The new theme could not be opened; nothing is written then.
    """
    points = {one.name: one.point for one in theme.emoji}
    table = _with_points(source / TABLE_NAME, to.name, points)
    with theme_draft(to) as draft:
        for one in theme.emoji:
            shutil.copyfile(source / f"{one.name}.png", draft / f"{one.name}.png")
        (draft / TABLE_NAME).write_text(table, encoding="utf-8")


def _inline(value: Any) -> Any:
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        array.extend(map(_inline, value))
        return array
    return value


def _with_points(path: Path, name: str, points: Mapping[str, FloatArray]) -> str:
    """Return the table's text with another name and points, comments kept."""
    table = tomlkit.parse(path.read_text(encoding="utf-8"))
    table["name"] = name
    for entry in table["emoji"]:
        before, now = entry["point"], tomlkit.inline_table()
        now.update(point_table(points[entry["name"]], DECIMALS))
        if before.unwrap() == now.unwrap():
            continue
        if "mixture" not in entry:
            entry["mixture"] = tomlkit.inline_table()
            entry["mixture"].update(before.unwrap())
        entry["point"] = now
    return tomlkit.dumps(table)
