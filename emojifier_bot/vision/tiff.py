"""TIFF directories: what kind of file it is, and what its tags say."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Tags (TIFF 6.0, TIFF/EP, DNG).
KIND, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIPS, ORIENTATION, SAMPLES, ROWS = 266, 273, 274, 277, 278
STRIP_BYTES, X_DENSITY, Y_DENSITY, PLANAR, UNIT = 279, 282, 283, 284, 296
PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES = 317, 322, 323, 324, 325
CHILDREN, EXTRA, SAMPLE_FORMAT, PROFILE = 330, 338, 339, 34675
CFA_PATTERN, DNG_VERSION = 33422, 50706

#: Names, dates, texts, XMP, IPTC, Photoshop, profile, EXIF, GPS: no pixel needs them.
_METADATA = frozenset(
    {269, 270, 271, 272, 285, 305, 306, 315, 316, 333, 700, 33432, 33723, 34377}
    | {PROFILE, 34665, 34853, 37724}
)
_BYTE = 1

#: Byte orders, for `struct` and numpy.
BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_BIG_TIFF = 43
#: For `struct`: whole numbers, by type. Rationals become floats.
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 13: 4, 16: 8, 18: 8}
_RATIONAL = 5
_MOST_DIRECTORIES, _MOST_VALUES = 64, 2**20

#: Bits of the kind of a directory: a reduced copy, a mask.
_NO_PAGE = 1 | 4
#: Photometric interpretations: of colour filters, and of such pictures made linear …
_RAW_PHOTOMETRIC = frozenset({32803, 34892})
#: … and compressions that only cameras write: Sony, Samsung, Nikon, Kodak, Pentax.
_RAW_COMPRESSION = frozenset({32767, 32770, 34713, 65000, 65535})
#: Phase One's files begin so behind the byte order.
_PHASE_ONE, _PHASE_ONE_AT = (b"IIII", b"MMMM"), 8

MIN_IS_WHITE, GREY = 0, 1
SEPARATE = 2
BYTE_BITS = 8
_CENTIMETRES_PER_INCH, _PER_INCH, _PER_CENTIMETRE = 2.54, 2, 3


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """The tags of one picture of a file."""

    order: str
    #: Whole numbers, or the floats of rationals; empty for other types.
    values: dict[int, tuple[float, ...]]
    icc_profile: bytes | None
    #: Places of the entries of metadata whose values lie outside of the file.
    damaged: tuple[int, ...] = ()

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag."""
        return int((self.values.get(tag) or (default,))[0])

    def numbers(self, tag: int) -> list[int]:
        """Return all numbers of a tag."""
        return [int(value) for value in self.values.get(tag, ())]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Return width and height as stored."""
        return self.number(WIDTH), self.number(HEIGHT)

    @property
    def is_page(self) -> bool:
        """Tell whether it is neither a reduced copy nor a mask."""
        return not self.number(KIND) & _NO_PAGE

    @property
    def orientation(self) -> int:
        """Return EXIF's orientation, 1 to 8."""
        return self.number(ORIENTATION, 1)

    @property
    def bits(self) -> int:
        """Return the bits of a channel."""
        return max(self.numbers(BITS), default=1)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Return the dots per inch, across and down."""
        unit = self.number(UNIT, _PER_INCH)
        if unit not in (_PER_INCH, _PER_CENTIMETRE) or X_DENSITY not in self.values:
            return None
        scale = _CENTIMETRES_PER_INCH if unit == _PER_CENTIMETRE else 1.0
        (x, *_), (y, *_) = (
            self.values.get(tag) or (0.0,) for tag in (X_DENSITY, Y_DENSITY)
        )
        return x * scale, y * scale

    @property
    def is_misread(self) -> bool:
        """Tell whether Pillow takes the layout for another one."""
        photometric = self.number(PHOTOMETRIC)
        is_separate = self.number(PLANAR, 1) == SEPARATE
        is_negative = photometric == MIN_IS_WHITE
        if self.bits > BYTE_BITS:
            return is_separate or is_negative
        has_more = photometric == GREY and self.number(SAMPLES, 1) > 1
        return is_separate and (is_negative or has_more)

    @property
    def is_raw(self) -> bool:
        """Tell whether a camera's sensor made the values."""
        return (
            not {CFA_PATTERN, DNG_VERSION}.isdisjoint(self.values)
            or self.number(PHOTOMETRIC) in _RAW_PHOTOMETRIC
            or self.number(COMPRESSION) in _RAW_COMPRESSION
        )


def read_directories(data: bytes) -> list[Directory]:
    """Return the directories of a TIFF or EXIF block, up to where it is damaged."""
    return [directory for directory, _ in _chain(data, None)]


def without_damage(data: bytes, directories: list[Directory]) -> bytes:
    """Return a TIFF whose damaged metadata are single bytes, which stop no reader."""
    repaired = bytearray(data)
    for directory in directories:
        is_big = struct.unpack_from(f"{directory.order}H", data, 2) == (_BIG_TIFF,)
        kind_and_count = f"{directory.order}H{'Q' if is_big else 'I'}"
        for entry in directory.damaged:
            struct.pack_into(kind_and_count, repaired, entry + 2, _BYTE, 1)
    return bytes(repaired)


def is_camera_raw(data: bytes) -> bool:
    """Tell whether a TIFF is a camera's raw file: DNG, NEF, ARW, PEF and others.

    Their first directory often holds a small picture only.
    """
    if data[_PHASE_ONE_AT:].startswith(_PHASE_ONE):
        return True
    for directory, _ in _chain(data, None):
        if directory.is_raw:
            return True
        for child in directory.numbers(CHILDREN)[:_MOST_DIRECTORIES]:
            if any(one.is_raw for one, _ in _chain(data, child)):
                return True
    return False


def _chain(data: bytes, start: int | None) -> Iterator[tuple[Directory, int]]:
    """Yield the directories of a chain, the file's own or one that begins somewhere."""
    order = BYTE_ORDERS.get(data[:2])
    if order is None:
        return
    seen: set[int] = set()
    try:
        is_big = struct.unpack_from(f"{order}H", data, 2) == (_BIG_TIFF,)
        place = struct.Struct(f"{order}{'Q' if is_big else 'I'}")
        if start is None:
            (start,) = place.unpack_from(data, 8 if is_big else 4)
        while start and start not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(start)
            directory, following = _directory(data, start, order, place)
            yield directory, start
            (start,) = place.unpack_from(data, following)
    except struct.error:
        return


def _directory(
    data: bytes, start: int, order: str, place: struct.Struct
) -> tuple[Directory, int]:
    """Return a directory, and where the place of the next one stands."""
    count_of = struct.Struct(f"{order}{'Q' if place.size == 8 else 'H'}")  # noqa: PLR2004 - BigTIFF
    (count,) = count_of.unpack_from(data, start)
    entry_bytes = 4 + 2 * place.size
    start += count_of.size
    values: dict[int, tuple[float, ...]] = {}
    icc_profile, damaged = None, list[int]()
    end = start + count * entry_bytes
    for entry in range(start, min(end, len(data)), entry_bytes):
        try:
            tag, kind = struct.unpack_from(f"{order}2H", data, entry)
            (length,) = place.unpack_from(data, entry + 4)
            at = entry + 4 + place.size
            if length * _SIZES.get(kind, 1) > place.size:
                (at,) = place.unpack_from(data, at)
            is_outside = at + length * _SIZES.get(kind, 1) > len(data)
            if is_outside and tag in _METADATA:
                damaged.append(entry)
                continue
            values.setdefault(tag, _values(data, at, kind, length, order))
        except struct.error:
            continue
        if tag == PROFILE:
            icc_profile = data[at : at + length]
    return Directory(order, values, icc_profile, tuple(damaged)), end


def _values(
    data: bytes, at: int, kind: int, length: int, order: str
) -> tuple[float, ...]:
    length = min(length, _MOST_VALUES)
    if kind == _RATIONAL:
        numbers = struct.unpack_from(f"{order}{2 * length}I", data, at)
        return tuple(
            over / under if under else 0.0
            for over, under in zip(numbers[::2], numbers[1::2], strict=True)
        )
    if kind not in _NUMBERS:
        return ()
    return struct.unpack_from(f"{order}{length}{_NUMBERS[kind]}", data, at)
