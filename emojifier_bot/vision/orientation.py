"""EXIF orientation: read one number, turn the picture upright.

The reader knows nothing but that number, so that a damaged EXIF block can neither stop
a picture nor print a warning.
"""

from __future__ import annotations

from typing import Literal

from PIL import Image

#: How a picture stored with each EXIF orientation is brought upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UPRIGHT = 1
#: Orientations that exchange width and height.
SIDEWAYS = frozenset({5, 6, 7, 8})
#: Orientations whose stored columns run from right to left of the upright picture …
COLUMNS_REVERSED = frozenset({2, 3, 7, 8})
#: … and whose stored rows run from its bottom (sideways: right) to its top (left).
ROWS_REVERSED = frozenset({3, 4, 6, 7})

_EXIF_PREFIX = b"Exif\x00\x00"
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
_ORIENTATION_TAG = 0x0112
#: Layout of a TIFF directory: a count of 2 bytes, then entries of 12.
_COUNT_BYTES = 2
_ENTRY_BYTES = 12
#: Bytes of a value by TIFF type: BYTE, SHORT, LONG.
_VALUE_BYTES = {1: 1, 3: 2, 4: 4}


def exif_orientation(exif: bytes | None) -> int:
    """Return the orientation, 1 to 8, that an EXIF block states.

    Args:
        exif: The block, with or without its ``Exif`` prefix. A missing, damaged or
            senseless one counts as upright.
    """
    block = (exif or b"").removeprefix(_EXIF_PREFIX)
    order = _BYTE_ORDERS.get(block[:2])
    if order is None:
        return UPRIGHT
    directory = int.from_bytes(block[4:8], order)
    entries = directory + _COUNT_BYTES
    count = int.from_bytes(block[directory:entries], order)
    for start in range(entries, entries + count * _ENTRY_BYTES, _ENTRY_BYTES):
        entry = block[start : start + _ENTRY_BYTES]
        if len(entry) < _ENTRY_BYTES:
            break
        if int.from_bytes(entry[:2], order) == _ORIENTATION_TAG:
            return _orientation_value(entry, order)
    return UPRIGHT


def _orientation_value(entry: bytes, order: Literal["little", "big"]) -> int:
    size = _VALUE_BYTES.get(int.from_bytes(entry[2:4], order), 0)
    value = int.from_bytes(entry[8 : 8 + size], order)
    return value if value in _TURNS else UPRIGHT


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture upright: the same object when it is so already."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
