"""Any picture that people post, decoded: upright, RGB or RGBA, eight bits, bounded.

The bytes decide what a file is, never its name. Size limits are checked on the header,
before a pixel is decoded. Whatever a hostile file makes the libraries raise becomes an
`ImageError` that says what is wrong and what would work.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pillow_heif
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.bit_depth import is_wide, narrow_grey
from emojifier_bot.vision.color import model_to_srgb, rgb_profile
from emojifier_bot.vision.jpeg_decode import JpegParameters, SizeCheck, load_jpeg
from emojifier_bot.vision.orientation import exif_orientation, turn_upright
from emojifier_bot.vision.sniff import sniff
from emojifier_bot.vision.webp import read_webp_header

__all__ = [
    "DecodeLimits",
    "DecodedImage",
    "JpegParameters",
    "check_length",
    "decode",
    "from_image",
]


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How much is accepted."""

    #: Length of the file.
    max_bytes: int = 30_000_000
    #: Width times height, as the file's header says.
    max_pixels: int = 60_000_000


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """A picture ready to be worked on, with what its result is to inherit."""

    #: RGB or RGBA, upright, fully loaded, without metadata.
    image: Image.Image
    #: "JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "BMP", "TIFF" or "MPO".
    source_format: str
    #: Profile of the pixels; ``None`` means sRGB.
    icc_profile: bytes | None
    #: Of a grey or YCbCr JPEG or MPO.
    jpeg: JpegParameters | None
    #: Whether the file was compressed without loss.
    lossless: bool
    #: Sentences about the picture for the asker.
    notes: tuple[str, ...] = ()
    #: Length of the file; 0 where it is unknown or says nothing (a file cut off).
    source_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """Pixels as a library gives them: any mode, perhaps not upright."""

    image: Image.Image
    format: str
    lossless: bool
    orientation: int = 1
    jpeg: JpegParameters | None = None
    notes: tuple[str, ...] = ()


DEFAULT_LIMITS = DecodeLimits()

#: What Pillow, pillow-heif and their parsers raise for damaged files. Warnings are
#: here for programs that turn them into errors.
_DAMAGE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    struct.error,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    zlib.error,
    Warning,
    Image.DecompressionBombError,
)

#: Place of the bit depth in a PNG file, and the depth of which Pillow keeps the high
#: bytes only.
_PNG_DEPTH_BYTE = 24
_DEEP_PNG_BITS = 16
_TIFF_BITS_TAG = 258
_DEFAULT_WIDE_BITS = 16
#: Boxes of ISO media files: length, type, contents.
_BOX_HEADER_BYTES = 8


def decode(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode a picture's first frame: upright, RGB or RGBA, eight bits per channel.

    RGB pictures keep their colour profile; other colour models become sRGB.

    Raises:
        ImageError: Of kind ``empty``, ``too_large``, ``too_many_pixels``,
            ``not_an_image``, ``unsupported``, ``truncated`` or ``broken``.
    """
    check_length(data, limits)
    source_format = sniff(data)
    try:
        loaded = _LOADERS[source_format](data, _size_check(limits))
        image, icc_profile = _to_rgb(loaded.image)
    except MemoryError as error:
        raise ImageError(
            "This picture needs more memory than there is. Send a smaller one.",
            kind=ErrorKind.TOO_MANY_PIXELS,
        ) from error
    except _DAMAGE_ERRORS as error:
        raise ImageError(
            f"This {source_format} picture is damaged or cut off, and cannot be read. "
            "Send it again, or save it anew as a JPEG or PNG.",
            kind=ErrorKind.BROKEN,
        ) from error
    return DecodedImage(
        image=_without_metadata(turn_upright(image, loaded.orientation)),
        source_format=loaded.format,
        icc_profile=icc_profile,
        jpeg=loaded.jpeg,
        lossless=loaded.lossless,
        notes=loaded.notes,
        source_bytes=0 if loaded.notes else len(data),
    )


def from_image(image: Image.Image) -> DecodedImage:
    """Make a decoded picture of a Pillow image, which is left as it is.

    Its result is encoded as PNG.

    Raises:
        ImageError: It is empty (``empty``), or cannot be read (``broken``).
    """
    if not all(image.size):
        raise ImageError(
            "This picture has no pixels. Send another one.", kind=ErrorKind.EMPTY
        )
    try:
        upright = turn_upright(image.copy(), _stated_orientation(image))
        upright, icc_profile = _to_rgb(upright)
    except _DAMAGE_ERRORS as error:
        raise ImageError(
            f"This picture cannot be read: {error}. Convert it to RGB first.",
            kind=ErrorKind.BROKEN,
        ) from error
    return DecodedImage(
        image=_without_metadata(upright),
        source_format="PNG",
        icc_profile=icc_profile,
        jpeg=None,
        lossless=True,
    )


def check_length(data: bytes, limits: DecodeLimits) -> None:
    """Refuse a file by its length alone.

    Raises:
        ImageError: Of kind ``empty`` or ``too_large``.
    """
    if not data:
        raise ImageError("This file is empty. Send it again.", kind=ErrorKind.EMPTY)
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"This file has {len(data) / 1e6:.1f} MB; at most "
            f"{limits.max_bytes / 1e6:g} MB are read. Send a smaller one.",
            kind=ErrorKind.TOO_LARGE,
        )


def _size_check(limits: DecodeLimits) -> SizeCheck:
    def check_size(size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        if width * height > limits.max_pixels:
            raise ImageError(
                f"This picture has {width} x {height} pixels, which is "
                f"{width * height / 1e6:.1f} megapixels; at most "
                f"{limits.max_pixels / 1e6:g} are read. Send a smaller one.",
                kind=ErrorKind.TOO_MANY_PIXELS,
            )

    return check_size


def _load_jpeg(data: bytes, check_size: SizeCheck) -> _Loaded:
    loaded = load_jpeg(data, check_size)
    return _Loaded(
        image=loaded.image,
        format="MPO" if loaded.is_multi_picture else "JPEG",
        lossless=False,
        orientation=loaded.orientation,
        jpeg=loaded.parameters,
        notes=loaded.notes,
    )


def _load_png(data: bytes, check_size: SizeCheck) -> _Loaded:
    image = _load(PngImageFile(io.BytesIO(data)), check_size)
    key = image.info.get("transparency")
    if data[_PNG_DEPTH_BYTE] == _DEEP_PNG_BITS and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    return _Loaded(image, "PNG", lossless=True, orientation=_stated_orientation(image))


def _load_gif(data: bytes, check_size: SizeCheck) -> _Loaded:
    image = _load(GifImageFile(io.BytesIO(data)), check_size)
    return _Loaded(image, "GIF", lossless=True)


def _load_bmp(data: bytes, check_size: SizeCheck) -> _Loaded:
    image = _load(BmpImageFile(io.BytesIO(data)), check_size)
    return _Loaded(image, "BMP", lossless=True)


def _load_tiff(data: bytes, check_size: SizeCheck) -> _Loaded:
    """Decode the first page; Pillow itself turns TIFF pictures upright."""
    image = _load(TiffImageFile(io.BytesIO(data)), check_size)
    return _Loaded(image, "TIFF", lossless=True)


def _load_webp(data: bytes, check_size: SizeCheck) -> _Loaded:
    header = read_webp_header(data)
    check_size(header.size_wh)
    image = _load(WebPImageFile(io.BytesIO(data)), check_size)
    return _Loaded(
        image, "WEBP", header.lossless, orientation=_stated_orientation(image)
    )


def _load_avif(data: bytes, check_size: SizeCheck) -> _Loaded:
    """Decode AVIF; its own turning counts, which Pillow states as EXIF orientation."""
    image = _load(AvifImageFile(io.BytesIO(_without_exif_item(data))), check_size)
    return _Loaded(
        image, "AVIF", lossless=False, orientation=_stated_orientation(image)
    )


def _load_heif(data: bytes, check_size: SizeCheck) -> _Loaded:
    """Decode HEIC; the library turns it upright, so EXIF orientation is not asked."""
    container = pillow_heif.open_heif(data)
    check_size(container.size)
    return _Loaded(container.to_pillow(), "HEIF", lossless=False)


_LOADERS: dict[str, Callable[[bytes, SizeCheck], _Loaded]] = {
    "JPEG": _load_jpeg,
    "PNG": _load_png,
    "GIF": _load_gif,
    "BMP": _load_bmp,
    "TIFF": _load_tiff,
    "WEBP": _load_webp,
    "AVIF": _load_avif,
    "HEIF": _load_heif,
}


def _load(image: ImageFile.ImageFile, check_size: SizeCheck) -> ImageFile.ImageFile:
    check_size(image.size)
    image.load()
    return image


def _stated_orientation(image: Image.Image) -> int:
    return exif_orientation(image.info.get("exif"))


def _without_exif_item(data: bytes) -> bytes:
    """Rename the EXIF item, so that a damaged one cannot stop the picture."""
    start = 0
    while start + _BOX_HEADER_BYTES <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] == b"meta":
            box = data[start : start + length].replace(b"Exif", b"free")
            return data[:start] + box + data[start + length :]
        start += max(length, _BOX_HEADER_BYTES)
    return data


def _to_rgb(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Return the picture as RGB or RGBA, and the profile of these pixels."""
    icc_profile = image.info.get("icc_profile")
    if is_wide(image):
        bits = _wide_bits(image)
        image = narrow_grey(image, bits, image.info.get("transparency"))
    if image.mode in {"CMYK", "LAB"}:
        converted = model_to_srgb(image, icc_profile)
        return converted or image.convert("RGB"), None
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in {"1", "L", "LA"} and icc_profile:
        grey = model_to_srgb(image.convert("L"), icc_profile)
        if grey is not None:
            return _with_alpha_of(grey, image.convert(mode)), None
    converted = image if image.mode == mode else image.convert(mode)
    return converted, rgb_profile(icc_profile)


def _with_alpha_of(image: Image.Image, original: Image.Image) -> Image.Image:
    if original.mode == "RGBA":
        image.putalpha(original.getchannel("A"))
    return image


def _wide_bits(image: Image.Image) -> int:
    if not isinstance(image, TiffImageFile):
        return _DEFAULT_WIDE_BITS
    return int(max(image.tag_v2.get(_TIFF_BITS_TAG, (_DEFAULT_WIDE_BITS,))))


def _without_metadata(image: Image.Image) -> Image.Image:
    """Return a picture that carries pixels only.

    Pictures still tied to a file may load themselves anew when saved, or save tags of
    that file, so they are copied. A JPEG does neither, and was stripped before.
    """
    if isinstance(image, ImageFile.ImageFile) and not isinstance(image, JpegImageFile):
        image = image.copy()
    image.info = {}
    return image
