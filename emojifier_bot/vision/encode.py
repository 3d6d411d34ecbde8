"""The result, encoded as its input was: same format, same fidelity, no metadata.

Pixels and their colour profile are all that is written, and the date at which a photo
was taken if that is asked for.

A picture that was compressed once loses again when it is compressed anew. Trials on a
sample of it show how much each setting loses and costs; two numbers decide: 40 dB of
fidelity to the input, and the input's own size.
"""

from __future__ import annotations

import io
import math
import os
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import Canvas, image_over
from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import DecodedImage, tells_of_memory
from emojifier_bot.vision.exif_date import date_options
from emojifier_bot.vision.formats import FORMATS, VIDEOS, format_for, format_named
from emojifier_bot.vision.jpeg import join_halves
from emojifier_bot.vision.types import FloatArray, ImageArray

#: What Pillow's `save` takes for one format.
Options = dict[str, Any]

_PAPER = (255, 255, 255, 255)

#: What Pillow raises for pictures that a format cannot hold: its sides are limited.
_WRITE_ERRORS = (OSError, ValueError, OverflowError)

_FULL_CHROMA = "4:4:4"
_USUAL_SUBSAMPLING = "4:2:0"
_LOSSLESS_WEBP: Options = {"lossless": True, "exact": True, "method": 0, "quality": 0}
_LOSSY_EFFORT: dict[str, Options] = {
    "JPEG": {},
    "WEBP": {"method": 4},
    "AVIF": {"speed": 8},
}
#: Coarsest to finest, for choosing by trial.
_TRIALS: dict[str, list[Options]] = {
    "JPEG": [
        {"quality": quality, "subsampling": _FULL_CHROMA, "optimize": True}
        for quality in (70, 75, 80, 83, *range(85, 100))
    ],
    "WEBP": [
        {"quality": quality, **_LOSSY_EFFORT["WEBP"]}
        for quality in (50, 60, 65, 70, 75, 77, 80, 82, 84, 86, 88, 90, 92, 95, 100)
    ],
    "AVIF": [
        {"quality": quality, "subsampling": subsampling, **_LOSSY_EFFORT["AVIF"]}
        for subsampling, qualities in {
            _USUAL_SUBSAMPLING: range(45, 96, 5),
            _FULL_CHROMA: range(80, 96, 5),
        }.items()
        for quality in qualities
    ],
}
#: From lossless inputs nothing coarser than this is made.
_LEAST_FIRST_QUALITY = 85
#: By how much the input's own tables are made finer where its blocks do not fit.
_TABLE_SCALES = tuple(0.9**step for step in range(22))
#: A JPEG that grows past this over its input is compressed once more, with Huffman
#: tables of its own: slower, but up to a tenth smaller.
_OPTIMIZED_FROM_RATIO = 1.1

#: The halves of a JPEG whose sides are at least this long are compressed at the same
#: time, where the system has files in memory: only to a file Pillow writes without
#: Python's lock.
_HALVED_FROM_PX = 1_000 if hasattr(os, "memfd_create") else math.inf
#: Restart intervals of the upper half: their markers are numbered from 0 to 7.
_INTERVALS = 8

#: Peak signal-to-noise ratio that a result must have to its input. The sample may be a
#: little kinder than the whole picture: hence the margin.
REQUIRED_PSNR_DB = 40.0
_SAMPLE_MARGIN_DB = 0.15
#: Size of a result over its input's that is aimed at; 1.3 is what it must not pass.
_AIMED_SIZE_RATIO = 1.15
_WHITE = 255.0
#: The sample: squares on the grid of 16 pixels that all codecs share, spread evenly.
_GRID_PX = 16
_TILE_PX = 5 * _GRID_PX
_TILES_PER_SIDE = 8
_SAMPLE_PX = _TILES_PER_SIDE * _TILE_PX


def output_format(decoded: DecodedImage, extension: str | None) -> str:
    """Return Pillow's name of the format that a picture's result gets.

    Args:
        decoded: The input.
        extension: Of the requested output, ``".png"`` or ``"png"``; ``None`` keeps the
            input's format where it can be written and holds the transparency.

    Raises:
        ImageError: No format that is written has this extension (``output_format``).
    """
    if extension is None:
        opaque, transparent = format_named(decoded.source_format).becomes
        return transparent if decoded.image.mode == "RGBA" else opaque
    requested = format_for(f".{extension.removeprefix('.')}")
    if requested is None or requested in VIDEOS or not requested.is_written:
        known = ", ".join(one.extensions[0] for one in FORMATS if one.is_written)
        raise ImageError(
            f'Pictures cannot be written as "{extension}". These work: {known}.',
            kind=ErrorKind.OUTPUT_FORMAT,
        )
    return requested.name


def encode(
    decoded: DecodedImage,
    image: Image.Image,
    format: str | None = None,  # noqa: A002 - Pillow's name for it
    quality: int | None = None,
    exif_date: str | None = None,
) -> bytes:
    """Encode a picture that was painted over.

    A JPEG keeps its input's quantisation tables and subsampling, so that all that was
    not painted comes out as it came in. Where that cannot be (its blocks lie
    differently once upright, its colours were CMYK, another codec made it), a sample of
    the picture is compressed by trial until it is at least 40 dB true to the input;
    other lossy formats are always chosen so. They then take no more bytes than 1.3
    times the input's where the two agree. They cannot when one codec has to keep what
    a better one made (a strongly compressed HEIC as JPEG), or the artefacts of a
    strongly compressed input: fidelity then goes first.

    Args:
        decoded: The input that the picture came from.
        image: RGB or RGBA, the input's size. Formats without transparency show it over
            white.
        format: Pillow's name, from `output_format`; ``None`` keeps the input's.
        quality: 1 to 100 for lossy formats, in place of what the input suggests.
        exif_date: The date that the file says it was taken at; ``None`` for none.

    Raises:
        ImageError: The format cannot hold this picture (``output_format``), or there is
            too little memory (``too_many_pixels``).
    """
    name = format or output_format(decoded, None)
    icc_profile = decoded.icc_profile
    if image.mode == "RGBA" and not format_named(name).holds_alpha:
        paper = Image.new("RGBA", image.size, _PAPER)
        image = Image.alpha_composite(paper, image).convert("RGB")
    if not format_named(name).holds_profile:
        image, icc_profile = to_srgb(image, icc_profile), None
    try:
        options = _options(decoded, image, name, quality)
        if decoded.dpi and format_named(name).holds_density:
            options = {**options, "dpi": decoded.dpi}
        if exif_date is not None:
            options = {**options, **date_options(name, exif_date)}
        if (
            name == "JPEG"
            and image is decoded.image
            and min(image.size) >= _HALVED_FROM_PX
            and "optimize" not in options
        ):
            encoded = _save_halves(decoded.canvas, options, icc_profile)
        else:
            encoded = _save(image, name, options, icc_profile)
        most_bytes = decoded.source_bytes * _OPTIMIZED_FROM_RATIO
        if "qtables" in options and 0 < most_bytes < len(encoded):
            encoded = _save(image, name, {**options, "optimize": True}, icc_profile)
    except (MemoryError, *_WRITE_ERRORS) as error:
        if tells_of_memory(error):
            raise ImageError(
                f"As {name} this picture needs more memory than there is. Use a "
                "smaller one.",
                kind=ErrorKind.TOO_MANY_PIXELS,
            ) from error
        raise ImageError(
            f"A picture of {image.width} x {image.height} pixels cannot be written as "
            f"{name}: {error}. Choose PNG.",
            kind=ErrorKind.OUTPUT_FORMAT,
        ) from error
    return encoded


def _options(
    decoded: DecodedImage, image: Image.Image, name: str, quality: int | None
) -> Options:
    """Return how a format is written so that the result is as fine as the input."""
    if format_named(name).lossless:
        return dict(format_named(name).save_options)
    jpeg = decoded.jpeg if name == "JPEG" else None
    if quality is not None:
        options = {"quality": quality, **_LOSSY_EFFORT[name]}
        if name == "JPEG":
            options["subsampling"] = jpeg.subsampling if jpeg else _USUAL_SUBSAMPLING
        return options
    if jpeg is not None:
        trials: list[Options] = [
            {
                "qtables": [
                    [max(round(divisor * scale), 1) for divisor in table]
                    for table in jpeg.tables
                ],
                "subsampling": jpeg.subsampling,
            }
            for scale in _TABLE_SCALES
        ]
        return trials[0] if jpeg.aligned else choose_options(image, name, trials, 0)
    trials = _TRIALS[name]
    if not decoded.lossless:
        return choose_options(image, name, trials, decoded.source_bytes)
    if name == "WEBP":
        return _LOSSLESS_WEBP
    trials = [one for one in trials if one["quality"] >= _LEAST_FIRST_QUALITY]
    return choose_options(image, name, trials, 0)


def choose_options(
    image: Image.Image, name: str, trials: Sequence[Options], budget_bytes: int
) -> Options:
    """Return the options that suit a picture best.

    Those are the most faithful ones among those that cost no more than the input did,
    if they are faithful enough; else the cheapest that are; else the last.

    Args:
        image: RGB or RGBA.
        name: The format.
        trials: From the coarsest to the finest; at least one.
        budget_bytes: Size of the input; 0 asks for the cheapest faithful ones.
    """
    sample = sample_of(image)
    wanted = weighted_by_alpha(sample, image.mode)
    share = (sample.width * sample.height) / (image.width * image.height)
    budget = budget_bytes * share * _AIMED_SIZE_RATIO
    enough_db = REQUIRED_PSNR_DB + _SAMPLE_MARGIN_DB

    def tried(options: Options) -> tuple[float, int]:
        # Where the length does not count, it need not be the least.
        options = options if budget else _with_usual_tables(options)
        compressed = _save(sample, name, options)
        with Image.open(io.BytesIO(compressed)) as reopened:
            found = weighted_by_alpha(reopened, image.mode)
        return psnr_db(wanted, found), len(compressed)

    if name == "JPEG":
        # A finer one is longer and more faithful: few trials find the place. What WebP
        # and AVIF have compressed before is most faithful at the same setting.
        first, last = 0, len(trials) - 1
        if budget:
            within = bisect_right(trials, budget, key=lambda one: tried(one)[1])
            first = max(within - 1, 0)
        at = bisect_left(trials, enough_db, first, last, key=lambda one: tried(one)[0])
        return trials[at]
    best: tuple[float, Options] | None = None
    for options in trials:
        fidelity_db, length = tried(options)
        if length <= budget:
            if best is None or fidelity_db > best[0]:
                best = (fidelity_db, options)
        elif best is not None and best[0] >= enough_db:
            break
        elif fidelity_db >= enough_db:
            return options
    return trials[-1] if best is None or best[0] < enough_db else best[1]


def sample_of(image: Image.Image) -> Image.Image:
    """Return 64 squares from all over a large picture, a small one itself."""
    if image.width * image.height <= _SAMPLE_PX * _SAMPLE_PX:
        return image
    columns = _tile_starts(image.width)
    rows = _tile_starts(image.height)
    size = (len(columns) * _TILE_PX, len(rows) * _TILE_PX)
    sample = Image.new(image.mode, size)
    for row, top in enumerate(rows):
        for column, left in enumerate(columns):
            tile = image.crop((left, top, left + _TILE_PX, top + _TILE_PX))
            sample.paste(tile, (column * _TILE_PX, row * _TILE_PX))
    return sample


def psnr_db(one: ImageArray | FloatArray, other: ImageArray | FloatArray) -> float:
    """Return the peak signal-to-noise ratio of two pictures `weighted_by_alpha`.

    Equal pictures: infinity.
    """
    mean_square = cv2.norm(one, other, cv2.NORM_L2SQR) / one.size
    if mean_square == 0:
        return math.inf
    return 10 * math.log10(_WHITE * _WHITE / mean_square)


def weighted_by_alpha(image: Image.Image, mode: str) -> ImageArray | FloatArray:
    """Return ``(H, W, C)`` RGB or RGBA values, colours weighted by their alpha."""
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    if mode != "RGBA":
        return pixels
    values = pixels.astype(np.float32)
    values[..., :3] *= values[..., 3:] / np.float32(_WHITE)
    return values


def _tile_starts(length_px: int) -> list[int]:
    """Return where the tiles along one side begin, on the grid."""
    last = max(length_px - _TILE_PX, 0)
    count = min(_TILES_PER_SIDE, last // _TILE_PX + 1)
    spread = np.linspace(0, last, count) // _GRID_PX * _GRID_PX
    return [int(start) for start in spread]


def _save(
    image: Image.Image, name: str, options: Options, icc_profile: bytes | None = None
) -> bytes:
    """Write pixels and profile; whatever else the image may carry is overruled."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, name, icc_profile=icc_profile, comment=b"", **options)
    except (MemoryError, OSError):
        if "optimize" not in options:
            raise
        # Tables of its own take all coefficients in memory, and a result in one piece:
        # what is too large for that has the usual ones.
        return _save(image, name, _with_usual_tables(options), icc_profile)
    return buffer.getvalue()


def _with_usual_tables(options: Options) -> Options:
    """Return options for a longer file of the same pixels, sooner written."""
    return {key: value for key, value in options.items() if key != "optimize"}


def _save_halves(canvas: Canvas, options: Options, icc_profile: bytes | None) -> bytes:
    """Compress the upper and the lower half of a picture at the same time, as JPEG."""
    # The unit of restart intervals: a row of blocks of the most subsampled channel.
    unit_px = 16 if options["subsampling"] == "4:2:0" else 8
    height = len(canvas.pixels)
    interval = height // (2 * _INTERVALS * unit_px)
    middle = interval * _INTERVALS * unit_px
    how = {**options, "icc_profile": icc_profile, "restart_marker_rows": interval}

    def save(half: ImageArray) -> bytes:
        with os.fdopen(os.memfd_create("half"), "w+b") as file:
            image_over(half, "RGB").save(file, "JPEG", **how)
            file.seek(0)
            return file.read()

    with ThreadPoolExecutor() as pool:
        upper, lower = pool.map(save, (canvas.pixels[:middle], canvas.pixels[middle:]))
    return join_halves(upper, lower, height)
