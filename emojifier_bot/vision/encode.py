"""The result, encoded as its input was: same format, same fidelity, no metadata.

Pixels and their colour profile are all that is written.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.formats import FORMATS, format_for, format_named
from emojifier_bot.vision.jpeg import JpegParameters, QuantisationTable
from emojifier_bot.vision.lossy_quality import choose_setting

#: What Pillow's `save` takes for one format.
Options = dict[str, Any]

_WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
_WITHOUT_PROFILE = frozenset({"BMP"})
_PAPER = (255, 255, 255, 255)

#: What Pillow raises for pictures that a format cannot hold: its sides are limited.
_WRITE_ERRORS = (OSError, ValueError, OverflowError)

#: Coarsest to finest, for choosing by trial.
_JPEG_QUALITIES = (70, 75, 80, 83, *range(85, 100))
_WEBP_QUALITIES = (50, 60, 65, 70, 75, 77, 80, 82, 84, 86, 88, 90, 92, 95, 100)
_AVIF_QUALITIES = {
    "4:2:0": (45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95),
    "4:4:4": (80, 85, 90, 95),
}
#: By how much the input's own tables are made finer where its blocks do not fit.
_TABLE_SCALES = tuple(0.9**step for step in range(22))
#: From lossless inputs nothing coarser than this is made.
_LEAST_FIRST_QUALITY = 85

_FULL_CHROMA = "4:4:4"
_USUAL_SUBSAMPLING = "4:2:0"
#: A JPEG that grows past this over its input is compressed once more, with Huffman
#: tables of its own: slower, but up to a tenth smaller.
_OPTIMIZED_FROM_RATIO = 1.1

#: Effort, from the knee of time over size: 12 megapixels take about a second each.
_PNG_LEVEL = 3
_WEBP_METHOD = 4
_WEBP_LOSSLESS: Options = {"lossless": True, "exact": True, "method": 0, "quality": 0}
_TIFF_COMPRESSION = "tiff_adobe_deflate"
_AVIF_SPEED = 8


def output_format(decoded: DecodedImage, extension: str | None) -> str:
    """Return Pillow's name of the format that a picture's result gets.

    Args:
        decoded: The input.
        extension: Of the wished output, ``".png"``; ``None`` keeps the input's format
            where it can be written and holds the transparency.

    Raises:
        ImageError: No format that is written has this extension (``output_format``).
    """
    if extension is None:
        opaque, transparent = format_named(decoded.source_format).becomes
        return transparent if decoded.image.mode == "RGBA" else opaque
    wished = format_for(extension)
    if wished is None or not wished.is_written:
        known = ", ".join(one.extensions[0] for one in FORMATS if one.is_written)
        raise ImageError(
            f'Pictures cannot be written as "{extension}". These work: {known}.',
            kind=ErrorKind.OUTPUT_FORMAT,
        )
    return wished.name


def encode(
    decoded: DecodedImage,
    image: Image.Image,
    format: str | None = None,  # noqa: A002 - Pillow's name for it
    quality: int | None = None,
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

    Raises:
        ImageError: The format cannot hold this picture (``output_format``).
    """
    name = format or output_format(decoded, None)
    if image.mode == "RGBA" and name in _WITHOUT_ALPHA:
        paper = Image.new("RGBA", image.size, _PAPER)
        image = Image.alpha_composite(paper, image).convert("RGB")
    if name in _WITHOUT_PROFILE:
        image = to_srgb(image, decoded.icc_profile)
    try:
        return _WRITERS[name](decoded, image, quality)
    except _WRITE_ERRORS as error:
        raise ImageError(
            f"A picture of {image.width} x {image.height} pixels cannot be written as "
            f"{name}: {error}. Choose PNG.",
            kind=ErrorKind.OUTPUT_FORMAT,
        ) from error


def _write_png(decoded: DecodedImage, image: Image.Image, _: int | None) -> bytes:
    return _save(image, "PNG", decoded.icc_profile, {"compress_level": _PNG_LEVEL})


def _write_tiff(decoded: DecodedImage, image: Image.Image, _: int | None) -> bytes:
    return _save(image, "TIFF", decoded.icc_profile, {"compression": _TIFF_COMPRESSION})


def _write_bmp(_: DecodedImage, image: Image.Image, __: int | None) -> bytes:
    return _save(image, "BMP", None, {})


def _write_jpeg(
    decoded: DecodedImage, image: Image.Image, quality: int | None
) -> bytes:
    if decoded.jpeg is not None and quality is None:
        return _write_like_jpeg(decoded, image, decoded.jpeg)
    if quality is not None:
        kept = decoded.jpeg.subsampling if decoded.jpeg else _USUAL_SUBSAMPLING
        options = {"quality": quality, "subsampling": kept}
        return _save(image, "JPEG", decoded.icc_profile, options)
    trials = [
        {"quality": quality, "subsampling": _FULL_CHROMA, "optimize": True}
        for quality in _JPEG_QUALITIES
    ]
    return _write_by_trial(decoded, image, "JPEG", trials)


def _write_like_jpeg(
    decoded: DecodedImage, image: Image.Image, jpeg: JpegParameters
) -> bytes:
    """Compress with the input's own tables, finer ones where its blocks do not fit."""
    trials: list[Options] = [
        {"qtables": _scaled(jpeg.tables, scale), "subsampling": jpeg.subsampling}
        for scale in _TABLE_SCALES
    ]
    options = trials[0]
    if not jpeg.aligned:
        options = choose_setting(image, trials, _trial_writer("JPEG"), budget_bytes=0)
    encoded = _save(image, "JPEG", decoded.icc_profile, options)
    if len(encoded) > (decoded.source_bytes or len(encoded)) * _OPTIMIZED_FROM_RATIO:
        optimized = {**options, "optimize": True}
        return _save(image, "JPEG", decoded.icc_profile, optimized)
    return encoded


def _scaled(tables: tuple[QuantisationTable, ...], scale: float) -> list[list[int]]:
    return [[max(round(divisor * scale), 1) for divisor in table] for table in tables]


def _write_webp(
    decoded: DecodedImage, image: Image.Image, quality: int | None
) -> bytes:
    if quality is not None:
        options = {"quality": quality, "method": _WEBP_METHOD}
        return _save(image, "WEBP", decoded.icc_profile, options)
    if decoded.lossless:
        return _save(image, "WEBP", decoded.icc_profile, _WEBP_LOSSLESS)
    trials = [
        {"quality": quality, "method": _WEBP_METHOD} for quality in _WEBP_QUALITIES
    ]
    return _write_by_trial(decoded, image, "WEBP", trials)


def _write_avif(
    decoded: DecodedImage, image: Image.Image, quality: int | None
) -> bytes:
    if quality is not None:
        options = {"quality": quality, "speed": _AVIF_SPEED}
        return _save(image, "AVIF", decoded.icc_profile, options)
    trials = [
        {"quality": quality, "subsampling": subsampling, "speed": _AVIF_SPEED}
        for subsampling, qualities in _AVIF_QUALITIES.items()
        for quality in qualities
    ]
    return _write_by_trial(decoded, image, "AVIF", trials)


_WRITERS: dict[str, Callable[[DecodedImage, Image.Image, int | None], bytes]] = {
    "JPEG": _write_jpeg,
    "PNG": _write_png,
    "WEBP": _write_webp,
    "AVIF": _write_avif,
    "TIFF": _write_tiff,
    "BMP": _write_bmp,
}


def _write_by_trial(
    decoded: DecodedImage, image: Image.Image, name: str, trials: list[Options]
) -> bytes:
    """Compress with the options that `choose_setting` finds."""
    budget_bytes = decoded.source_bytes
    if decoded.lossless:
        budget_bytes = 0
        trials = [one for one in trials if one["quality"] >= _LEAST_FIRST_QUALITY]
    options = choose_setting(image, trials, _trial_writer(name), budget_bytes)
    return _save(image, name, decoded.icc_profile, options)


def _trial_writer(name: str) -> Callable[[Image.Image, Options], bytes]:
    return lambda image, options: _save(image, name, None, options)


def _save(
    image: Image.Image, name: str, icc_profile: bytes | None, options: Options
) -> bytes:
    """Write pixels and profile; whatever else the image may carry is overruled."""
    buffer = io.BytesIO()
    image.save(buffer, name, icc_profile=icc_profile, comment=b"", **options)
    return buffer.getvalue()
