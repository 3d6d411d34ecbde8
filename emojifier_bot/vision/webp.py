"""What the chunks of a WebP file say before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: "RIFF", the length of the file, "WEBP".
_RIFF_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 8
#: Frame header inside an ANMF chunk; the frame's own chunks follow it.
_FRAME_HEADER_BYTES = 16
#: Sides of VP8 and VP8L pictures have 14 bits, canvases of VP8X 24.
_SIDE_BITS = 14
_SIDE_MASK = (1 << _SIDE_BITS) - 1


@dataclass(frozen=True, slots=True)
class WebpHeader:
    """Size and kind of compression of a WebP file."""

    #: Width and height in pixels; 0, 0 where the header is damaged.
    size_wh: tuple[int, int]
    #: Whether the (first) frame is compressed without loss.
    lossless: bool


def read_webp_header(data: bytes) -> WebpHeader:
    """Read the first chunks of a WebP file; damage is left for the decoder to find."""
    size_wh = (0, 0)
    for name, payload in _chunks(data, _RIFF_HEADER_BYTES):
        if size_wh == (0, 0):
            size_wh = _chunk_size_wh(name, payload)
        if name in {b"VP8 ", b"VP8L"}:
            return WebpHeader(size_wh, lossless=name == b"VP8L")
    return WebpHeader(size_wh, lossless=False)


def _chunks(data: bytes, start: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and the beginnings of payloads; an animation's frames are entered."""
    while start + _CHUNK_HEADER_BYTES <= len(data):
        name = data[start : start + 4]
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        start += _CHUNK_HEADER_BYTES
        yield name, data[start : start + _FRAME_HEADER_BYTES]
        start += _FRAME_HEADER_BYTES if name == b"ANMF" else length + length % 2


def _chunk_size_wh(name: bytes, payload: bytes) -> tuple[int, int]:
    if name == b"VP8X":
        width, height = payload[4:7], payload[7:10]
        return (
            int.from_bytes(width, "little") + 1,
            int.from_bytes(height, "little") + 1,
        )
    if name == b"VP8L":
        bits = int.from_bytes(payload[1:5], "little")
        return (bits & _SIDE_MASK) + 1, (bits >> _SIDE_BITS & _SIDE_MASK) + 1
    if name == b"VP8 ":
        width, height = payload[6:8], payload[8:10]
        return (
            int.from_bytes(width, "little") & _SIDE_MASK,
            int.from_bytes(height, "little") & _SIDE_MASK,
        )
    return (0, 0)
