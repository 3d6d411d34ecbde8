"""JPEG and MPO: decoded, completed where they are cut off, their tables kept."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import Canvas, new_canvas

#: Called with width and height before pixels are decoded; raises to refuse.
SizeCheck = Callable[[tuple[int, int]], None]
#: A quantisation table: 64 divisors, row by row.
QuantisationTable = tuple[int, ...]

# Markers, the byte after 0xFF (ITU-T T.81, table B.1).
_FILL = 0xFF
#: Without a length: a stuffed zero, TEM, RST0 to RST7, SOI.
_STANDALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_APP1, _APP2, _APP14, _APP15 = 0xE1, 0xE2, 0xEE, 0xEF
#: Frames that are read: baseline, extended sequential and progressive, all Huffman.
_READABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
#: All frames; the gaps are DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READABLE_PRECISION = 8
#: Where a frame's segment has its height: after marker, length and precision.
_HEIGHT_IN_FRAME = 5
_RST7 = b"\xff\xd7"

START_MARKER, END_MARKER = b"\xff\xd8", b"\xff\xd9"
#: A marker between coded bytes: not a stuffed zero, a restart or a fill byte.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_EXIF_PREFIX = b"Exif\x00\x00"
_MULTI_PICTURE_PREFIX = b"MPF\x00"
_PROFILE_PREFIX = b"ICC_PROFILE\x00"

#: Side of the blocks that JPEG codes.
_BLOCK_PX = 8
#: Chroma subsampling by the sampling factors (horizontal, vertical) of luma over
#: chroma, for the kinds that Pillow writes. All others are written as 4:4:4.
_SUBSAMPLING = {(1.0, 1.0): "4:4:4", (2.0, 1.0): "4:2:2", (2.0, 2.0): "4:2:0"}
_FULL_CHROMA = "4:4:4"
#: A grey picture's chroma is flat but for the emoji, so a quarter of it will do.
_GREY_SUBSAMPLING = "4:2:0"
SUBSAMPLINGS = frozenset(_SUBSAMPLING.values())
_GREY_LAYERS, _COLOR_LAYERS = 1, 3
#: Divisors that a baseline file can hold.
SMALLEST_DIVISOR, LARGEST_DIVISOR = 1, 255
#: Names of the layers of a file that stores red, green and blue as they are.
_RGB_LAYER_IDS = (ord("R"), ord("G"), ord("B"))
#: EXIF orientations that exchange width and height.
SIDEWAYS = frozenset({5, 6, 7, 8})
#: Those whose stored columns run from right to left of the upright picture …
_COLUMNS_REVERSED = frozenset({2, 3, 7, 8})
#: … and whose stored rows run from its bottom (sideways: right) to its top (left).
_ROWS_REVERSED = frozenset({3, 4, 6, 7})

#: Least share of the rows that a cut-off file must have.
_LEAST_ROWS = 0.5
#: Coded bytes that mean nothing, and contain no marker. Where they change the decoded
#: picture, the file's own coded bytes have ended.
_NONSENSE = bytes((index * 73 + 41) % 255 for index in range(4096))


@dataclass(frozen=True, slots=True, eq=False)
class JpegParameters:
    """How a JPEG was compressed, for compressing the upright result the same way."""

    #: One table per layer; the last stands for the layers after it. Turned with the
    #: picture where it was stored sideways.
    tables: tuple[QuantisationTable, ...]
    #: ``"4:4:4"``, ``"4:2:2"`` or ``"4:2:0"``.
    subsampling: str
    #: Whether the stored blocks lie on the upright picture's block grid. Only then
    #: does compressing with the same tables lose next to nothing.
    aligned: bool


@dataclass(frozen=True, slots=True, eq=False)
class JpegHeader:
    """What stands before the coded pixels."""

    #: The EXIF block, empty where there is none.
    exif: bytes
    #: The list of all pictures, where others follow the first one (MPO): as in TIFF.
    pictures: bytes
    #: The file up to the first scan, without metadata.
    clean: bytes
    #: Where the first scan's own header begins in the file.
    scan_start: int


@dataclass(frozen=True, slots=True)
class ScanEnd:
    """How the coded pixels of a file end."""

    #: Whether the file has its end marker.
    complete: bool
    #: How many scans were begun.
    scans: int
    #: Where the last usable coded byte ends.
    usable_bytes: int


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    #: Where the marker begins and where the next segment does.
    start: int
    end: int
    #: Its contents without marker and length.
    payload: bytes


def load_jpeg(
    data: bytes, header: JpegHeader, check_size: SizeCheck
) -> tuple[JpegImageFile, Canvas | None, tuple[str, ...]]:
    """Decode the first picture of a JPEG or MPO file, as it is stored.

    A file without an end marker is cut off: the marker is added, and the decoder fills
    what is missing with grey. How much that is, is found by decoding once more with
    nonsense after the last byte: above the first row that differs, all is there. Files
    of several scans (progressive ones) that hold their whole first scan have every row,
    only coarser.

    Returns:
        The picture, the canvas that it lies in if it is RGB, and sentences about what
        is missing.

    Raises:
        ImageError: Less than half of the rows are there (``truncated``).
    """
    clean = b"".join([header.clean, memoryview(data)[header.scan_start :]])
    end = find_end(clean, len(header.clean))
    if end.complete:
        return *_decoded(clean, check_size), ()
    coded = clean[: end.usable_bytes]
    image, canvas = _decoded(coded + END_MARKER, check_size)
    if end.scans > 1:
        notes = ("The file is cut off: its finest details are missing.",)
        return image, canvas, notes
    with_nonsense, _ = _decoded(coded + _NONSENSE + END_MARKER, check_size)
    difference = ImageChops.difference(image, with_nonsense).getbbox()
    if difference is None:
        return image, canvas, ()
    present = difference[1] / image.height
    if present < _LEAST_ROWS:
        raise ImageError(
            f"This JPEG is cut off: only {present:.0%} of its rows are there. "
            "Copy the whole file again.",
            kind=ErrorKind.TRUNCATED,
        )
    missing = max(1, round(100 * (1 - present)))
    notes = (f"The file is cut off: {missing} % of its rows are missing.",)
    return image, canvas, notes


def read_header(data: bytes) -> JpegHeader:
    """Read what stands before the coded pixels, and leave the metadata out.

    EXIF, XMP, comments and the table of further pictures go. What tells colours stays:
    the JFIF, Adobe and ICC segments.

    Raises:
        ImageError: The file ends before its pixels (``truncated``), or uses a kind of
            compression that is not read (``unsupported``).
    """
    exif, pictures, kept = b"", b"", [START_MARKER]
    for segment in _segments(data, len(START_MARKER)):
        if segment.marker == _SOS:
            return JpegHeader(exif, pictures, b"".join(kept), segment.start)
        if segment.marker in _FRAMES and segment.payload:
            _check_frame(segment)
        is_application = _APP1 <= segment.marker <= _APP15
        if segment.marker == _APP1 and segment.payload.startswith(_EXIF_PREFIX):
            exif = exif or segment.payload
        elif segment.marker == _APP2:
            if segment.payload.startswith(_MULTI_PICTURE_PREFIX):
                pictures = segment.payload.removeprefix(_MULTI_PICTURE_PREFIX)
            is_application = not segment.payload.startswith(_PROFILE_PREFIX)
        elif segment.marker == _APP14:
            is_application = False
        if not is_application and segment.marker != _COM:
            kept.append(data[segment.start : segment.end])
    raise ImageError(
        "This JPEG is cut off before its first pixel. Copy the whole file again.",
        kind=ErrorKind.TRUNCATED,
    )


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


def join_halves(upper: bytes, lower: bytes, height: int) -> bytes:
    """Make one JPEG of two, the lower of which goes on where the upper ends.

    Args:
        upper: With eight restart intervals: the marker after its end is then RST7.
        lower: With tables, width and restart interval of the upper one.
        height: Of both together.
    """
    frame = next(one for one in _segments(upper, 2) if one.marker in _FRAMES)
    scan = next(one for one in _segments(lower, 2) if one.marker == _SOS)
    at = frame.start + _HEIGHT_IN_FRAME
    return b"".join(
        [
            upper[:at],
            height.to_bytes(2, "big"),
            memoryview(upper)[at + 2 : -len(END_MARKER)],
            _RST7,
            memoryview(lower)[scan.end :],
        ]
    )


def jpeg_parameters(image: JpegImageFile, orientation: int) -> JpegParameters | None:
    """Return how a picture was compressed; ``None`` unless it is grey or YCbCr.

    Args:
        image: As it is stored.
        orientation: EXIF's, by which it is turned upright.
    """
    ids = tuple(layer[0] for layer in image.layer)
    if image.layers not in (_GREY_LAYERS, _COLOR_LAYERS) or ids == _RGB_LAYER_IDS:
        return None
    if image.layers == _COLOR_LAYERS and image.info.get("adobe_transform") == 0:
        return None
    sideways = orientation in SIDEWAYS
    tables = [
        tuple(
            min(max(divisor, SMALLEST_DIVISOR), LARGEST_DIVISOR)
            for divisor in image.quantization[layer[3]]
        )
        for layer in image.layer
    ]
    while tables[-1:] == tables[-2:-1]:
        tables.pop()
    if sideways:
        tables = [
            tuple(np.reshape(table, (_BLOCK_PX, _BLOCK_PX)).T.ravel().tolist())
            for table in tables
        ]
    return JpegParameters(
        tables=tuple(tables),
        subsampling=_subsampling(image, sideways=sideways),
        aligned=_is_aligned(image, orientation),
    )


def _decoded(data: bytes, check_size: SizeCheck) -> tuple[JpegImageFile, Canvas | None]:
    image, canvas = JpegImageFile(io.BytesIO(data)), None
    check_size(image.size)
    if image.mode == "RGB":
        canvas = new_canvas(image.mode, image.size)
        image.im = canvas.image.im
    image.load()
    return image, canvas


def _segments(data: bytes, start: int) -> Iterator[_Segment]:
    """Yield whole segments and end markers; skip what stands between them."""
    while (start := data.find(b"\xff", start)) >= 0 and start + 1 < len(data):
        marker = data[start + 1]
        body = start + 2
        if marker == _FILL:
            start += 1
        elif marker == _EOI:
            yield _Segment(marker, start, body, b"")
            start = body
        elif marker in _STANDALONE:
            start = body
        else:
            payload = body + 2
            end = body + int.from_bytes(data[body:payload], "big")
            if max(end, payload) > len(data):
                return
            yield _Segment(marker, start, end, data[payload:end])
            start = max(end, payload)


def _check_frame(segment: _Segment) -> None:
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


def _subsampling(image: JpegImageFile, *, sideways: bool) -> str:
    if image.layers == _GREY_LAYERS:
        return _GREY_SUBSAMPLING
    (_, luma_h, luma_v, _), *chroma = image.layer
    factors = {(luma_h / h, luma_v / v) for _, h, v, _ in chroma}
    horizontal, vertical = factors.pop()
    if factors:
        return _FULL_CHROMA
    stored = (vertical, horizontal) if sideways else (horizontal, vertical)
    return _SUBSAMPLING.get(stored, _FULL_CHROMA)


def _is_aligned(image: JpegImageFile, orientation: int) -> bool:
    """Tell whether reversed columns and rows still begin at a block's edge."""
    columns_px = _BLOCK_PX * max(layer[1] for layer in image.layer)
    rows_px = _BLOCK_PX * max(layer[2] for layer in image.layer)
    if image.layers == _GREY_LAYERS:
        columns_px = rows_px = _BLOCK_PX
    columns_fit = orientation not in _COLUMNS_REVERSED or image.width % columns_px == 0
    rows_fit = orientation not in _ROWS_REVERSED or image.height % rows_px == 0
    return columns_fit and rows_fit
