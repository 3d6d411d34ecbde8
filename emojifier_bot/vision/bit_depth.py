"""Pictures with more than eight bits per grey value, brought to eight.

Pillow's own conversion to ``"L"`` clips such values at 255; here they are scaled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_WHITE_8 = 255
#: Ranges that floats, and but for the first 32-bit integers, are taken to have.
_USUAL_WHITES = (1.0, 255.0, 65535.0)
_TRANSPARENT, _OPAQUE = 0, 255

#: Modes of Pillow whose values do not end at 255.
_WIDE_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})


def is_wide(image: Image.Image) -> bool:
    """Tell whether the picture is grey with more than eight bits per value."""
    return image.mode in _WIDE_MODES


def narrow_grey(
    image: Image.Image, bits: int = 16, transparent: int | None = None
) -> Image.Image:
    """Scale a wide grey picture to eight bits.

    Args:
        image: Any wide mode. Of 16 bits, the whole range is scaled; of 32 bits and of
            floats nobody knows the range, so it is taken from the values.
        bits: Bits that are used of the 16: 12 for some scanners' files.
        transparent: The grey value that stands for "nothing here", before scaling.

    Returns:
        ``"L"``, or ``"LA"`` where a value is transparent.
    """
    values = np.asarray(image)
    grey = Image.fromarray(_to_bytes(values, _white(image, values, bits)))
    if transparent is None:
        return grey
    alpha = np.where(values == transparent, _TRANSPARENT, _OPAQUE).astype(np.uint8)
    return Image.merge("LA", (grey, Image.fromarray(alpha)))


def _white(image: Image.Image, values: NDArray[np.generic], bits: int) -> float:
    """Return the value that becomes white."""
    if image.mode.startswith("I;16"):
        return float((1 << bits) - 1)
    finite = values[np.isfinite(values)]
    highest = float(finite.max()) if finite.size else 0.0
    usual = _USUAL_WHITES if image.mode == "F" else _USUAL_WHITES[1:]
    return next((white for white in usual if highest <= white), highest)


def _to_bytes(values: NDArray[np.generic], white: float) -> NDArray[np.uint8]:
    known = np.nan_to_num(values.astype(np.float64), posinf=white)
    return np.clip(np.rint(known * (_WHITE_8 / white)), 0, _WHITE_8).astype(np.uint8)
