"""Values of more than eight bits, scaled to eight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.vision.types import ImageArray

_WHITE_8 = 255
#: Most bits whose whole range is taken to be used.
_MOST_KNOWN_BITS = 16
#: Ranges that floats, and but for the first 32-bit integers, are taken to have.
_USUAL_WHITES = (1.0, 255.0, 65535.0)
#: Centre and radius of each: what lies there has no share in the range of a picture.
Discs = Sequence[Sequence[float]]
#: The rim of what is painted reaches so far beyond a disc.
RIM_PX = 2.0


def beside(size_wh: tuple[int, int], discs: Discs) -> Image.Image | None:
    """Return a mask of what lies beside the squares around discs; None for no discs."""
    if not discs:
        return None
    mask = np.full(size_wh[::-1], _WHITE_8, np.uint8)
    for x, y, radius in discs:
        reach = radius + RIM_PX
        rows, columns = (
            slice(max(int(at - reach), 0), max(int(at + reach) + 1, 0)) for at in (y, x)
        )
        mask[rows, columns] = 0
    return Image.fromarray(mask)


def is_known(bits: int) -> bool:
    """Tell whether values of so many bits use their whole range; 0 is for no bits."""
    return 0 < bits <= _MOST_KNOWN_BITS


def white_of(
    values: NDArray[Any], bits: int = 0, counted: Image.Image | None = None
) -> float:
    """Return the value that becomes white.

    Args:
        values: Of any shape and kind.
        bits: How many bits of unsigned values are used. Where that is not `is_known`
            the range is taken from the values,
        counted: and of them only from those where this mask is set.
    """
    if is_known(bits):
        return float((1 << bits) - 1)
    if counted is not None:
        values = values[np.asarray(counted, bool)]
    finite = values[np.isfinite(values)]
    highest = float(finite.max()) if finite.size else 0.0
    usual = _USUAL_WHITES if values.dtype.kind == "f" else _USUAL_WHITES[1:]
    return next((white for white in usual if highest <= white), highest)


def narrowed(values: NDArray[Any], white: float) -> ImageArray:
    """Scale values so that white becomes 255, as uint8 of the same shape."""
    kind = values.dtype
    if kind.kind == "u" and kind.itemsize * 8 <= _MOST_KNOWN_BITS:
        levels = np.arange(1 << (kind.itemsize * 8))
        return np.asarray(_scaled(levels, white)[values])
    return _scaled(np.nan_to_num(values.astype(np.float64), posinf=white), white)


def _scaled(values: NDArray[Any], white: float) -> ImageArray:
    scaled = np.clip(np.rint(values * (_WHITE_8 / white)), 0, _WHITE_8)
    return np.asarray(scaled.astype(np.uint8))
