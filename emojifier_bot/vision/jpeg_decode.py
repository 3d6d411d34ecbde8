"""JPEG and MPO: decoded, completed where they are cut off, their tables kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.jpeg_scan import (
    END_MARKER,
    ScanEnd,
    find_end,
    read_header,
    without_metadata,
)
from emojifier_bot.vision.orientation import (
    COLUMNS_REVERSED,
    ROWS_REVERSED,
    SIDEWAYS,
    exif_orientation,
)

#: Called with width and height before pixels are decoded; raises to refuse.
SizeCheck = Callable[[tuple[int, int]], None]
#: A quantisation table: 64 divisors, row by row.
QuantisationTable = tuple[int, ...]

#: Side of the blocks that JPEG codes.
_BLOCK_PX = 8
#: Chroma subsampling by the sampling factors (horizontal, vertical) of luma over
#: chroma, for the kinds that Pillow writes. All others are written as 4:4:4.
_SUBSAMPLING = {(1.0, 1.0): "4:4:4", (2.0, 1.0): "4:2:2", (2.0, 2.0): "4:2:0"}
_FULL_CHROMA = "4:4:4"
#: A grey picture's chroma is flat but for the emoji, so a quarter of it will do.
_GREY_SUBSAMPLING = "4:2:0"
_GREY_LAYERS, _COLOR_LAYERS = 1, 3
#: Divisors that a baseline file can hold.
_SMALLEST_DIVISOR, _LARGEST_DIVISOR = 1, 255
#: Names of the layers of a file that stores red, green and blue as they are.
_RGB_LAYER_IDS = (ord("R"), ord("G"), ord("B"))

#: Least share of the rows that a cut-off file must have.
LEAST_ROWS = 0.5
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
class LoadedJpeg:
    """A JPEG's pixels as stored, not yet upright."""

    image: Image.Image
    orientation: int
    parameters: JpegParameters | None
    is_multi_picture: bool
    notes: tuple[str, ...]


def load_jpeg(data: bytes, check_size: SizeCheck) -> LoadedJpeg:
    """Decode the first picture of a JPEG or MPO file.

    A file without an end marker is cut off: the marker is added, and the decoder fills
    what is missing with grey. How much that is, is found by decoding once more with
    nonsense after the last byte: above the first row that differs, all is there. Files
    of several scans (progressive ones) that hold their whole first scan have every row,
    only coarser.

    Args:
        data: The file.
        check_size: Called with width and height before pixels are decoded.

    Raises:
        ImageError: Less than half of the rows are there (``truncated``), or the kind
            of JPEG is not read (``unsupported``).
    """
    header = read_header(data)
    clean = without_metadata(data, header)
    end = find_end(clean, header.scan_start - len(data) + len(clean))
    notes: tuple[str, ...] = ()
    if end.complete:
        image = _load(clean, check_size)
    else:
        image, notes = _load_cut_off(clean, end, check_size)
    orientation = exif_orientation(header.exif)
    return LoadedJpeg(
        image=image,
        orientation=orientation,
        parameters=_parameters(image, orientation),
        is_multi_picture=header.is_multi_picture,
        notes=notes,
    )


def _load(data: bytes, check_size: SizeCheck) -> JpegImageFile:
    image = JpegImageFile(io.BytesIO(data))
    check_size(image.size)
    image.load()
    return image


def _load_cut_off(
    data: bytes, end: ScanEnd, check_size: SizeCheck
) -> tuple[JpegImageFile, tuple[str, ...]]:
    coded = data[: end.usable_bytes]
    image = _load(coded + END_MARKER, check_size)
    if end.scans > 1:
        return image, ("The file is cut off: its finest details are missing.",)
    with_nonsense = _load(coded + _NONSENSE + END_MARKER, check_size)
    difference = ImageChops.difference(image, with_nonsense).getbbox()
    if difference is None:
        return image, ()
    present = difference[1] / image.height
    if present < LEAST_ROWS:
        raise ImageError(
            f"This JPEG is cut off: only {present:.0%} of its rows are there. "
            "Send the whole file again.",
            kind=ErrorKind.TRUNCATED,
        )
    missing = max(1, round(100 * (1 - present)))
    return image, (f"The file is cut off: {missing} % of its rows are missing.",)


def _parameters(image: JpegImageFile, orientation: int) -> JpegParameters | None:
    """Return how the picture was compressed; ``None`` unless it is grey or YCbCr."""
    ids = tuple(layer[0] for layer in image.layer)
    if image.layers not in (_GREY_LAYERS, _COLOR_LAYERS) or ids == _RGB_LAYER_IDS:
        return None
    if image.layers == _COLOR_LAYERS and image.info.get("adobe_transform") == 0:
        return None
    sideways = orientation in SIDEWAYS
    tables = [_baseline_table(image.quantization[layer[3]]) for layer in image.layer]
    while tables[-1:] == tables[-2:-1]:
        tables.pop()
    if sideways:
        tables = [_transposed(table) for table in tables]
    return JpegParameters(
        tables=tuple(tables),
        subsampling=_subsampling(image, sideways=sideways),
        aligned=_is_aligned(image, orientation),
    )


def _baseline_table(table: list[int]) -> QuantisationTable:
    return tuple(
        min(max(divisor, _SMALLEST_DIVISOR), _LARGEST_DIVISOR) for divisor in table
    )


def _transposed(table: QuantisationTable) -> QuantisationTable:
    return tuple(
        divisor for column in range(_BLOCK_PX) for divisor in table[column::_BLOCK_PX]
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
    columns_fit = orientation not in COLUMNS_REVERSED or image.width % columns_px == 0
    rows_fit = orientation not in ROWS_REVERSED or image.height % rows_px == 0
    return columns_fit and rows_fit
