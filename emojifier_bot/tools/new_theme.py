"""Writes a theme with other points beside the one that it was made from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.items import InlineTable

from emojifier_bot.errors import ErrorKind, OutputError
from emojifier_bot.tools.emotive_points import DECIMALS
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.themes import TABLE_NAME, read_theme
from emojifier_bot.vision.types import EMOTIONS, EmojiTheme, FloatArray


def refuse_theme_folder(to: Path, source: Path, *, force: bool) -> None:
    """Check that a new theme may be written to a folder.

    Raises:
        OutputError: It is one of those that ship with us, the theme that it is made
            from, or is there already and ``force`` is not given or it is no theme.
    """
    real = to.resolve()
    if real.parent == emojis_dir().resolve() or real == source.resolve():
        raise OutputError(
            f"{to} is a theme that is not to be touched. Choose another folder by -o.",
            kind=ErrorKind.EXISTS,
        )
    if not to.exists():
        return
    if not (to / TABLE_NAME).is_file() and (not to.is_dir() or any(to.iterdir())):
        raise OutputError(
            f"{to} is there already and is no theme. Choose another folder by -o.",
            kind=ErrorKind.EXISTS,
        )
    if not force:
        raise OutputError(
            f"{to} is there already. Use --force to write over it, or -o to write "
            "elsewhere.",
            kind=ErrorKind.EXISTS,
        )


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
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=".theme-") as scratch:
            draft = Path(scratch, to.name)
            draft.mkdir()
            for one in theme.emoji:
                shutil.copyfile(source / f"{one.name}.png", draft / f"{one.name}.png")
            (draft / TABLE_NAME).write_text(table, encoding="utf-8")
            read_theme(draft)
            _replace(draft, to, Path(scratch, "before"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{to} cannot be written: {reason}. Choose another folder by -o.",
            kind=ErrorKind.UNWRITABLE,
        ) from error


def _replace(draft: Path, to: Path, before: Path) -> None:
    if to.exists():
        to.rename(before)
    draft.rename(to)


def _with_points(path: Path, name: str, points: Mapping[str, FloatArray]) -> str:
    """Return the table's text with another name and points, comments kept."""
    table = tomlkit.parse(path.read_text(encoding="utf-8"))
    table["name"] = name
    for entry in table["emoji"]:
        before, now = entry["point"], _shares(points[entry["name"]])
        if before.unwrap() == now.unwrap():
            continue
        if "mixture" not in entry:
            entry["mixture"] = tomlkit.inline_table()
            entry["mixture"].update(before.unwrap())
        entry["point"] = now
    return tomlkit.dumps(table)


def _shares(point: FloatArray) -> InlineTable:
    shares = tomlkit.inline_table()
    for emotion, share in zip(EMOTIONS, point.tolist(), strict=True):
        if (exact := round(share, DECIMALS)) != 0:
            shares.append(str(emotion), exact)
    return shares
