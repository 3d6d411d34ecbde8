"""Pictures without faces: background in training, false alarms in evaluation.

Drawings (textures, things, what looks a little like a face), the project's own emoji,
and regions of photographs that lie away from every labelled face. Emoji are drawn
faces; their row says how often a drawing counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from emojifier_bot.vision.intervals import mean, share
from emojifier_bot.vision.types import Detection, FloatArray
from emojifier_training import Progress
from emojifier_training.data import LabelledPicture
from emojifier_training.evaluate_detector import REFERENCE_PX, Found, picture_of

Find = Callable[[Image.Image], list[Detection]]
Draw = Callable[[np.random.Generator], Image.Image]

SIZE_WH = (640, 480)
#: Drawings of each kind.
EACH = 6
SEED = 18
#: Regions of photographs: least side, grid on which they are looked for, and room
#: around each labelled face as a share of it. Pixels at a longer side of 640.
REGION_PX, GRID_PX, ROOM = 240, 20, 0.5
#: Confidence from which a result shows a face.
SHOWN = 0.5
#: The row of all photographs without people together.
ALL_KINDS = "all"


def drawings(draw: Draw, count: int = EACH, seed: int = SEED) -> list[Image.Image]:
    """Return drawings of a kind, the same ones every time."""
    return [draw(np.random.default_rng([seed, index])) for index in range(count)]


def _canvas(random: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    ground = tuple(int(value) for value in random.integers(60, 220, 3))
    image = Image.new("RGB", SIZE_WH, ground)
    return image, ImageDraw.Draw(image)


def _color(random: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in random.integers(0, 256, 3))


def _noise(random: np.random.Generator) -> Image.Image:
    """Draw soft blots of several sizes with grain over them, like stone or cloth."""
    width, height = SIZE_WH
    layers = np.zeros((height, width, 3))
    for cell in (160, 40, 10):
        few = random.integers(0, 256, (height // cell + 1, width // cell + 1, 3))
        soft = Image.fromarray(few.astype(np.uint8)).resize(
            SIZE_WH, Image.Resampling.BICUBIC
        )
        layers += np.asarray(soft) / 3
    grain = random.normal(0, 8, (height, width, 1))
    return Image.fromarray((layers + grain).clip(0, 255).astype(np.uint8))


def _stripes(random: np.random.Generator) -> Image.Image:
    """Draw stripes or checks, as fabric has them."""
    x, y = np.meshgrid(np.arange(SIZE_WH[0]), np.arange(SIZE_WH[1]))
    angle, step = random.uniform(0, math.pi), random.uniform(6, 40)
    along = np.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / step)
    across = np.sin((y * math.cos(angle) - x * math.sin(angle)) * 2 * math.pi / step)
    mixed = along * across if random.random() < 0.5 else along  # noqa: PLR2004 - heads or tails
    shade = (mixed[..., None] + 1) / 2
    first, second = np.array(_color(random)), np.array(_color(random))
    return Image.fromarray((first * shade + second * (1 - shade)).astype(np.uint8))


def _bricks(random: np.random.Generator) -> Image.Image:
    """Draw a wall."""
    image, draw = _canvas(random)
    wide, high = int(random.integers(30, 90)), int(random.integers(15, 40))
    base = np.array(_color(random))
    for row, y in enumerate(range(0, SIZE_WH[1], high)):
        for x in range(-(row % 2) * wide // 2, SIZE_WH[0], wide):
            shade = np.clip(base + random.integers(-25, 25), 0, 255)
            fill = tuple(int(value) for value in shade)
            draw.rectangle((x + 2, y + 2, x + wide - 2, y + high - 2), fill=fill)
    return image.filter(ImageFilter.GaussianBlur(0.7))


def _windows(random: np.random.Generator) -> Image.Image:
    """Draw house fronts: rows of dark windows over doors."""
    image, draw = _canvas(random)
    for left in range(10, SIZE_WH[0] - 100, 160):
        draw.rectangle((left, 40, left + 140, 470), fill=_color(random))
        dark = tuple(int(value) for value in random.integers(0, 90, 3))
        for top in range(60, 360, 75):
            draw.rectangle((left + 20, top, left + 50, top + 45), fill=dark)
            draw.rectangle((left + 90, top, left + 120, top + 45), fill=dark)
        draw.rectangle((left + 50, 390, left + 90, 470), fill=dark)
    return image


def _leaves(random: np.random.Generator) -> Image.Image:
    """Draw many overlapping ellipses, like leaves or pebbles."""
    image, _ = _canvas(random)
    green = np.array([60, 120, 50]) if random.random() < 0.5 else np.array([140] * 3)  # noqa: PLR2004 - heads or tails
    for _ in range(500):
        wide, high = (int(value) for value in random.integers(10, 60, 2))
        leaf = Image.new("L", (80, 80))
        ImageDraw.Draw(leaf).ellipse(
            (40 - wide // 2, 40 - high // 2, 40 + wide // 2, 40 + high // 2), fill=255
        )
        leaf = leaf.rotate(float(random.uniform(0, 180)))
        shade = np.clip(green + random.normal(0, 35, 3), 0, 255)
        fill = tuple(int(value) for value in shade)
        at = (int(random.integers(-40, 620)), int(random.integers(-40, 460)))
        image.paste(fill, at, leaf)
    return image.filter(ImageFilter.GaussianBlur(0.7))


def _writing(random: np.random.Generator) -> Image.Image:
    """Draw pages of strokes that look like lines of writing."""
    image = Image.new("RGB", SIZE_WH, (245, 243, 235))
    draw = ImageDraw.Draw(image)
    high = int(random.integers(8, 22))
    for y in range(20, SIZE_WH[1] - high, high * 2):
        x = 20
        while x < SIZE_WH[0] - 40:
            for _ in range(int(random.integers(2, 9))):
                ends = random.integers(0, high, 2)
                draw.line((x, y + ends[0], x + high // 2, y + ends[1]), fill=(30,) * 3)
                draw.line((x, y, x, y + high), fill=(30,) * 3)
                x += high // 2 + 2
            x += high
    return image


def _shapes(random: np.random.Generator) -> Image.Image:
    """Draw flat ellipses, boxes and lines of any colour, like a poster."""
    image, draw = _canvas(random)
    for _ in range(60):
        x, y = random.integers(-50, 640), random.integers(-50, 480)
        wide, high = random.integers(10, 160, 2)
        box = tuple(int(value) for value in (x, y, x + wide, y + high))
        kind = random.integers(3)
        if kind == 0:
            draw.ellipse(box, fill=_color(random))
        elif kind == 1:
            draw.rectangle(box, fill=_color(random))
        else:
            draw.line(box, fill=_color(random), width=int(random.integers(1, 9)))
    return image


def _sockets(random: np.random.Generator) -> Image.Image:
    """Draw things with two dark spots over a dark line: sockets, cars, knots."""
    image, draw = _canvas(random)
    for left in range(20, SIZE_WH[0] - 100, 120):
        for top in range(20, SIZE_WH[1] - 100, 115):
            side = int(random.integers(40, 95))
            spot, dark = side // 8, (25, 22, 20)
            draw.rounded_rectangle(
                (left, top, left + side, top + side), side // 5, fill=_color(random)
            )
            y = top + side // 3
            for x in (left + side // 3, left + side * 2 // 3):
                draw.ellipse((x - spot, y - spot, x + spot, y + spot), fill=dark)
            mouth = (left + side // 3, top + side * 2 // 3)
            draw.line((*mouth, left + side * 2 // 3, mouth[1]), fill=dark, width=spot)
    return image.filter(ImageFilter.GaussianBlur(0.7))


#: What each kind of drawing is called, and who draws it.
KINDS: MappingProxyType[str, Draw] = MappingProxyType(
    {
        "blots and grain": _noise,
        "stripes and checks": _stripes,
        "brick walls": _bricks,
        "house fronts": _windows,
        "leaves and pebbles": _leaves,
        "pages of writing": _writing,
        "flat shapes": _shapes,
        "two spots over a line": _sockets,
    }
)
#: Others of these kinds are background in the detector's training; the rest is not.
TRAINED_KINDS = ("stripes and checks", "brick walls", "flat shapes", "house fronts")


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


def without_people(found: Sequence[Found], confidence: float) -> dict[str, Any]:
    """Return the share of photographs without people in which a face is shown.

    Args:
        found: What was found in them; their event is their kind.
        confidence: From which on a face is shown.
    """
    kinds = {one.picture.event for one in found}
    rows = {}
    for name in (*sorted(kinds), ALL_KINDS):
        of_kind = [one for one in found if name in {one.picture.event, ALL_KINDS}]
        shown = sum(bool((one.confidences >= confidence).any()) for one in of_kind)
        rows[name] = share(shown, len(of_kind)).as_dict()
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
