"""TIFF files, made tag by tag, in layouts that Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

#: Numbers of TIFF's photometric interpretations.
MIN_IS_WHITE, GREY, RGB, CMYK, COLOR_FILTERS, LINEAR_RAW = 0, 1, 2, 5, 32803, 34892
_DEFLATE, _NONE = 8, 1
_TYPES = {"H": (3, 2), "I": (4, 4), "B": (1, 1), "R": (5, 8)}

Tags = Mapping[int, tuple[str, Sequence[int]]]


def tiff_file(
    values: np.ndarray,
    photometric: int,
    *,
    order: str = "<",
    planar: bool = False,
    deflate: bool = False,
    predictor: int = 1,
    rows_per_strip: int = 7,
    tile: int = 0,
    extra: tuple[int, ...] = (),
    tags: Tags | None = None,
) -> bytes:
    """Make a TIFF of one page.

    Args:
        values: ``(H, W, channels)`` of any kind of number.
        photometric: How they are meant.
        order: ``"<"`` or ``">"``.
        planar: Whether each channel lies by itself.
        deflate: Whether it is compressed.
        predictor: 2 for differences, 3 for differences of floats; only compressed
            files have them, whatever the tag says.
        rows_per_strip: Of each strip.
        tile: Side of the tiles; 0 for strips.
        extra: Kinds of the last channels.
        tags: More of them: types and numbers.
    """
    height, width, channels = values.shape
    planes = np.moveaxis(values, 2, 0)[..., None] if planar else values[None]
    parts = [
        _packed(part, order, predictor * deflate, deflate=deflate)
        for plane in planes
        for part in _parts(plane, rows_per_strip, tile)
    ]
    bits = values.dtype.itemsize * 8
    all_tags: dict[int, tuple[str, Sequence[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [_DEFLATE if deflate else _NONE]),
        262: ("H", [photometric]),
        277: ("H", [channels]),
        284: ("H", [2 if planar else 1]),
        317: ("H", [predictor]),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[values.dtype.kind]] * channels),
    }
    if extra:
        all_tags[338] = ("H", extra)
    starts = [8 + sum(map(len, parts[:index])) for index in range(len(parts))]
    lengths = [len(part) for part in parts]
    if tile:
        all_tags |= {322: ("H", [tile]), 323: ("H", [tile])}
        all_tags |= {324: ("I", starts), 325: ("I", lengths)}
    else:
        all_tags[278] = ("H", [rows_per_strip])
        all_tags |= {273: ("I", starts), 279: ("I", lengths)}
    return _file(b"".join(parts), order, {**all_tags, **(tags or {})})


def _parts(plane: np.ndarray, rows: int, tile: int) -> list[np.ndarray]:
    height, width, _ = plane.shape
    if not tile:
        return [plane[top : top + rows] for top in range(0, height, rows)]
    padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)))
    return [
        padded[top : top + tile, left : left + tile]
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def _packed(part: np.ndarray, order: str, predictor: int, *, deflate: bool) -> bytes:
    if predictor == 2:
        part = np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1]))
    if predictor == 3:
        rows, columns, channels = part.shape
        size = part.dtype.itemsize
        in_bytes = part.astype(part.dtype.newbyteorder(">")).view(np.uint8)
        shuffled = in_bytes.reshape(rows, columns * channels, size).swapaxes(1, 2)
        row = shuffled.reshape(rows, -1, channels)
        packed = np.diff(row, axis=1, prepend=np.zeros_like(row[:, :1])).tobytes()
    else:
        packed = part.astype(part.dtype.newbyteorder(order)).tobytes()
    return zlib.compress(packed) if deflate else packed


def _file(pixels: bytes, order: str, tags: Tags) -> bytes:
    pixels += bytes(len(pixels) % 2)
    start = 8 + len(pixels)
    after, entries, values = start + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        number, size = _TYPES[kind]
        letter = "I" if kind == "R" else kind
        content = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        count = len(content) // size
        if len(content) > 4:
            place = struct.pack(f"{order}I", after + len(values))
            values += content + bytes(len(content) % 2)
            content = place
        entries += struct.pack(f"{order}HHI", tag, number, count)
        entries += content.ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(f"{order}HI", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return header + pixels + directory + values
