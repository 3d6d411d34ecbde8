"""What an ISO media file (AVIF, HEIF) says about its picture, beside the pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_HEADER = struct.Struct(">I4s")
_LONG_HEADER_BYTES = 16
#: Lengths that mean: a longer number follows; all that is left.
_LONG, _TO_THE_END = 1, 0
#: Before the contents of a "full box": version and flags.
_VERSION_BYTES = 4
#: Before the boxes of a list of sample entries, and of the entry of a video's frames.
_ENTRIES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_ENTRIES_BYTES, _ENTRY_BYTES = 8, 78
_SEQUENCE_BRAND = b"avis"
_CLEAN_APERTURE = struct.Struct(">IIIIiIiI")
_NCLX = struct.Struct(">4sHH")

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class MediaProperties:
    """Properties of a picture that its decoder leaves to others."""

    #: Numbers of colour primaries and of a transfer function; ``None`` where unsaid.
    codes: tuple[int, int] | None = None
    #: Bits per channel; 0 where unsaid.
    bits: int = 0
    #: Width, height and offset of the centre of what is to be shown: "clean aperture".
    aperture: tuple[Fraction, ...] | None = None

    def crop_box(self, size_wh: tuple[int, int]) -> Box | None:
        """Return the edges of what is to be shown of the stored picture.

        ``None`` where that is all of it. An aperture that reaches beyond the picture
        ends at its edge, so that what was cropped away stays away.
        """
        if self.aperture is None:
            return None
        width, height, *offset_xy = self.aperture
        edges: list[tuple[int, int]] = []
        for stored, shown, offset in zip(
            size_wh, (width, height), offset_xy, strict=True
        ):
            low = (stored - shown) / 2 + offset
            low_px = min(max(round(low), 0), stored - 1)
            high_px = min(max(round(low + shown), low_px + 1), stored)
            edges.append((low_px, high_px))
        (left, right), (upper, lower) = edges
        box = (left, upper, right, lower)
        return None if box == (0, 0, *size_wh) else box


def media_properties(data: bytes) -> MediaProperties:
    """Read the properties of the picture that is shown: an item, or a first frame.

    What is damaged counts as unsaid.
    """
    try:
        return _properties(dict(_main_properties(data)))
    except (struct.error, IndexError, ZeroDivisionError):
        return MediaProperties()


def find_box(data: bytes, *path: bytes) -> tuple[int, int] | None:
    """Return begin and end of the contents of a box, by the names on the way to it."""
    start, end = 0, len(data)
    for name in path:
        found = next((one for one in boxes(data, start, end) if one[0] == name), None)
        if found is None:
            return None
        _, start, end = found
    return start, end


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, begin and end of the contents of each box that is whole."""
    while start + _HEADER.size <= end:
        length, name = _HEADER.unpack_from(data, start)
        header = _HEADER.size
        if length == _LONG:
            header = _LONG_HEADER_BYTES
            (length,) = struct.unpack_from(">Q", data, start + _HEADER.size)
        elif length == _TO_THE_END:
            length = end - start
        if length < header or start + length > end:
            return
        yield name, start + header, start + length
        start += length


def _main_properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents, the last one first: of several the first counts."""
    properties: list[tuple[bytes, int, int]] = []
    if data[8:12] == _SEQUENCE_BRAND and (entries := find_box(data, *_ENTRIES)):
        start, end = entries
        for _, begin, stop in boxes(data, start + _ENTRIES_BYTES, end):
            properties = list(boxes(data, begin + _ENTRY_BYTES, stop))
            break
    elif meta := find_box(data, b"meta"):
        properties = _item_properties(data, meta[0] + _VERSION_BYTES, meta[1])
    for name, start, end in reversed(properties):
        yield name, data[start:end]


def _item_properties(data: bytes, start: int, end: int) -> list[tuple[bytes, int, int]]:
    meta = {name: (begin, stop) for name, begin, stop in boxes(data, start, end)}
    if b"pitm" not in meta or b"iprp" not in meta:
        return []
    begin, _ = meta[b"pitm"]
    version = data[begin]
    (primary,) = struct.unpack_from(">I" if version else ">H", data, begin + 4)
    found = list(boxes(data, *meta[b"iprp"]))
    known = [
        one
        for name, begin, stop in found
        if name == b"ipco"
        for one in boxes(data, begin, stop)
    ]
    return [
        known[index - 1]
        for name, begin, _ in found
        if name == b"ipma"
        for index in _associated(data, begin, primary)
        if 1 <= index <= len(known)
    ]


def _associated(data: bytes, start: int, item: int) -> Iterator[int]:
    """Yield the numbers of an item's properties, counted from 1."""
    (version_flags, count) = struct.unpack_from(">II", data, start)
    start += 8
    item_id = struct.Struct(">I" if version_flags >> 24 else ">H")
    # The highest bit says that the property must be understood.
    number, mask = (">H", 0x7FFF) if version_flags & 1 else (">B", 0x7F)
    size = struct.calcsize(number)
    for _ in range(count):
        (this_item,) = item_id.unpack_from(data, start)
        length = data[start + item_id.size]
        start += item_id.size + 1
        if this_item == item:
            for at in range(start, start + length * size, size):
                yield struct.unpack_from(number, data, at)[0] & mask
        start += length * size


def _properties(properties: dict[bytes, bytes]) -> MediaProperties:
    codes, bits, aperture = None, 0, None
    if properties.get(b"colr", b"").startswith(b"nclx"):
        _, primaries, transfer = _NCLX.unpack_from(properties[b"colr"])
        codes = (primaries, transfer)
    if b"pixi" in properties:
        bits = max(properties[b"pixi"][5:], default=0)
    if b"clap" in properties:
        numbers = _CLEAN_APERTURE.unpack_from(properties[b"clap"])
        aperture = tuple(
            Fraction(over, under)
            for over, under in zip(numbers[::2], numbers[1::2], strict=True)
        )
    return MediaProperties(codes, bits, aperture)
