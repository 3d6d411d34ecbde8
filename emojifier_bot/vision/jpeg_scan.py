"""What a JPEG file is made of, read without decoding: segments, scans and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from emojifier_bot.errors import ErrorKind, ImageError

# Markers, the byte after 0xFF (ITU-T T.81, table B.1).
_FILL = 0xFF
#: Without a length: a stuffed zero, TEM, RST0 to RST7, SOI.
_STANDALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_APP1, _APP2, _APP14, _APP15 = 0xE1, 0xE2, 0xEE, 0xEF
_MARKER_BYTES = 2
_LENGTH_BYTES = 2
#: Frames that are read: baseline, extended sequential and progressive, all Huffman.
_READABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
#: All frames; the gaps are DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READABLE_PRECISION = 8

#: End of image, appended to files that were cut off.
END_MARKER = b"\xff\xd9"
_START_MARKER = b"\xff\xd8"
#: A marker between coded bytes: not a stuffed zero, a restart or a fill byte.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_EXIF_PREFIX = b"Exif\x00\x00"
_MULTI_PICTURE_PREFIX = b"MPF\x00"
_PROFILE_PREFIX = b"ICC_PROFILE\x00"


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment of the header."""

    marker: int
    #: Where the marker begins and where the next segment does, in bytes of the file.
    start: int
    end: int
    #: Its contents without marker and length.
    payload: bytes


@dataclass(frozen=True, slots=True, eq=False)
class JpegHeader:
    """All segments before the coded pixels."""

    segments: tuple[Segment, ...]
    #: Where the first scan's own header begins.
    scan_start: int

    @property
    def exif(self) -> bytes:
        """Return the EXIF block, empty where there is none."""
        return self._first_payload(_APP1, _EXIF_PREFIX)

    @property
    def is_multi_picture(self) -> bool:
        """Tell whether other pictures follow the first one (MPO)."""
        return bool(self._first_payload(_APP2, _MULTI_PICTURE_PREFIX))

    def _first_payload(self, marker: int, prefix: bytes) -> bytes:
        for segment in self.segments:
            if segment.marker == marker and segment.payload.startswith(prefix):
                return segment.payload
        return b""


@dataclass(frozen=True, slots=True)
class ScanEnd:
    """How the coded pixels of a file end."""

    #: Whether the file has its end marker.
    complete: bool
    #: How many scans were begun.
    scans: int
    #: Where the last usable coded byte ends.
    usable_bytes: int


def read_header(data: bytes) -> JpegHeader:
    """List the segments before the coded pixels.

    Raises:
        ImageError: The file ends before them (``truncated``), or uses a kind of
            compression that is not read (``unsupported``).
    """
    segments: list[Segment] = []
    for segment in _segments(data, len(_START_MARKER)):
        _check_frame(segment)
        if segment.marker == _SOS:
            return JpegHeader(tuple(segments), segment.start)
        segments.append(segment)
    raise ImageError(
        "This JPEG is cut off before its first pixel. Send the whole file again.",
        kind=ErrorKind.TRUNCATED,
    )


def without_metadata(data: bytes, header: JpegHeader) -> bytes:
    """Return the file without EXIF, XMP, comments and the table of further pictures.

    What tells colours stays: the JFIF, Adobe and ICC segments.
    """
    kept = [
        data[segment.start : segment.end]
        for segment in header.segments
        if not _is_metadata(segment)
    ]
    return b"".join([_START_MARKER, *kept, memoryview(data)[header.scan_start :]])


def find_end(data: bytes, scan_start: int) -> ScanEnd:
    """Find out whether the coded pixels are all there.

    A file whose very last bytes are the end marker is complete without a search: coded
    bytes never look like it. `scan_start` is where the first scan's header begins.
    """
    if data.endswith(END_MARKER):
        return ScanEnd(complete=True, scans=1, usable_bytes=len(data))
    scans = 0
    position = scan_start
    while True:
        segment = next(_segments(data, position), None)
        if segment is None or segment.marker == _EOI:
            return ScanEnd(segment is not None, scans, position)
        scans += segment.marker == _SOS
        found = _MARKER_IN_SCAN.search(data, segment.end)
        if found is None:
            usable = len(data) - data.endswith(b"\xff")
            return ScanEnd(complete=False, scans=scans, usable_bytes=usable)
        position = found.start()


def _segments(data: bytes, start: int) -> Iterator[Segment]:
    """Yield whole segments and end markers; skip what stands between them."""
    while (start := data.find(b"\xff", start)) >= 0 and start + 1 < len(data):
        marker = data[start + 1]
        body = start + _MARKER_BYTES
        if marker == _FILL:
            start += 1
        elif marker == _EOI:
            yield Segment(marker, start, body, b"")
            start = body
        elif marker in _STANDALONE:
            start = body
        else:
            payload = body + _LENGTH_BYTES
            end = body + int.from_bytes(data[body:payload], "big")
            if max(end, payload) > len(data):
                return
            yield Segment(marker, start, end, data[payload:end])
            start = max(end, payload)


def _check_frame(segment: Segment) -> None:
    if segment.marker not in _FRAMES or not segment.payload:
        return
    if segment.marker not in _READABLE_FRAMES:
        what = "uses a rare kind of compression (arithmetic, lossless or hierarchical)"
    elif segment.payload[0] != _READABLE_PRECISION:
        what = f"has {segment.payload[0]} bits per colour instead of 8"
    else:
        return
    raise ImageError(
        f"This JPEG {what}, which I cannot read. Save it as an ordinary JPEG or a PNG.",
        kind=ErrorKind.UNSUPPORTED,
    )


def _is_metadata(segment: Segment) -> bool:
    if segment.marker == _APP2:
        return not segment.payload.startswith(_PROFILE_PREFIX)
    if segment.marker == _APP14:
        return False
    return segment.marker == _COM or _APP1 <= segment.marker <= _APP15
