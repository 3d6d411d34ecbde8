"""What an ISO media file (AVIF, HEIF) says about its picture, beside the pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from emojifier_bot.vision.av1 import SequenceHeader, sequence_header

_HEADER = struct.Struct(">I4s")
_LONG_HEADER_BYTES = 16
#: Lengths that mean: a longer number follows; all that is left.
_LONG, _TO_THE_END = 1, 0
#: Before the contents of a "full box": version and flags.
_VERSION_BYTES = 4
#: A video's boxes of tables.
_TABLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
#: Before the boxes of a list of sample entries, and of the entry of a video's frames.
_ENTRIES_BYTES, _ENTRY_BYTES = 8, 78
_SEQUENCE_BRAND = b"avis"
_CLEAN_APERTURE = struct.Struct(">IIIIiIiI")
_NCLX = struct.Struct(">4sHH")
#: More than a sequence header has, at the beginning of coded pixels.
_STREAM_START_BYTES = 512
#: How the place of an item is told: in the file, or in a box of the list of items.
_IN_FILE, _IN_LIST = 0, 1
#: A grid has hundreds.
_MOST_ITEMS = 10_000

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

    What is damaged counts as unsaid. Colours and depth that no box states are those of
    the coded pixels of an AVIF.
    """
    try:
        found = _properties(dict(_main_properties(data)))
    except (struct.error, IndexError, ZeroDivisionError):
        found = MediaProperties()
    if found.codes and found.bits:
        return found
    coded = coded_header(data)
    if coded is None:
        return found
    return replace(
        found, codes=found.codes or coded.codes, bits=found.bits or coded.bits
    )


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
    if data[8:12] == _SEQUENCE_BRAND and (entries := find_box(data, *_TABLES, b"stsd")):
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


def coded_header(data: bytes) -> SequenceHeader | None:
    """Read what an AVIF's coded pixels say of themselves."""
    try:
        start = _stream_start(data)
        if start is None:
            return None
        return sequence_header(data[start : start + _STREAM_START_BYTES])
    except (struct.error, IndexError):
        return None


def _stream_start(data: bytes) -> int | None:
    """Return where the coded pixels of the first frame or the main item begin."""
    if data[8:12] == _SEQUENCE_BRAND:
        for name, offset in ((b"stco", ">I"), (b"co64", ">Q")):
            if chunks := find_box(data, *_TABLES, name):
                # Version and flags, and the number of chunks.
                return int(struct.unpack_from(offset, data, chunks[0] + 8)[0])
        return None
    meta = find_box(data, b"meta")
    if meta is None:
        return None
    found = {
        name: (begin, stop)
        for name, begin, stop in boxes(data, meta[0] + _VERSION_BYTES, meta[1])
    }
    if b"pitm" not in found or b"iloc" not in found:
        return None
    begin, _ = found[b"pitm"]
    (item,) = struct.unpack_from(">I" if data[begin] else ">H", data, begin + 4)
    if b"iref" in found:
        item = _first_tile(data, *found[b"iref"], item)
    method, place = _item_place(data, found[b"iloc"][0], item)
    if method == _IN_LIST:
        return found[b"idat"][0] + place if b"idat" in found else None
    return place if method == _IN_FILE else None


def _first_tile(data: bytes, start: int, end: int, item: int) -> int:
    """Return the first of the items that a grid is made of; else the item itself."""
    number = struct.Struct(">I" if data[start] else ">H")
    for name, begin, _ in boxes(data, start + _VERSION_BYTES, end):
        (of,) = number.unpack_from(data, begin)
        if name == b"dimg" and of == item:
            # The number of tiles stands between.
            (tile,) = number.unpack_from(data, begin + number.size + 2)
            return int(tile)
    return item


def _item_place(data: bytes, start: int, item: int) -> tuple[int, int]:
    """Return how the place of an item is told, and the place of its first part."""
    at = start

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(data):
            raise IndexError
        return int.from_bytes(data[at - size : at])

    version, _flags, sizes = number(1), number(3), number(2)
    offset, length, base, index = (sizes >> shift & 0xF for shift in (12, 8, 4, 0))
    id_size = 4 if version > 1 else 2
    for _ in range(min(number(id_size), _MOST_ITEMS)):
        this_item = number(id_size)
        method = number(2) & 0xF if version else _IN_FILE
        # After a number of another file.
        number(2)
        place, parts, index = number(base), number(2), index if version else 0
        if this_item == item and parts:
            number(index)
            return method, place + number(offset)
        at += parts * (index + offset + length)
    raise IndexError
