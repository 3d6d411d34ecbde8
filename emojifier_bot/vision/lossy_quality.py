"""How finely a picture must be compressed so that it stays the same to the eye.

A picture that was compressed once loses again when it is compressed anew. Trials on a
sample of it show how much each setting loses and costs; two numbers decide: 40 dB of
fidelity to the input, and the input's own size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from emojifier_bot.vision.types import FloatArray

Setting = TypeVar("Setting")

#: Peak signal-to-noise ratio that a result must have to its input. The sample may be a
#: little kinder than the whole picture: hence the margin.
REQUIRED_PSNR_DB = 40.0
_SAMPLE_MARGIN_DB = 0.15
#: Size of a result over its input's that is aimed at; 1.3 is what it must not pass.
_AIMED_SIZE_RATIO = 1.15

_WHITE = 255.0
#: The sample: squares on the grid of 16 pixels that all codecs share, spread evenly.
_GRID_PX = 16
_TILE_PX = 5 * _GRID_PX
_TILES_PER_SIDE = 8
_SAMPLE_PX = _TILES_PER_SIDE * _TILE_PX


@dataclass(frozen=True, slots=True)
class _Trial:
    psnr_db: float
    size_bytes: int


def choose_setting(
    image: Image.Image,
    settings: Iterable[Setting],
    compress: Callable[[Image.Image, Setting], bytes],
    budget_bytes: int,
) -> Setting:
    """Return the setting that suits a picture best.

    That is the most faithful one among those that cost no more than the input did, if
    it is faithful enough; else the cheapest that is; else the last.

    Args:
        image: RGB or RGBA.
        settings: From the coarsest to the finest; at least one.
        compress: Compresses a picture with one of them, into a format Pillow opens.
        budget_bytes: Size of the input; 0 asks for the cheapest faithful setting.
    """
    sample = sample_of(image)
    share = (sample.width * sample.height) / (image.width * image.height)
    budget = budget_bytes * share * _AIMED_SIZE_RATIO
    enough_db = REQUIRED_PSNR_DB + _SAMPLE_MARGIN_DB
    best: tuple[float, Setting] | None = None
    for setting in settings:
        last = setting
        trial = _try(sample, compress(sample, setting))
        if trial.size_bytes <= budget:
            if best is None or trial.psnr_db > best[0]:
                best = (trial.psnr_db, setting)
        elif best is not None and best[0] >= enough_db:
            break
        elif trial.psnr_db >= enough_db:
            return setting
    return last if best is None or best[0] < enough_db else best[1]


def sample_of(image: Image.Image) -> Image.Image:
    """Return 64 squares from all over a large picture, a small one itself."""
    if image.width * image.height <= _SAMPLE_PX * _SAMPLE_PX:
        return image
    columns = _tile_starts(image.width)
    rows = _tile_starts(image.height)
    size = (len(columns) * _TILE_PX, len(rows) * _TILE_PX)
    sample = Image.new(image.mode, size)
    for row, top in enumerate(rows):
        for column, left in enumerate(columns):
            tile = image.crop((left, top, left + _TILE_PX, top + _TILE_PX))
            sample.paste(tile, (column * _TILE_PX, row * _TILE_PX))
    return sample


def psnr_db(first: Image.Image, second: Image.Image) -> float:
    """Return the peak signal-to-noise ratio of two pictures of one size and mode.

    What is transparent counts as little as it is seen. Equal pictures: infinity.
    """
    difference = _seen(first) - _seen(second)
    mean_square = float(np.mean(difference * difference))
    if mean_square == 0:
        return math.inf
    return 10 * math.log10(_WHITE * _WHITE / mean_square)


def _try(sample: Image.Image, compressed: bytes) -> _Trial:
    with Image.open(io.BytesIO(compressed)) as decoded:
        return _Trial(psnr_db(sample, decoded.convert(sample.mode)), len(compressed))


def _tile_starts(length_px: int) -> list[int]:
    """Return where the tiles along one side begin, on the grid."""
    last = max(length_px - _TILE_PX, 0)
    count = min(_TILES_PER_SIDE, last // _TILE_PX + 1)
    spread = np.linspace(0, last, count) // _GRID_PX * _GRID_PX
    return [int(start) for start in spread]


def _seen(image: Image.Image) -> FloatArray:
    """Return ``(H, W, C)`` float32 values, colours weighted by their alpha."""
    values = np.asarray(image).astype(np.float32)
    if image.mode == "RGBA":
        values[..., :3] *= values[..., 3:] / np.float32(_WHITE)
    return values
