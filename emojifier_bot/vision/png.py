"""PNG: what the pixels need is kept, before Pillow reads the file.

Pillow refuses a whole picture for a text that is too long or a checksum that is wrong,
wherever it stands. Browsers leave out such chunks, unless pixels depend on them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.cicp import Cicp
from emojifier_bot.vision.color import plain_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: A chunk: length of its contents, name, contents, checksum of name and contents.
_CHUNK = struct.Struct(">I4s")
CHUNK_START_BYTES, SUM_BYTES = _CHUNK.size, 4
#: Of an animation: number, width, height, left, top, delay as a fraction, what the
#: frame leaves, how it lies on the last one.
FRAME_CONTROL = struct.Struct(">5I2H2B")
#: Bit of the first letter of a name; without it, no picture can do without the chunk.
_ANCILLARY = 0x20
_COLOR_KIND_AT = 25
_MAX_PALETTE = 256
#: A delay over 0 is one in hundredths of a second.
_USUAL_UNDER = 100

#: Chunks that are kept where they are sound, and the lengths that they can have. The
#: profile and the colour codes are read here.
_LENGTHS: dict[bytes, Container[int]] = {
    b"cICP": {4},
    b"gAMA": {4},
    b"cHRM": {32},
    b"sRGB": {1},
    b"pHYs": {9},
    b"eXIf": range(1 << 31),
    b"acTL": {8},
    b"fcTL": {26},
    b"fdAT": range(4, 1 << 31),
}
#: Lengths of the transparent colours, by the kind of picture: grey, RGB, palette.
_TRANSPARENT_LENGTHS: dict[int, Container[int]] = {
    0: {2},
    2: {6},
    3: range(1, _MAX_PALETTE + 1),
}
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
#: Longest profile that is read. Real ones with tables have up to two megabytes.
_MAX_PROFILE_BYTES = 4_000_000
#: Longest profile in a PNG that Pillow reads.
_USUAL_PROFILE_BYTES = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Png:
    """A PNG file without what its pixels do not need."""

    still: bytes
    #: The same with the chunks of an animation; ``None`` where it is none.
    animated: bytes | None
    icc_profile: bytes | None
    cicp: Cicp | None


def read_png(data: bytes) -> Png:
    """Leave out the chunks of a PNG that are damaged or that no pixel needs.

    Chunks without which there is no picture stay as they are, damaged or not.
    """
    kept: list[tuple[bytes, memoryview]] = []
    icc_profile: bytes | None = None
    cicp: Cicp | None = None
    seen: set[bytes] = set()
    animation: set[bytes] = set()
    is_whole_animation = True
    for name, whole in chunks(data):
        if not name[0] & _ANCILLARY:
            kept.append((name, whole))
            continue
        content = whole[_CHUNK.size : -SUM_BYTES]
        checksum = zlib.crc32(whole[SUM_BYTES:-SUM_BYTES]).to_bytes(SUM_BYTES, "big")
        has_known_length = len(content) in _lengths(name, data)
        is_sound = has_known_length and checksum == whole[-SUM_BYTES:]
        if name in _ANIMATION:
            # An animation ends where it is damaged.
            is_whole_animation &= is_sound
            if is_whole_animation:
                kept.append((name, whole))
                animation.add(name)
        elif name in seen:
            continue
        elif name == b"iCCP":
            # Compressed bytes have a checksum of their own.
            icc_profile = _profile(bytes(content))
        elif name == b"cICP" and is_sound:
            primaries, transfer, _, is_full_range = content
            cicp = Cicp(primaries, transfer) if is_full_range else None
        elif is_sound:
            kept.append((name, whole))
        seen.add(name)
    still = (whole for name, whole in kept if name not in _ANIMATION)
    return Png(
        still=b"".join([SIGNATURE, *still]),
        animated=b"".join([SIGNATURE, *(whole for _, whole in kept)])
        if animation >= {b"acTL", b"fcTL"}
        else None,
        icc_profile=icc_profile,
        cicp=cicp,
    )


@dataclass(frozen=True, slots=True)
class FrameControl:
    """How a frame of an animation is shown."""

    #: Rows and columns.
    region: tuple[slice, slice]
    delay_ms: Fraction
    #: 0: itself; 1: nothing in its place; 2: what was there before it.
    disposal: int
    #: 0: in place of what is there; 1: over it.
    blend: int


def frame_controls(data: bytes) -> list[FrameControl]:
    """Return how each frame of an animated PNG is shown; none of another file."""
    found: list[FrameControl] = []
    for name, whole in chunks(data) if data else ():
        if name == b"fcTL":
            _, width, height, left, top, over, under, disposal, blend = (
                FRAME_CONTROL.unpack_from(whole, CHUNK_START_BYTES)
            )
            region = slice(top, top + height), slice(left, left + width)
            delay_ms = Fraction(1000 * over, under or _USUAL_UNDER)
            found.append(FrameControl(region, delay_ms, disposal, blend))
    return found


def palette_words(data: bytes) -> NDArray[np.uint32] | None:
    """Return the palette of a PNG: ``(256,)`` red, green, blue and alpha in a number.

    Places without a colour, and transparent ones, are 0. None for a PNG that has none.
    """
    if data[_COLOR_KIND_AT : _COLOR_KIND_AT + 1] != b"\3":
        return None
    colors = np.zeros((_MAX_PALETTE, 4), np.uint8)
    for name, whole in chunks(data):
        content = np.frombuffer(whole[CHUNK_START_BYTES:-SUM_BYTES], np.uint8)
        if name == b"PLTE":
            count = min(len(content) // 3, _MAX_PALETTE)
            colors[:count, :3] = content[: count * 3].reshape(-1, 3)
            colors[:count, 3] = 255
        elif name == b"tRNS":
            colors[: len(content), 3] = content[:_MAX_PALETTE]
    colors[colors[:, 3] == 0] = 0
    return colors.view(np.uint32)[:, 0]


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk with its length and its checksum."""
    checksum = zlib.crc32(name + content).to_bytes(SUM_BYTES, "big")
    return _CHUNK.pack(len(content), name) + content + checksum


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield names and whole chunks; of a file cut off, its last one as it is."""
    view, start = memoryview(data), len(SIGNATURE)
    while start + _CHUNK.size <= len(data):
        length, name = _CHUNK.unpack_from(data, start)
        end = start + _CHUNK.size + length + SUM_BYTES
        yield name, view[start:end]
        if name == b"IEND":
            return
        start = end


def _lengths(name: bytes, data: bytes) -> Container[int]:
    if name == b"tRNS":
        return _TRANSPARENT_LENGTHS.get(data[_COLOR_KIND_AT], ())
    return _LENGTHS.get(name, ())


def _profile(content: bytes) -> bytes | None:
    """Return the profile of an iCCP chunk: a name, a zero, a zero, compressed bytes."""
    _, _, compressed = content.partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(compressed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    if not inflater.eof:
        return None
    is_usual = len(profile) <= _USUAL_PROFILE_BYTES
    return profile if is_usual else plain_profile(profile) or profile
