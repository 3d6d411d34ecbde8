"""How the pixels of each format are loaded, and which way up they are stored.

Most formats are opened by the class that `formats` names. The functions here do what
those classes cannot: tell the size before memory is taken, survive damaged metadata,
finish a file that was cut off.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from PIL import Image

from emojifier_bot.vision.canvas import image_over
from emojifier_bot.vision.cicp import Cicp
from emojifier_bot.vision.depth import Discs
from emojifier_bot.vision.formats import FORMATS, PictureFormat, format_named
from emojifier_bot.vision.gif import read_gif, shown_frames
from emojifier_bot.vision.jpeg import (
    SizeCheck,
    jpeg_parameters,
    load_jpeg,
    read_header,
)
from emojifier_bot.vision.loaded import (
    EIGHT_BITS,
    UPRIGHT,
    Loaded,
    LoadRequest,
    exif_directory,
    open_image,
    orientation_of,
)
from emojifier_bot.vision.media_boxes import (
    MediaProperties,
    find_box,
    media_properties,
)
from emojifier_bot.vision.png import SIGNATURE, Png, read_png
from emojifier_bot.vision.tiff import BYTE_ORDERS

#: Place of the bit depth in a PNG file.
_PNG_DEPTH_AT = 24
#: MPO: the tag of the list of pictures, the length of its entries, which begin with the
#: kind of a picture, and the kinds that are previews of the first one.
_MPO_LIST, _MPO_ENTRY_BYTES, _MPO_KIND = 0xB002, 16, 0xFFFFFF
_MPO_PREVIEWS = frozenset({0x010001, 0x010002})
#: Names that stand in a file with a gain map, which is no picture of its own: Adobe's
#: and Google's, Apple's, ISO's.
_GAIN_MAPS = re.compile(rb"hdrgm:|:aux:hdrgainmap|iso:ts:21496:-1")
#: Frames of a file that are counted and can be chosen.
MOST_FRAMES = 1000

#: What Pillow raises for animated PNGs that make no sense.
_ANIMATION_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error)

#: RIFF: "RIFF", the length of the file, "WEBP", then chunks of a name, a length and a
#: payload. A frame of an animation has its own header and then chunks.
_RIFF_HEADER_BYTES, _CHUNK_HEADER_BYTES, _FRAME_HEADER_BYTES = 12, 8, 16
#: Sides of VP8 and VP8L pictures have 14 bits.
_WEBP_SIDE_BITS, _WEBP_SIDE_MASK = 14, (1 << 14) - 1


def load(
    picture_format: PictureFormat,
    data: bytes,
    check_size: SizeCheck,
    frame: int = 0,
    hidden: Discs = (),
) -> Loaded:
    """Decode one picture of a file.

    Args:
        picture_format: What `formats.sniff` said.
        data: The file.
        check_size: Called with width and height before pixels are decoded.
        frame: Which frame or page, from 0, of formats that have several.
        hidden: What has no share in what becomes white, upright.
    """
    request = LoadRequest(picture_format, data, check_size, frame, hidden)
    loaded = _LOADERS.get(picture_format.name, _load)(request)
    if loaded.frames == 1:
        return loaded
    what = "file's {} pages" if loaded.format == "TIFF" else "animation's {} frames"
    which = f"number {frame + 1}" if frame else "the first"
    note = f"Of the {what.format(loaded.frames)}, only {which} is in the result."
    return replace(loaded, notes=(note, *loaded.notes))


def load_frames(
    picture_format: PictureFormat, data: bytes, check_size: SizeCheck
) -> Iterator[Loaded]:
    """Load the frames of an animation, in order; each is good until the next one.

    Args:
        picture_format: What `formats.sniff` said: one that can be animated.
        data: The file.
        check_size: Called with width and height before pixels are decoded.
    """
    if picture_format.name == "GIF":
        gif = read_gif(data, sys.maxsize)
        check_size(gif.size_wh)
        for pixels in shown_frames(data, gif):
            is_opaque = pixels[..., 3].all()
            yield Loaded(
                image_over(pixels, "RGB" if is_opaque else "RGBA"), "GIF", True
            )
        return
    finish: Callable[[Loaded], Loaded]
    if picture_format.name == "PNG":
        parts = read_png(data)
        finish = partial(_finish_png, parts=parts, bits=data[_PNG_DEPTH_AT])
        data = parts.animated or parts.still
    elif picture_format.name == "WEBP":
        size_wh, lossless = webp_header(data)
        check_size(size_wh)
        finish = partial(replace, lossless=lossless)
    else:
        data = _without_exif(data)
        finish = partial(_finish_avif, properties=media_properties(data))
    image = open_image(picture_format, data)
    check_size(image.size)
    for frame in range(image.n_frames - _others(image)):
        yield finish(_loaded(picture_format, image, frame))


def import_plugins() -> None:
    """Import what opens any format, for a process that can open no file later."""
    for one in FORMATS:
        import_module(one.plugin.partition(":")[0])
    # Pictures of other formats need none of these.
    from emojifier_bot.vision import tiff_pages  # noqa: F401, PLC0415
    from emojifier_bot.vision.tiff_layouts import silence_libtiff  # noqa: PLC0415

    silence_libtiff()


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


def _load(request: LoadRequest) -> Loaded:
    image = open_image(request.format, request.data)
    request.check_size(image.size)
    return _loaded(request.format, image, request.frame)


def _loaded(picture_format: PictureFormat, image: Any, frame: int) -> Loaded:
    """Load a frame of an opened file."""
    frames = getattr(image, "n_frames", 1) if picture_format.name != "GIF" else 1
    others = _others(image)
    if frame + others:
        image.seek(frame + others)
    image.load()
    exif = exif_directory(image.info.get("exif"))
    return Loaded(
        image,
        picture_format.name,
        picture_format.lossless,
        orientation_of(exif),
        dpi=image.info.get("dpi") or (exif.dpi if exif else None),
        frames=min(max(frames - others, 1), MOST_FRAMES),
    )


def _others(image: Any) -> int:
    """Count what programs show that know no animated PNGs: it is no frame of them."""
    return int(getattr(image, "default_image", False))


def _load_gif(request: LoadRequest) -> Loaded:
    """Load a GIF; around a first frame that is smaller than the canvas is nothing."""
    loaded = _load(request)
    frames = max(len(read_gif(request.data, MOST_FRAMES).frames), 1)
    image = loaded.image
    extent = getattr(image, "dispose_extent", None)
    if request.frame == 0 and extent not in (None, (0, 0, *image.size)):
        alone = image.convert("RGBA").crop(extent)
        image = Image.new("RGBA", image.size)
        image.paste(alone, extent[:2])
    return replace(loaded, image=image, frames=frames)


def _load_jpeg(request: LoadRequest) -> Loaded:
    header = read_header(request.data)
    image, canvas, notes = load_jpeg(request.data, header, request.check_size)
    is_cut_off = bool(notes)
    exif = exif_directory(header.exif)
    orientation = orientation_of(exif)
    notes += _only_main(_mpo_pictures(header.pictures, request.data))
    return Loaded(
        image=image,
        format="MPO" if header.pictures else "JPEG",
        lossless=False,
        orientation=orientation,
        jpeg=jpeg_parameters(image, orientation),
        notes=notes,
        is_cut_off=is_cut_off,
        dpi=image.info.get("dpi") or (exif.dpi if exif else None),
        canvas=canvas,
    )


def _load_png(request: LoadRequest) -> Loaded:
    """Load a PNG; Pillow leaves the transparent colour at its sixteen bits.

    An animation whose own chunks contradict each other counts as a still picture.
    """
    parts = read_png(request.data)
    bits = request.data[_PNG_DEPTH_AT]
    try:
        loaded = _load(replace(request, data=parts.animated or parts.still))
    except _ANIMATION_ERRORS:
        if parts.animated is None or request.frame:
            raise
        loaded = _load(replace(request, data=parts.still))
    return _finish_png(loaded, parts, bits)


def _finish_png(loaded: Loaded, parts: Png, bits: int) -> Loaded:
    info = loaded.image.info
    key = info.get("transparency")
    # Frames of one file share what is said of them.
    if bits > EIGHT_BITS and isinstance(key, tuple) and not info.get("narrowed"):
        info |= {"transparency": tuple(one >> 8 for one in key), "narrowed": True}
    info |= {"icc_profile": parts.icc_profile, "cicp": parts.cicp}
    return replace(loaded, bits=bits)


def _load_webp(request: LoadRequest) -> Loaded:
    """Load a WebP; Pillow takes memory for the whole canvas when it opens one."""
    size_wh, lossless = webp_header(request.data)
    request.check_size(size_wh)
    return replace(_load(request), lossless=lossless)


def _load_avif(request: LoadRequest) -> Loaded:
    """Load an AVIF; its EXIF item, which may be damaged, is renamed.

    The file's own turning counts, which Pillow states as an EXIF orientation. Its
    cropping and its colours are read here.
    """
    data = _without_exif(request.data)
    loaded = _load(replace(request, data=data))
    return _finish_avif(loaded, media_properties(data))


def _without_exif(data: bytes) -> bytes:
    if meta := find_box(data, b"meta"):
        start, end = meta
        renamed = data[start:end].replace(b"Exif", b"free")
        data = data[:start] + renamed + data[end:]
    return data


def _finish_avif(loaded: Loaded, properties: MediaProperties) -> Loaded:
    image = loaded.image.crop(properties.crop_box(loaded.image.size))
    if "icc_profile" not in image.info and properties.codes:
        image.info["cicp"] = Cicp(*properties.codes)
    return replace(loaded, image=image, bits=properties.bits)


def _load_heif(request: LoadRequest) -> Loaded:
    """Load a HEIF's main picture, which its library turns upright and crops."""
    loaded = _load(request)
    return replace(
        loaded,
        orientation=UPRIGHT,
        bits=loaded.image.info.get("bit_depth", EIGHT_BITS),
        notes=_only_main(loaded.frames),
        frames=1,
    )


def _mpo_pictures(table: bytes, data: bytes) -> int:
    """Count the pictures of an MPO but previews and gain maps.

    Args:
        table: The list of all, as in TIFF; empty where the file is no MPO.
        data: The file.
    """
    order = BYTE_ORDERS.get(table[:2])
    if order is None:
        return 1
    kinds: list[int] = []
    try:
        (start,) = struct.unpack_from(f"{order}I", table, 4)
        (tags,) = struct.unpack_from(f"{order}H", table, start)
        for at in range(start + 2, start + 2 + 12 * tags, 12):
            tag, _, length, place = struct.unpack_from(f"{order}HHII", table, at)
            if tag == _MPO_LIST:
                kinds = [
                    struct.unpack_from(f"{order}I", table, entry)[0]
                    for entry in range(place, place + length, _MPO_ENTRY_BYTES)
                ]
    except struct.error:
        return 1
    previews = sum(kind & _MPO_KIND in _MPO_PREVIEWS for kind in kinds)
    return len(kinds) - previews - bool(_GAIN_MAPS.search(data))


def _only_main(count: int) -> tuple[str, ...]:
    """Return a note about pictures of a file that are no frames of an animation."""
    note = f"Of the file's {count} pictures, only the main one is in the result."
    return (note,) if count > 1 else ()


def _load_ico(request: LoadRequest) -> Loaded:
    """Load the largest picture of an icon, whose own header tells its size.

    Pillow's class for icons decodes on opening, and believes the list of pictures.
    """
    ico, data = request.format, request.data
    icon = open_image(ico, data)
    count, start = len(icon.entry), icon.entry[0].offset
    note = f"Of the icon's {count} sizes, only the largest is in the result."
    if data.startswith(SIGNATURE, start):
        png = replace(request, format=format_named("PNG"), data=data[start:])
        loaded = replace(_load_png(png), format=ico.name, orientation=UPRIGHT, frames=1)
    else:
        # A bitmap and its mask; a negative height says that it begins at the top.
        width, height = map(abs, struct.unpack_from("<2i", data, start + 4))
        request.check_size((width, height // 2))
        image = icon.frame(0)
        image.load()
        loaded = Loaded(image, ico.name, ico.lossless)
    return replace(loaded, notes=(note,) if count > 1 else ())


def _load_tiff(request: LoadRequest) -> Loaded:
    """Load a page of a TIFF; others need none of what reads them."""
    from emojifier_bot.vision.tiff_pages import load_tiff  # noqa: PLC0415

    return load_tiff(request)


_LOADERS: dict[str, Callable[[LoadRequest], Loaded]] = {
    "JPEG": _load_jpeg,
    "PNG": _load_png,
    "GIF": _load_gif,
    "WEBP": _load_webp,
    "HEIF": _load_heif,
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
