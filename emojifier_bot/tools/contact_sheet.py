"""Draws the faces about which two back ends differ, with both answers under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from emojifier_bot.vision.types import BoundingBox, Face

TILE_PX, GAP_PX, TEXT_PX, COLUMNS = 200, 16, 15, 5
#: Room around a face, shares of its box.
ROOM = 0.35
GROUND, INK, EMPTY = (255, 255, 255), (40, 44, 52), (238, 240, 243)
#: Of the first and the second back end: their boxes and their words.
COLORS = ((30, 100, 200), (200, 80, 20))
LINE_PX = 3
CAPTION_PX = 2 * (TEXT_PX + 6)


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One face about which two back ends differ."""

    tile: Image.Image
    first: Face | None
    second: Face | None


def difference(
    picture: Image.Image, first: Face | None, second: Face | None
) -> Difference:
    """Cut the face out of its picture; at least one of the two found it."""
    return Difference(_tile(picture, (first, second)), first, second)


def draw_sheet(
    names: tuple[str, str], differences: Sequence[Difference]
) -> Image.Image:
    """Draw a tile for each difference.

    Args:
        names: Of the two back ends.
        differences: At least one.

    Returns:
        RGB, as high as it needs to be.
    """
    columns = min(len(differences), COLUMNS)
    rows = -(-len(differences) // COLUMNS)
    wide, high = TILE_PX + GAP_PX, TILE_PX + CAPTION_PX + GAP_PX
    size_wh = (columns * wide + GAP_PX, rows * high + GAP_PX)
    sheet = Image.new("RGB", size_wh, GROUND)
    for index, one in enumerate(differences):
        at = (GAP_PX + index % COLUMNS * wide, GAP_PX + index // COLUMNS * high)
        sheet.paste(one.tile, at)
        _caption(ImageDraw.Draw(sheet), at, names, one)
    return sheet


def _tile(picture: Image.Image, answers: Sequence[Face | None]) -> Image.Image:
    left, top, side = _square([face.box for face in answers if face is not None])
    edges = (left, top, left + side, top + side)
    crop = picture.crop(tuple(map(round, edges))).convert("RGB")  # type: ignore[arg-type] # four of them
    scale = TILE_PX / side
    tile = crop.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(tile)
    for face, color in zip(answers, COLORS, strict=True):
        if face is not None:
            x_min, y_min, x_max, y_max = face.box.xyxy
            inside = (x_min - left, y_min - top, x_max - left, y_max - top)
            box = [edge * scale for edge in inside]
            draw.rectangle(box, outline=color, width=LINE_PX)
    return tile


def _square(boxes: Sequence[BoundingBox]) -> tuple[float, float, float]:
    """Return left, top and side of the square around boxes, with room."""
    x_min, y_min = (min(box.xyxy[edge] for box in boxes) for edge in (0, 1))
    x_max, y_max = (max(box.xyxy[edge] for box in boxes) for edge in (2, 3))
    side = max(x_max - x_min, y_max - y_min, 1.0) * (1 + 2 * ROOM)
    return (x_min + x_max - side) / 2, (y_min + y_max - side) / 2, side


def _caption(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    names: tuple[str, str],
    one: Difference,
) -> None:
    font = ImageFont.load_default(TEXT_PX)
    lines = zip(names, (one.first, one.second), COLORS, strict=True)
    for row, (name, face, color) in enumerate(lines):
        y = at[1] + TILE_PX + 4 + row * (TEXT_PX + 5)
        draw.text((at[0], y), f"{name}: {_answer(face)}", color, font)


def _answer(face: Face | None) -> str:
    if face is None:
        return "no face"
    return f"{face.scores.top} {face.scores.top_probability:.2f}"
