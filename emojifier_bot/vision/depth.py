"""Values of more than eight bits, scaled to eight."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.types import ImageArray

_WHITE_8 = 255
#: Most bits whose whole range is taken to be used.
_MOST_KNOWN_BITS = 16
#: Ranges that floats, and but for the first 32-bit integers, are taken to have.
_USUAL_WHITES = (1.0, 255.0, 65535.0)


def white_of(values: NDArray[Any], bits: int = 0) -> float:
    """Return the value that becomes white.

    Args:
        values: Of any shape and kind.
        bits: How many bits of unsigned values are used. 0, and more than 16: nobody
            knows, so the range is taken from the values.
    """
    if 0 < bits <= _MOST_KNOWN_BITS:
        return float((1 << bits) - 1)
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
