"""The pictures that ``bench`` times: copies of one face on a textured canvas."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from emojifier_bot.vision.pipeline import Pipeline
from emojifier_bot.vision.types import BoundingBox

JPEG_QUALITY = 90
#: A face is pasted with this much around it, in boxes, and fades at the rim.
_CROP_BOXES = 1.7
_FADE_SHARE = 0.06
#: Cells that 30 faces need.
_COLUMNS, _ROWS = 6, 5
#: Texture of the canvas: grain over soft blots. 12 megapixels then take 3.3 MB, in the
#: middle of what phones write.
_BLOT_PX, _BLOT_DEPTH, _GRAIN_DEPTH = 160, 60, 7.0


def cut_face(pipeline: Pipeline, data: bytes) -> Image.Image:
    """Return the largest face of a photo with some room around it."""
    picture = pipeline.decoder.decode(data)
    faces = pipeline.analyzer.analyze(picture)
    if not faces:
        raise ValueError("There is no face in the photo.")
    box = max((one.box for one in faces), key=lambda one: one.width * one.height)
    return picture.image.convert("RGB").crop(_square(box))


def _square(box: BoundingBox) -> tuple[int, int, int, int]:
    x, y = box.center_xy
    half = max(box.width, box.height) * _CROP_BOXES / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)


def compose(face: Image.Image, size_wh: tuple[int, int], count: int) -> bytes:
    """Return a JPEG of a textured canvas with ``count`` faces on a grid.

    All sizes of picture have faces of the same share, whatever their number.
    """
    canvas = textured(size_wh)
    side = min(size_wh[0] // _COLUMNS, size_wh[1] // _ROWS)
    tile = face.resize((side, side), Image.Resampling.BICUBIC)
    mask = _fading_disc(side)
    for cell in _spread_cells(count):
        row, column = divmod(cell, _COLUMNS)
        left = size_wh[0] * column // _COLUMNS
        canvas.paste(tile, (left, size_wh[1] * row // _ROWS), mask)
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def textured(size_wh: tuple[int, int]) -> Image.Image:
    """Return soft blots with grain over them, the same ones every time."""
    draw = np.random.default_rng(0)
    width, height = size_wh
    few = (math.ceil(height / _BLOT_PX) + 1, math.ceil(width / _BLOT_PX) + 1, 3)
    blots = draw.integers(128 - _BLOT_DEPTH, 128 + _BLOT_DEPTH, few, np.uint8)
    soft = Image.fromarray(blots).resize(size_wh, Image.Resampling.BICUBIC)
    grain = draw.normal(0, _GRAIN_DEPTH, (height, width, 1)).astype(np.int16)
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def _fading_disc(side: int) -> Image.Image:
    mask = Image.new("L", (side, side))
    rim = side * _FADE_SHARE
    ImageDraw.Draw(mask).ellipse((rim, rim, side - rim, side - rim), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(rim / 2))


def _spread_cells(count: int) -> list[int]:
    cells = _COLUMNS * _ROWS
    return [cells * index // count for index in range(min(count, cells))]
