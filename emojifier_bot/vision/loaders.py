"""How the pixels of each format are loaded, and which way up they are stored.

Most formats are opened by the class that `formats` names. The functions here do what
those classes cannot: tell the size before memory is taken, survive damaged metadata,
finish a file that was cut off.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from PIL import Image

from emojifier_bot.vision.canvas import Canvas
from emojifier_bot.vision.cicp import Cicp
from emojifier_bot.vision.color import model_to_srgb
from emojifier_bot.vision.formats import FORMATS, PictureFormat, format_named
from emojifier_bot.vision.jpeg import (
    JpegParameters,
    SizeCheck,
    jpeg_parameters,
    load_jpeg,
    read_header,
)
from emojifier_bot.vision.media_boxes import find_box, media_properties
from emojifier_bot.vision.png import SIGNATURE, read_png
from emojifier_bot.vision.tiff import read_directories
from emojifier_bot.vision.tiff_layouts import read_pixels, silence_libtiff

UPRIGHT = 1
#: How a picture stored with each EXIF orientation is brought upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_PREFIX = b"Exif\x00\x00"
#: Byte orders of TIFF's directories, and its types BYTE, SHORT and LONG, for `struct`.
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_NUMBER_TYPES = {1: "B", 3: "H", 4: "I"}
_ORIENTATION_TAG = 0x0112
#: Layout of a TIFF directory: a count, then entries.
_COUNT_BYTES, _ENTRY_BYTES, _VALUE_AT = 2, 12, 8

#: Place of the bit depth in a PNG file, and the depth of which Pillow keeps the high
#: bytes only.
_PNG_DEPTH_AT = 24
_DEEP_PNG_BITS = 16

#: RIFF: "RIFF", the length of the file, "WEBP", then chunks of a name, a length and a
#: payload. A frame of an animation has its own header and then chunks.
_RIFF_HEADER_BYTES, _CHUNK_HEADER_BYTES, _FRAME_HEADER_BYTES = 12, 8, 16
#: Sides of VP8 and VP8L pictures have 14 bits.
_WEBP_SIDE_BITS, _WEBP_SIDE_MASK = 14, (1 << 14) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Pixels as a library gives them: any mode, perhaps not upright."""

    image: Image.Image
    #: `PictureFormat.name`.
    format: str
    lossless: bool
    #: EXIF's, 1 to 8.
    orientation: int = UPRIGHT
    jpeg: JpegParameters | None = None
    notes: tuple[str, ...] = ()
    #: Whether parts of the file are missing.
    is_cut_off: bool = False
    #: Where the pixels lie, if they lie in a canvas.
    canvas: Canvas | None = None


def load(picture_format: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Decode the first picture of a file.

    Args:
        picture_format: What `formats.sniff` said.
        data: The file.
        check_size: Called with width and height before pixels are decoded.
    """
    return _LOADERS.get(picture_format.name, _load)(picture_format, data, check_size)


def import_plugins() -> None:
    """Import what opens any format, for a process that can open no file later."""
    for one in FORMATS:
        import_module(one.plugin.partition(":")[0])
    silence_libtiff()


def exif_orientation(exif: bytes | None) -> int:
    """Return the orientation, 1 to 8, that an EXIF block states.

    Pillow's own reader warns of damaged blocks, so it is read by itself.

    Args:
        exif: The block, with or without its ``Exif`` prefix. A missing, damaged or
            senseless one counts as upright.
    """
    block = (exif or b"").removeprefix(_EXIF_PREFIX)
    order = _BYTE_ORDERS.get(block[:2])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, directory)
        first = directory + _COUNT_BYTES
        for entry in range(first, first + count * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, kind = struct.unpack_from(f"{order}2H", block, entry)
            if tag == _ORIENTATION_TAG:
                number = f"{order}{_NUMBER_TYPES[kind]}"
                (value,) = struct.unpack_from(number, block, entry + _VALUE_AT)
                return int(value) if value in TURNS else UPRIGHT
    except (struct.error, KeyError):
        pass
    return UPRIGHT


def webp_header(data: bytes) -> tuple[tuple[int, int], bool]:
    """Return width and height of a WebP, and whether its (first) frame is lossless.

    Damage is left for the decoder to find; the size may then be 0, 0.
    """
    size_wh = (0, 0)
    start = _RIFF_HEADER_BYTES
    while start + _CHUNK_HEADER_BYTES <= len(data):
        name, length = struct.unpack_from("<4sI", data, start)
        start += _CHUNK_HEADER_BYTES
        if size_wh == (0, 0):
            size_wh = _webp_size(name, data[start : start + _FRAME_HEADER_BYTES])
        if name in {b"VP8 ", b"VP8L"}:
            return size_wh, name == b"VP8L"
        # The chunks of an animation's frame follow its header.
        start += _FRAME_HEADER_BYTES if name == b"ANMF" else length + length % 2
    return size_wh, False


def _open(picture_format: PictureFormat, data: bytes) -> Any:
    module, _, name = picture_format.plugin.partition(":")
    return getattr(import_module(module), name)(io.BytesIO(data))


def _load(picture_format: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    image: Image.Image = _open(picture_format, data)
    check_size(image.size)
    image.load()
    return Loaded(
        image,
        picture_format.name,
        picture_format.lossless,
        exif_orientation(image.info.get("exif")),
    )


def _load_jpeg(_: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    header = read_header(data)
    image, canvas, notes = load_jpeg(data, header, check_size)
    orientation = exif_orientation(header.exif)
    return Loaded(
        image=image,
        format="MPO" if header.is_multi_picture else "JPEG",
        lossless=False,
        orientation=orientation,
        jpeg=jpeg_parameters(image, orientation),
        notes=notes,
        is_cut_off=bool(notes),
        canvas=canvas,
    )


def _load_png(png: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Load a PNG; Pillow leaves the transparent colour at its sixteen bits."""
    parts = read_png(data)
    loaded = _load(png, parts.still, check_size)
    info = loaded.image.info
    key = info.get("transparency")
    if data[_PNG_DEPTH_AT] == _DEEP_PNG_BITS and isinstance(key, tuple):
        info["transparency"] = tuple(value >> 8 for value in key)
    info |= {"icc_profile": parts.icc_profile, "cicp": parts.cicp}
    return loaded


def _load_webp(webp: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Load a WebP; Pillow takes memory for the whole canvas when it opens one."""
    size_wh, lossless = webp_header(data)
    check_size(size_wh)
    return replace(_load(webp, data, check_size), lossless=lossless)


def _load_avif(avif: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Load an AVIF; its EXIF item, which may be damaged, is renamed.

    The file's own turning counts, which Pillow states as an EXIF orientation. Its
    cropping and its colours are read here.
    """
    if meta := find_box(data, b"meta"):
        start, end = meta
        renamed = data[start:end].replace(b"Exif", b"free")
        data = data[:start] + renamed + data[end:]
    loaded = _load(avif, data, check_size)
    properties = media_properties(data)
    image = loaded.image.crop(properties.crop_box(loaded.image.size))
    if "icc_profile" not in image.info and properties.codes:
        image.info["cicp"] = Cicp(*properties.codes)
    return replace(loaded, image=image)


def _load_ico(ico: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Load the largest picture of an icon, whose own header tells its size.

    Pillow's class for icons decodes on opening, and believes the list of pictures.
    """
    icon = _open(ico, data)
    start = icon.entry[0].offset
    if data.startswith(SIGNATURE, start):
        loaded = _load_png(format_named("PNG"), data[start:], check_size)
        return replace(loaded, format=ico.name, orientation=UPRIGHT)
    # A bitmap and its mask; a negative height says that it begins at the top.
    width, height = map(abs, struct.unpack_from("<2i", data, start + 4))
    check_size((width, height // 2))
    image = icon.frame(0)
    image.load()
    return Loaded(image, ico.name, ico.lossless)


def _load_tiff(tiff: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Load the first page of a TIFF; reduced copies and masks are none.

    Raises:
        ImageError: Its layout is not read (``unsupported``).
    """
    silence_libtiff()
    directories = read_directories(data)
    pages = [index for index, one in enumerate(directories) if one.is_page]
    page = pages[0] if pages else 0
    directory = directories[page] if directories else None
    if directory is None or not directory.is_misread:
        try:
            return _load_tiff_page(tiff, data, check_size, page)
        except (SyntaxError, KeyError):
            if directory is None:
                raise
    check_size(directory.size_wh)
    image = read_pixels(data, directory)
    profile = directory.icc_profile
    if alpha := image.info.pop("alpha", None):
        image, profile = model_to_srgb(image, profile) or image.convert("RGB"), None
        image.putalpha(alpha)
    image.info = {"icc_profile": profile, "dpi": directory.dpi}
    return Loaded(image, tiff.name, tiff.lossless, directory.orientation)


def _load_tiff_page(
    tiff: PictureFormat, data: bytes, check_size: SizeCheck, page: int
) -> Loaded:
    """Load a page by Pillow, which turns it upright."""
    image = _open(tiff, data)
    image.seek(page)
    check_size(image.size)
    image.load()
    return Loaded(image, tiff.name, tiff.lossless)


def _load_upright(one: PictureFormat, data: bytes, check_size: SizeCheck) -> Loaded:
    """Load a format that its library turns upright; its EXIF counts no more."""
    return replace(_load(one, data, check_size), orientation=UPRIGHT)


_Loader = Callable[[PictureFormat, bytes, SizeCheck], Loaded]
_LOADERS: dict[str, _Loader] = {
    "JPEG": _load_jpeg,
    "PNG": _load_png,
    "WEBP": _load_webp,
    "HEIF": _load_upright,
    "AVIF": _load_avif,
    "TIFF": _load_tiff,
    "ICO": _load_ico,
}


def _webp_size(name: bytes, payload: bytes) -> tuple[int, int]:
    def number(start: int, end: int) -> int:
        return int.from_bytes(payload[start:end], "little")

    if name == b"VP8X":
        return number(4, 7) + 1, number(7, 10) + 1
    if name == b"VP8L":
        bits = number(1, 5)
        height = bits >> _WEBP_SIDE_BITS
        return (bits & _WEBP_SIDE_MASK) + 1, (height & _WEBP_SIDE_MASK) + 1
    if name == b"VP8 ":
        return number(6, 8) & _WEBP_SIDE_MASK, number(8, 10) & _WEBP_SIDE_MASK
    return 0, 0
