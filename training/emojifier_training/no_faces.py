"""Pictures without faces, to see what the detector takes for one.

Three kinds: drawn by `drawings` (textures, drawings and things that look a little
like a face), the project's own emoji, and regions of photographs that lie away from
every labelled face. Emoji are drawn faces; their row tells how often a drawing counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.vision.intervals import mean
from emojifier_bot.vision.types import Detection, FloatArray
from emojifier_training.data import LabelledPicture
from emojifier_training.drawings import KINDS, SIZE_WH, drawings
from emojifier_training.evaluate_detector import REFERENCE_PX, picture_of

Progress = Callable[[int, int], None]
Find = Callable[[Image.Image], list[Detection]]

#: Regions of photographs: least side, grid on which they are looked for, and room
#: around each labelled face as a share of it. Pixels at a longer side of 640.
REGION_PX, GRID_PX, ROOM = 240, 20, 0.5
#: Confidence from which a result shows a face.
SHOWN = 0.5


def false_alarms(
    find: Find,
    pictures: Sequence[LabelledPicture],
    emojis: Path,
    progress: Progress,
) -> dict[str, dict[str, float]]:
    """Return how many faces are seen in each kind of picture without any.

    Args:
        find: Finds faces in a picture.
        pictures: Labelled photographs, whose empty regions are cut out.
        emojis: Folder of a theme's art.
        progress: Told how many of how many are done.
    """
    kinds = {name: drawings(draw) for name, draw in KINDS.items()}
    kinds["the project's emoji"] = emoji_sheets(emojis)
    kinds["regions of photographs"] = [
        region for one in pictures if (region := empty_region(one)) is not None
    ]
    total, done, rows = sum(map(len, kinds.values())), 0, {}
    for name, images in kinds.items():
        counts = []
        for image in images:
            counts.append(sum(one.confidence >= SHOWN for one in find(image)))
            done += 1
            progress(done, total)
        alarms = mean(np.array(counts, float))
        rows[name] = {
            "pictures": len(images),
            "per_picture": alarms.value,
            "per_picture_low": alarms.low,
            "per_picture_high": alarms.high,
        }
    return rows


def emoji_sheets(folder: Path) -> list[Image.Image]:
    """Return sheets of twelve emoji each, 120 pixels large, on grey."""
    art = sorted(folder.glob("*.png"))
    sheets = []
    for first in range(0, len(art), 12):
        sheet = Image.new("RGB", SIZE_WH, (200, 205, 210))
        for place, path in enumerate(art[first : first + 12]):
            with Image.open(path) as opened:
                emoji = opened.convert("RGBA").resize((120, 120))
            sheet.paste(emoji, (20 + 155 * (place % 4), 20 + 155 * (place // 4)), emoji)
        sheets.append(sheet)
    return sheets


def empty_region(picture: LabelledPicture) -> Image.Image | None:
    """Return the largest region that no labelled face comes near; None for none."""
    image = picture_of(picture)
    scale = REFERENCE_PX / max(image.size)
    columns, rows = (round(side * scale) // GRID_PX for side in image.size)
    x, y, wide, high = largest_free(_taken(picture.xyxy * scale, columns, rows))
    if min(wide, high) * GRID_PX < REGION_PX:
        return None
    cell = GRID_PX / scale
    box = (x * cell, y * cell, (x + wide) * cell, (y + high) * cell)
    return image.crop(tuple(int(edge) for edge in box))  # type: ignore[arg-type] # four of them


def _taken(xyxy: FloatArray, columns: int, rows: int) -> NDArray[np.bool_]:
    """Return the ``(rows, columns)`` cells that faces, with their room, touch."""
    room = (xyxy[:, 2:] - xyxy[:, :2]) * ROOM
    low = ((xyxy[:, :2] - room) // GRID_PX).astype(int).clip(0)
    high = ((xyxy[:, 2:] + room) // GRID_PX).astype(int) + 1
    taken = np.zeros((rows, columns), bool)
    for (left, top), (right, bottom) in zip(low, high, strict=True):
        taken[top:bottom, left:right] = True
    return taken


def largest_free(taken: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the largest square-ish free part of a grid: x, y, width, height.

    Of all free rectangles it is the one with the longest shorter side, then the
    largest; all zeros where nothing is free.
    """
    rows, columns = taken.shape
    best, key = (0, 0, 0, 0), (0, 0)
    for top in range(rows):
        free = np.ones(columns, bool)
        for bottom in range(top, rows):
            free &= ~taken[bottom]
            x, wide = _longest_run(free)
            high = bottom - top + 1
            if (min(wide, high), wide * high) > key:
                best, key = (x, top, wide, high), (min(wide, high), wide * high)
    return best


def _longest_run(free: NDArray[np.bool_]) -> tuple[int, int]:
    """Return start and length of the longest run of true values.

    >>> _longest_run(np.array([True, False, True, True]))
    (2, 2)
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free, [0]])))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return 0, 0
    longest = int(lengths.argmax())
    return int(starts[longest]), int(lengths[longest])
