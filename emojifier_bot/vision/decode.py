"""Any picture that people post, decoded: upright, RGB or RGBA, eight bits, bounded.

The bytes decide what a file is, never its name. Size limits are checked on the header,
before a pixel is decoded. Whatever a hostile file makes the libraries raise becomes an
`ImageError` that says what is wrong and what would work.
"""

from __future__ import annotations

import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import Canvas, canvas_of, image_over
from emojifier_bot.vision.cicp import HDR_NOTE, stated_colors, tone_mapped
from emojifier_bot.vision.color import model_to_srgb, rgb_profile
from emojifier_bot.vision.depth import Discs, beside, is_known, narrowed, white_of
from emojifier_bot.vision.formats import sniff
from emojifier_bot.vision.jpeg import SIDEWAYS, JpegParameters, SizeCheck
from emojifier_bot.vision.loaded import (
    EIGHT_BITS,
    TURNS,
    UPRIGHT,
    Density,
    Loaded,
    exif_directory,
    orientation_of,
)
from emojifier_bot.vision.loaders import load, load_frames


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

    #: Upright, fully loaded.
    canvas: Canvas
    #: Name of an entry of `formats.FORMATS`.
    source_format: str
    #: Profile of the pixels; ``None`` means sRGB.
    icc_profile: bytes | None
    #: Of a grey or YCbCr JPEG or MPO.
    jpeg: JpegParameters | None
    #: Whether the file was compressed without loss.
    lossless: bool
    #: Sentences about the picture for the asker.
    notes: tuple[str, ...] = ()
    #: Dots per inch, across and down; ``None`` where unsaid.
    dpi: Density | None = None
    #: How many frames or pages the file has to choose from, and which one this is.
    frames: int = 1
    frame: int = 0
    #: Length of the file; 0 where it is unknown or of no use (a file cut off).
    source_bytes: int = 0
    #: Decodes it once more where its pixels have decided what becomes white: what lies
    #: in some discs has no share in that then. None for other pictures.
    rescaled: Callable[[Discs], DecodedImage] | None = None

    @property
    def image(self) -> Image.Image:
        """Return the picture: RGB or RGBA, upright, without metadata."""
        return self.canvas.image


DEFAULT_LIMITS = DecodeLimits()
#: For pictures that we wrote.
NO_LIMITS = DecodeLimits(max_bytes=sys.maxsize, max_pixels=sys.maxsize)

#: What Pillow says of libraries that had too little memory; WebP's encoders, for one
#: picture and for an animation, say it by number. A thread needs memory for its stack.
_NO_MEMORY = re.compile(
    r"out of memory|^encoding error [12]\b|WebPEncodingError: [12]\b"
    r"|^can't start new thread",
    re.IGNORECASE,
)
#: What Pillow, pillow-heif and their parsers raise for damaged files. Warnings are
#: here for programs that turn them into errors.
DAMAGE_ERRORS = (
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

#: Modes of Pillow for grey whose values do not end at 255. Its own conversion of them
#: clips at 255; here they are scaled.
_WIDE_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
_TIFF_BITS_TAG = 258
_DEFAULT_WIDE_BITS = 16
_TRANSPARENT, _OPAQUE = 0, 255
#: Densities that make sense.
LEAST_DPI, MOST_DPI = 10.0, 30_000.0


def decode(
    data: bytes,
    limits: DecodeLimits = DEFAULT_LIMITS,
    frame: int = 0,
    hidden: Discs = (),
) -> DecodedImage:
    """Decode a picture: upright, RGB or RGBA, eight bits per channel.

    RGB pictures keep their colour profile; other colour models become sRGB. Fully
    transparent pixels have no colour.

    Args:
        data: The file.
        limits: How much is accepted.
        frame: Which frame or page counts, from 0.
        hidden: What has no share in what becomes white.

    Raises:
        ImageError: Of kind ``empty``, ``too_large``, ``too_many_pixels``,
            ``not_an_image``, ``unsupported``, ``truncated`` or ``broken``.
    """
    check_length(data, limits)
    picture_format = sniff(data)
    with damage_named(picture_format.name):
        check_size = size_check(limits)
        # Nothing here holds what is loaded: it is gone before its copy is filled.
        return _decoded(
            load(picture_format, data, check_size, frame, hidden),
            frame,
            len(data),
            hidden,
            partial(decode, data, limits, frame),
        )


def decode_frames(
    data: bytes, limits: DecodeLimits = DEFAULT_LIMITS
) -> Iterator[DecodedImage]:
    """Decode the frames of an animation in order, each as `decode` does.

    All of an HDR animation are scaled alike.

    Damage in a later frame ends it; of the first one it is an error.

    Raises:
        ImageError: As `decode` does.
    """
    check_length(data, limits)
    picture_format = sniff(data)
    frames = load_frames(picture_format, data, size_check(limits))
    for frame in count():
        try:
            with damage_named(picture_format.name):
                loaded = next(frames, None)
                if loaded is None:
                    return
                decoded = _decoded(loaded, frame, len(data))
        except ImageError as error:
            if frame and error.kind == ErrorKind.BROKEN:
                return
            raise
        yield decoded


@contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turn what libraries raise for a file of a format into our error."""
    try:
        yield
    except (MemoryError, *DAMAGE_ERRORS) as error:
        if tells_of_memory(error):
            raise ImageError(
                "This picture needs more memory than there is. Use a smaller one.",
                kind=ErrorKind.TOO_MANY_PIXELS,
            ) from error
        raise ImageError(
            f"This {name} picture is damaged or cut off, and cannot be "
            "read. Copy it again, or save it anew as a JPEG or PNG.",
            kind=ErrorKind.BROKEN,
        ) from error


def tells_of_memory(error: Exception) -> bool:
    """Tell whether a library raised this since there was too little memory."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def _decoded(
    loaded: Loaded,
    frame: int,
    source_bytes: int,
    hidden: Discs | None = None,
    rescaled: Callable[[Discs], DecodedImage] | None = None,
) -> DecodedImage:
    """Finish what was loaded; without `hidden` it is a frame of a clip."""
    turned, canvas = _upright(loaded)
    image, icc_profile, notes, is_scaled = _to_rgb(turned, hidden)
    finished = partial(
        DecodedImage,
        source_format=loaded.format,
        icc_profile=icc_profile,
        jpeg=loaded.jpeg,
        lossless=loaded.lossless,
        notes=(*notes, *_losses(loaded, is_hdr=bool(notes))),
        dpi=_upright_density(loaded),
        frames=loaded.frames,
        frame=frame,
        source_bytes=0 if loaded.is_cut_off else source_bytes,
        rescaled=rescaled if is_scaled or loaded.is_scaled else None,
    )
    if image is not turned:
        canvas = None
    # A copy of the picture less while the canvas is filled.
    del loaded, turned
    canvas = canvas or canvas_of(image)
    canvas.clear_hidden()
    return finished(canvas)


def from_image(image: Image.Image, hidden: Discs = ()) -> DecodedImage:
    """Make a decoded picture of a Pillow image, which is left as it is.

    Its result is encoded as PNG. What is hidden has no share in what becomes white.

    Raises:
        ImageError: It is empty (``empty``), or cannot be read (``broken``).
    """
    if not all(image.size):
        raise ImageError(
            "This picture has no pixels. Use another one.", kind=ErrorKind.EMPTY
        )
    try:
        orientation = orientation_of(exif_directory(image.info.get("exif")))
        turned = _turned(image, orientation)
        upright, icc_profile, notes, is_scaled = _to_rgb(turned, hidden)
        canvas = canvas_of(upright)
        canvas.clear_hidden()
    except DAMAGE_ERRORS as error:
        raise ImageError(
            f"This picture cannot be read: {error}. Convert it to RGB first.",
            kind=ErrorKind.BROKEN,
        ) from error
    return DecodedImage(
        canvas=canvas,
        source_format="PNG",
        icc_profile=icc_profile,
        jpeg=None,
        lossless=True,
        notes=notes,
        rescaled=partial(from_image, image) if is_scaled else None,
    )


def check_length(data: bytes, limits: DecodeLimits) -> None:
    """Refuse a file by its length alone.

    Raises:
        ImageError: Of kind ``empty`` or ``too_large``.
    """
    if not data:
        raise ImageError("This file is empty. Use another one.", kind=ErrorKind.EMPTY)
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"This file has {len(data) / 1e6:.1f} MB; at most "
            f"{limits.max_bytes / 1e6:g} MB are read. Use a smaller one, or raise "
            "EMOJIFIER_MAX_BYTES.",
            kind=ErrorKind.TOO_LARGE,
        )


def size_check(limits: DecodeLimits) -> SizeCheck:
    """Return what refuses pictures that are too large."""

    def check_size(size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        if width * height > limits.max_pixels:
            raise ImageError(
                f"This picture has {width} x {height} pixels, which is "
                f"{width * height / 1e6:.1f} megapixels; at most "
                f"{limits.max_pixels / 1e6:g} are read. Use a smaller one, or "
                "raise EMOJIFIER_MAX_PIXELS.",
                kind=ErrorKind.TOO_MANY_PIXELS,
            )

    return check_size


def _losses(loaded: Loaded, *, is_hdr: bool) -> tuple[str, ...]:
    """Return sentences about what the result lacks of the file."""
    notes = list(loaded.notes)
    if loaded.bits > EIGHT_BITS and not is_hdr:
        notes.append(
            f"The picture has {loaded.bits} bits per colour; the result has 8."
        )
    if loaded.image.mode in {"P", "PA"}:
        notes.append("Its palette becomes full colour, so the file may grow.")
    return tuple(notes)


def _upright_density(loaded: Loaded) -> Density | None:
    """Return the density across and down the upright picture, if it makes sense."""
    if loaded.dpi is None:
        return None
    x, y = map(float, loaded.dpi)
    if not all(LEAST_DPI <= one <= MOST_DPI for one in (x, y)):
        return None
    return (y, x) if loaded.orientation in SIDEWAYS else (x, y)


def _upright(loaded: Loaded) -> tuple[Image.Image, Canvas | None]:
    """Return the picture upright, and where it lies, if that is a canvas."""
    if loaded.canvas is None or loaded.orientation == UPRIGHT:
        return _turned(loaded.image, loaded.orientation), loaded.canvas
    # Pillow would turn it in pages of its own, and then it would be copied.
    canvas = loaded.canvas.turned(loaded.orientation)
    image = image_over(canvas.pixels, canvas.image.mode)
    image.info = loaded.image.info
    return image, canvas


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_rgb(
    image: Image.Image, hidden: Discs | None
) -> tuple[Image.Image, bytes | None, tuple[str, ...], bool]:
    """Return a picture as RGB or RGBA.

    Args:
        image: The picture, upright.
        hidden: What has no share in what becomes white; None for a frame of a clip.

    Returns:
        The picture, the profile of its pixels, notes, and whether the pixels have
        decided what becomes white.
    """
    icc_profile, hdr = stated_colors(image.info)
    is_scaled = False
    if image.mode in _WIDE_MODES:
        image, is_scaled = _narrow_grey(image, hidden or ())
    if image.mode in {"CMYK", "LAB"}:
        converted = model_to_srgb(image, icc_profile)
        return converted or image.convert("RGB"), None, (), is_scaled
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in {"1", "L", "LA"} and icc_profile:
        grey = model_to_srgb(image.convert("L"), icc_profile)
        if grey is not None:
            if mode == "RGBA":
                grey.putalpha(image.convert(mode).getchannel("A"))
            return grey, None, (), is_scaled
    converted = image if image.mode == mode else image.convert(mode)
    if hdr is not None:
        counted = beside(converted.size, hidden or ())
        mapped = tone_mapped(converted, hdr, counted, steady=hidden is None)
        return mapped, None, (HDR_NOTE,), True
    return converted, rgb_profile(icc_profile), (), is_scaled


def _narrow_grey(image: Image.Image, hidden: Discs) -> tuple[Image.Image, bool]:
    """Scale grey of more than eight bits to eight; a transparent value becomes alpha.

    Of 16 bits the whole range is scaled, or what the file says is used of it. Returns
    also whether the values have decided what becomes white.
    """
    values = np.asarray(image)
    bits = 0
    if image.mode.startswith("I;16"):
        # Only TIFF pictures have tags: some scanners use 12 of 16 bits.
        tags = getattr(image, "tag_v2", {})
        bits = int(max(tags.get(_TIFF_BITS_TAG, (_DEFAULT_WIDE_BITS,))))
    is_scaled = not is_known(bits)
    counted = beside(image.size, hidden) if is_scaled else None
    grey = Image.fromarray(narrowed(values, white_of(values, bits, counted)))
    transparent = image.info.get("transparency")
    if transparent is None:
        return grey, is_scaled
    alpha = np.where(values == transparent, _TRANSPARENT, _OPAQUE).astype(np.uint8)
    return Image.merge("LA", (grey, Image.fromarray(alpha))), is_scaled
