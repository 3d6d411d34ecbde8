"""Themes: folders with a table, ``theme.toml``, and one PNG for each emoji.

Opening a theme reads its table, and lists all that is wrong with it; the art of one
that does not ship with us is looked at too. A picture is kept when it is first drawn.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emojifier_bot.errors import ConfigError, ThemeError, reason_of
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.color import is_srgb, premultiplied, sprite_into_profile
from emojifier_bot.vision.types import (
    EMOTIONS,
    Anchor,
    Emoji,
    EmojiTheme,
    GeometryBound,
    ImageArray,
    Measure,
)

TABLE_NAME = "theme.toml"
#: Width and height of every emoji's art.
ART_SIZE_PX = 512
#: Two emoji closer than this in the space of emotions (whose corners are the square
#: root of 2 apart) could not be told apart by any reading of a face.
MIN_POINT_DISTANCE = 0.10
#: How far from 1 the shares of a point may sum up.
POINT_SUM_TOLERANCE = 1e-6
#: Fewer mild emoji cannot stand for eight emotions that one is not sure about.
MIN_MILD = 6
MAX_BOUNDS = 2
#: Longest text of one emoji, so that eight of them fit in an alt text.
MAX_SPOKEN_CHARACTERS = 60
_NAME = re.compile(r"[a-z0-9_+'-]+")
#: The art by halvings; a smaller emoji is drawn from the smallest.
SPRITE_SIZES_PX = (32, 64, 128, 256, 512)
#: At most 1 MiB each; a picture rarely needs more than a dozen.
CACHED_SPRITES = 48
#: A smaller disc would be enlarged to a blur, and the art around it to many faces.
MIN_DISC_PX = 128
#: What of an emoji's disc must hide the face under it.
MIN_OPAQUE_SHARE = 0.99
OPAQUE = 255

UNREADABLE_ART = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class ThemeFolder:
    """An `EmojiSource` that reads a folder. Threads may share it.

    Raises:
        ThemeError: The table is missing or wrong; every problem is listed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.theme = read_theme(folder)
        self._sprite = lru_cache(CACHED_SPRITES)(self._read_sprite)

    def sprite(
        self, emoji: Emoji, art_width_px: int, icc_profile: bytes | None = None
    ) -> ImageArray:
        """Return the smallest stored size of the art that is wide enough.

        Args:
            emoji: One of this theme.
            art_width_px: How wide the whole art will be shown.
            icc_profile: Of the picture that it is shown on; ``None`` for sRGB.

        Returns:
            ``(s, s, 4)`` uint8 RGBA, premultiplied alpha, read-only; the full art where
            it will be shown larger than it is.

        Raises:
            ThemeError: The art is missing or wrong.
        """
        fitting = (size for size in SPRITE_SIZES_PX if size >= art_width_px)
        size_px = next(fitting, ART_SIZE_PX)
        if icc_profile is not None and is_srgb(icc_profile):
            icc_profile = None
        return self._sprite(emoji.name, size_px, icc_profile)

    def verify(self) -> list[str]:
        """Open every picture and return what is wrong, one sentence each."""
        wanted = {f"{emoji.name}.png" for emoji in self.theme.emoji}
        found = {path.name for path in self.folder.glob("*.png")}
        strays = [
            f"{self.folder / name} belongs to no emoji of {TABLE_NAME}."
            for name in sorted(found - wanted)
        ]
        faults = (self._art_problem(emoji) for emoji in self.theme.emoji)
        return [fault for fault in faults if fault is not None] + strays

    def _read_sprite(
        self, name: str, size_px: int, icc_profile: bytes | None
    ) -> ImageArray:
        art = self._art(name)
        # Pillow reduces RGBA by exact means of premultiplied colours.
        reduced = art.reduce(ART_SIZE_PX // size_px) if size_px < ART_SIZE_PX else art
        sprite = sprite_into_profile(np.asarray(reduced), icc_profile)
        sprite = premultiplied(sprite)
        sprite.setflags(write=False)
        return sprite

    def _art(self, name: str) -> Image.Image:
        path = self.folder / f"{name}.png"
        try:
            with Image.open(path, formats=["PNG"]) as image:
                image.load()
        except UNREADABLE_ART as error:
            raise ThemeError(
                f"{path} cannot be read: {reason_of(error)}. Draw it anew."
            ) from error
        if image.mode != "RGBA" or image.size != (ART_SIZE_PX, ART_SIZE_PX):
            raise ThemeError(
                f"{path} is {image.width}×{image.height} {image.mode}; emoji are "
                f"{ART_SIZE_PX}×{ART_SIZE_PX} RGBA. Draw it anew."
            )
        return image

    def _art_problem(self, emoji: Emoji) -> str | None:
        try:
            alpha = np.asarray(self._art(emoji.name))[..., 3]
        except ThemeError as error:
            return error.message
        share = opaque_share(alpha, emoji.anchor)
        if share >= MIN_OPAQUE_SHARE:
            return None
        return (
            f"{self.folder / emoji.name}.png: only {share:.1%} of the disc that the "
            f"anchor names is opaque; at least {MIN_OPAQUE_SHARE:.0%} must be. "
            "Move the anchor, or fill the disc."
        )


def opaque_share(alpha: ImageArray, anchor: Anchor) -> float:
    """Return which share of an anchor's disc hides what is under it.

    Args:
        alpha: ``(s, s)`` uint8, the art's.
        anchor: Lies within the art.
    """
    centers = np.arange(len(alpha), dtype=np.float32) + 0.5
    x, y = anchor.center_xy
    away = (centers[None] - x) ** 2 + (centers[:, None] - y) ** 2
    disc = away <= (anchor.diameter_px / 2) ** 2
    return float((alpha[disc] == OPAQUE).mean())


def list_themes(folder: Path) -> list[str]:
    """Return the names of the themes in a folder, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{TABLE_NAME}"))


def open_theme(name_or_path: str | Path) -> ThemeFolder:
    """Open a theme that ships with us by its name, or any by its folder's path.

    Args:
        name_or_path: A text with a slash in it, like ``./mine``, is a path.

    Raises:
        ConfigError: No theme has this name; the message lists those there are.
        ThemeError: The table is missing or wrong, or the art of a theme that does not
            ship with us.
    """
    if isinstance(name_or_path, Path) or {"/", os.sep} & set(name_or_path):
        theme = ThemeFolder(Path(name_or_path).expanduser())
        if faults := theme.verify():
            raise ThemeError("\n".join(faults))
        return theme
    known = list_themes(emojis_dir())
    if name_or_path not in known:
        problem = (
            f"There is no theme {name_or_path!r}; there is {', '.join(known)}. "
            f"A folder of your own is named by its path, like ./{name_or_path}."
        )
        raise ConfigError([problem])
    return ThemeFolder(emojis_dir() / name_or_path)


def read_theme(folder: Path) -> EmojiTheme:
    """Read a theme's table.

    Raises:
        ThemeError: It is missing or wrong; every problem is listed.
    """
    path = folder / TABLE_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if not folder.is_dir():
            raise ThemeError(
                f"There is no folder {folder} to read a theme from."
            ) from error
        raise ThemeError(
            f"{path} cannot be read: {reason_of(error)}. A theme is a folder with a "
            f"{TABLE_NAME}."
        ) from error
    problems: list[str] = []
    table = _Table(values, "the theme", problems)
    name, title = table.text("name"), table.text("title")
    for key in ("description", "license", "author"):
        table.text(key, default="")
    entries = table.tables("emoji")
    table.refuse_the_rest()
    emoji = []
    for position, entry in enumerate(entries, start=1):
        known = isinstance(entry.get("name"), str)
        label = repr(entry["name"]) if known else f"no. {position}"
        noted = len(problems)
        fields = _emoji_fields(_Table(entry, f"emoji {label}", problems), folder)
        if len(problems) == noted:
            emoji.append(Emoji(**fields))
    problems += _faults_between(emoji)
    if len(emoji) == len(entries):  # else some may be missing for their own faults
        if all(one.surprise_only for one in emoji):
            problems.append(
                "- no emoji may be chosen for a face: all are surprise_only."
            )
        mild = sum(one.mild for one in emoji)
        if mild < MIN_MILD:
            problems.append(f"- {mild} emoji are mild; {MIN_MILD} or more must be.")
    if problems:
        raise ThemeError("\n".join([f"{path} is wrong:", *problems]))
    return EmojiTheme(name, title, ART_SIZE_PX, tuple(emoji))


def _emoji_fields(table: _Table, folder: Path) -> dict[str, Any]:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        table.note("name must be a Slack short name: small letters, digits, _ + ' -")
    elif not (folder / f"{name}.png").is_file():
        table.note(f"its art {name}.png is missing.")
    fields = {
        "name": name,
        "character": table.text("character"),
        "spoken": table.text("spoken", limit=MAX_SPOKEN_CHARACTERS),
        "point": _point(table.table("point")),
        "anchor": _anchor(table.table("anchor")),
        "mild": table.flag("mild"),
        "surprise_only": table.flag("surprise_only"),
        "bounds": _bounds(table),
        "mixture": _point(table.table("mixture")) if "mixture" in table else None,
    }
    if fields["mild"] and fields["surprise_only"]:
        table.note("mild and surprise_only exclude each other.")
    table.refuse_the_rest()
    return fields


def _point(table: _Table) -> list[float]:
    shares = {key: table.number(key) for key in table if key in EMOTIONS}
    table.refuse_the_rest()
    if any(share < 0 for share in shares.values()):
        table.note("no share may be negative.")
    total = sum(shares.values())
    if abs(total - 1) > POINT_SUM_TOLERANCE:
        table.note(f"the shares must sum to 1, not to {total:.6g}.")
    return [shares.get(emotion, 0.0) for emotion in EMOTIONS]


def _anchor(table: _Table) -> Anchor:
    center_xy = table.pair("center_xy")
    diameter = table.number("diameter_px")
    table.refuse_the_rest()
    radius = diameter / 2
    outside = any(not radius <= at <= ART_SIZE_PX - radius for at in center_xy)
    if diameter < MIN_DISC_PX:
        table.note(f"diameter_px must be {MIN_DISC_PX} or more.")
    elif outside and math.isfinite(sum(center_xy) + diameter):
        table.note(f"the disc must lie inside the {ART_SIZE_PX} px art.")
    return Anchor(center_xy, diameter)


def _bounds(parent: _Table) -> tuple[GeometryBound, ...]:
    entries = parent.tables("bounds")
    if len(entries) > MAX_BOUNDS:
        parent.note(f"there may be at most {MAX_BOUNDS} bounds, not {len(entries)}.")
    bounds = []
    for values in entries:
        table = parent.child(values, "bounds")
        measure = table.text("measure")
        given = {"minimum", "maximum"} & values.keys()
        limits = {key: table.number(key) for key in sorted(given)}
        table.refuse_the_rest()
        if measure not in list(Measure):
            table.note(f"measure must be one of {', '.join(Measure)}.")
            continue
        bound = GeometryBound(Measure(measure), **limits)
        if not limits or bound.minimum >= bound.maximum:
            table.note("there must be a minimum below a maximum, or one of the two.")
        bounds.append(bound)
    if len({bound.measure for bound in bounds}) < len(bounds):
        parent.note("two bounds on one measure: join them.")
    return tuple(bounds)


def _faults_between(emoji: Sequence[Emoji]) -> Iterator[str]:
    for key in ("name", "character", "spoken"):
        counts = Counter(getattr(one, key) for one in emoji)
        for value, count in counts.items():
            if count > 1:
                yield f"- {count} emoji have the {key} {value!r}."
    for first, other in itertools.combinations(emoji, 2):
        distance = float(np.linalg.norm(first.point - other.point))
        if distance < MIN_POINT_DISTANCE - POINT_SUM_TOLERANCE:
            yield (
                f"- the points of {first.name!r} and {other.name!r} are "
                f"{distance:.3f} apart; it must be {MIN_POINT_DISTANCE:.2f} or more."
            )


class _Table:
    """A table of the file. Reading takes values out, notes faults and goes on."""

    def __init__(self, values: dict[str, Any], where: str, problems: list[str]) -> None:
        self._left, self._where, self._problems = dict(values), where, problems

    def note(self, problem: str) -> None:
        self._problems.append(f"- {self._where}: {problem}")

    def text(
        self, key: str, *, default: str | None = None, limit: int | None = None
    ) -> str:
        """Read one line of text; a missing one is a fault unless it has a default."""
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

    def table(self, key: str) -> _Table:
        """Read a table within this one; an empty one where there is none."""
        value = self._left.pop(key, None)
        if not isinstance(value, dict):
            self.note(f"{key} must be a table.")
            value = {}
        return self.child(value, key)

    def child(self, values: dict[str, Any], key: str) -> _Table:
        return _Table(values, f"{self._where}, {key}", self._problems)

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
        for key in self._left:
            self.note(f"there is no such key as {key!r}.")


def _is_number(value: Any) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and abs(value) <= sys.float_info.max
