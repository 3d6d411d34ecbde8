"""Themes: folders with a table, ``theme.toml``, and one PNG for each emoji.

Opening a theme reads its table only; a picture is opened when it is first drawn.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emojifier_bot.errors import ConfigError, ThemeError
from emojifier_bot.vision import emojis_dir
from emojifier_bot.vision.theme_table import ART_SIZE_PX, TABLE_NAME, read_theme
from emojifier_bot.vision.types import Anchor, Emoji, EmojiTheme, ImageArray

#: The art by halvings; a smaller emoji is drawn from the smallest.
SPRITE_SIZES_PX = (32, 64, 128, 256, 512)
#: At most 1 MiB each; a picture rarely needs more than a dozen.
CACHED_SPRITES = 48
#: What of an emoji's disc must hide the face under it.
MIN_OPAQUE_SHARE = 0.99
OPAQUE = 255

_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class ThemeFolder:
    """An `EmojiSource` that reads a folder. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Read the table.

        Raises:
            ThemeError: The table is missing or wrong; every problem is listed.
        """
        self.folder = folder
        self._theme = read_theme(folder)
        self._sprite = lru_cache(CACHED_SPRITES)(self._read_sprite)

    @property
    def theme(self) -> EmojiTheme:
        """Return the table."""
        return self._theme

    def sprite(self, emoji: Emoji, art_width_px: int) -> ImageArray:
        """Return the smallest stored size of the art that is wide enough.

        Args:
            emoji: One of this theme.
            art_width_px: How wide the whole art will be shown.

        Returns:
            ``(s, s, 4)`` uint8 RGBA, straight alpha, read-only; the full art where it
            will be shown larger than it is.

        Raises:
            ThemeError: The art is missing or wrong.
        """
        fitting = (size for size in SPRITE_SIZES_PX if size >= art_width_px)
        return self._sprite(emoji.name, next(fitting, ART_SIZE_PX))

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

    def _read_sprite(self, name: str, size_px: int) -> ImageArray:
        art = self._art(name)
        # Pillow reduces RGBA by exact means of premultiplied colours.
        reduced = art.reduce(ART_SIZE_PX // size_px) if size_px < ART_SIZE_PX else art
        sprite = np.array(reduced)
        sprite.setflags(write=False)
        return sprite

    def _art(self, name: str) -> Image.Image:
        path = self.folder / f"{name}.png"
        try:
            with Image.open(path, formats=["PNG"]) as image:
                image.load()
        except _UNREADABLE as error:
            raise ThemeError(
                f"{path} cannot be read: {error}. Draw it anew."
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
        share = float((alpha[_disc(emoji.anchor)] == OPAQUE).mean())
        if share >= MIN_OPAQUE_SHARE:
            return None
        return (
            f"{self.folder / emoji.name}.png: only {share:.1%} of the disc that the "
            f"anchor names is opaque; at least {MIN_OPAQUE_SHARE:.0%} must be. "
            "Move the anchor, or fill the disc."
        )


def list_themes(folder: Path) -> list[str]:
    """Return the names of the themes in a folder, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{TABLE_NAME}"))


def open_theme(name_or_path: str | Path) -> ThemeFolder:
    """Open a theme that ships with us by its name, or any by its folder's path.

    Args:
        name_or_path: A text with a slash in it, like ``./mine``, is a path.

    Raises:
        ConfigError: No theme has this name; the message lists those there are.
        ThemeError: The table is missing or wrong.
    """
    if isinstance(name_or_path, Path) or {"/", os.sep} & set(name_or_path):
        return ThemeFolder(Path(name_or_path).expanduser())
    known = list_themes(emojis_dir())
    if name_or_path not in known:
        problem = (
            f"There is no theme {name_or_path!r}; there is {', '.join(known)}. "
            f"A folder of your own is named by its path, like ./{name_or_path}."
        )
        raise ConfigError([problem])
    return ThemeFolder(emojis_dir() / name_or_path)


def _disc(anchor: Anchor) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return the ``(512, 512)`` mask of pixels whose centres lie in the disc."""
    centers = np.arange(ART_SIZE_PX) + 0.5
    x, y = anchor.center_xy
    away = np.hypot(centers[None] - x, centers[:, None] - y)
    return np.asarray(away <= anchor.diameter_px / 2)
