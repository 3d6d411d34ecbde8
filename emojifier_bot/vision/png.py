"""PNG: what the pixels need is kept, before Pillow reads the file.

Pillow refuses a whole picture for a text that is too long or a checksum that is wrong,
wherever it stands. Browsers leave out such chunks, unless pixels depend on them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass

from emojifier_bot.vision.cicp import Cicp
from emojifier_bot.vision.color import plain_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: A chunk: length of its contents, name, contents, checksum of name and contents.
_CHUNK = struct.Struct(">I4s")
_SUM_BYTES = 4
#: Bit of the first letter of a name; without it, no picture can do without the chunk.
_ANCILLARY = 0x20
_COLOR_KIND_AT = 25
_MAX_PALETTE = 256

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
    is_whole_animation = True
    for name, chunk in _chunks(data):
        if not name[0] & _ANCILLARY:
            kept.append((name, chunk))
            continue
        content = chunk[_CHUNK.size : -_SUM_BYTES]
        checksum = zlib.crc32(chunk[_SUM_BYTES:-_SUM_BYTES]).to_bytes(_SUM_BYTES, "big")
        has_known_length = len(content) in _lengths(name, data)
        is_sound = has_known_length and checksum == chunk[-_SUM_BYTES:]
        if name in _ANIMATION:
            is_whole_animation &= is_sound
            kept.append((name, chunk))
        elif name in seen:
            continue
        elif name == b"iCCP":
            # Compressed bytes have a checksum of their own.
            icc_profile = _profile(bytes(content))
        elif name == b"cICP" and is_sound:
            primaries, transfer, _, is_full_range = content
            cicp = Cicp(primaries, transfer) if is_full_range else None
        elif is_sound:
            kept.append((name, chunk))
        seen.add(name)
    still = (chunk for name, chunk in kept if name not in _ANIMATION)
    is_animation = is_whole_animation and b"acTL" in seen
    return Png(
        still=b"".join([SIGNATURE, *still]),
        animated=b"".join([SIGNATURE, *(chunk for _, chunk in kept)])
        if is_animation
        else None,
        icc_profile=icc_profile,
        cicp=cicp,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield names and whole chunks; of a file cut off, its last one as it is."""
    view, start = memoryview(data), len(SIGNATURE)
    while start + _CHUNK.size <= len(data):
        length, name = _CHUNK.unpack_from(data, start)
        end = start + _CHUNK.size + length + _SUM_BYTES
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
