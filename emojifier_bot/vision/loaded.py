"""What loaders of pictures share: what they get, and what they give."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from PIL import Image

from emojifier_bot.vision.canvas import Canvas
from emojifier_bot.vision.depth import Discs
from emojifier_bot.vision.formats import PictureFormat
from emojifier_bot.vision.jpeg import JpegParameters, SizeCheck
from emojifier_bot.vision.tiff import Directory, read_directories

#: Dots per inch, across and down.
Density = tuple[float, float]

UPRIGHT = 1
#: How a picture stored with each EXIF orientation is brought upright; the way back.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNS_BACK = TURNS | {6: TURNS[8], 8: TURNS[6]}
_EXIF_PREFIX = b"Exif\x00\x00"
EIGHT_BITS = 8


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
    #: Bits per channel of the file.
    bits: int = EIGHT_BITS
    #: As it is stored.
    dpi: Density | None = None
    #: Frames or pages to choose from.
    frames: int = 1
    #: Where the pixels lie, if they lie in a canvas.
    canvas: Canvas | None = None
    #: Whether the pixels have decided what becomes white.
    is_scaled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LoadRequest:
    """A picture of a file, to be loaded."""

    format: PictureFormat
    data: bytes
    check_size: SizeCheck
    frame: int
    hidden: Discs


def exif_directory(exif: bytes | None) -> Directory | None:
    """Return the tags of an EXIF block, with or without its ``Exif`` prefix.

    Pillow's own reader warns of damaged blocks, so it is read by itself.
    """
    block = (exif or b"").removeprefix(_EXIF_PREFIX)
    return next(iter(read_directories(block)), None)


def orientation_of(exif: Directory | None) -> int:
    """Return the orientation, 1 to 8; a missing or senseless one counts as upright."""
    orientation = exif.orientation if exif else UPRIGHT
    return orientation if orientation in TURNS else UPRIGHT


def open_image(picture_format: PictureFormat, data: bytes) -> Any:
    """Open a file by the class that a format names; no pixel is loaded yet."""
    module, _, name = picture_format.plugin.partition(":")
    return getattr(import_module(module), name)(io.BytesIO(data))
