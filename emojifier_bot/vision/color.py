"""Colour profiles: pictures into sRGB, sprites into a picture's own profile.

A profile that cannot be used counts as sRGB: colours may then be a little off, but a
picture is never refused for its profile.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from emojifier_bot.vision.types import ImageArray

#: Colour spaces as ICC headers spell them, by the mode they fit.
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "L": b"GRAY"}
#: Place of the colour space in an ICC header.
_SPACE_FIELD = slice(16, 20)

#: Profiles and transforms that are remembered; a batch of one camera needs three.
_CACHED = 16
#: A profile whose colours all lie within this distance of sRGB's is sRGB (0 to 255).
_SRGB_TOLERANCE = 2
#: Steps per channel of the colours that are tried.
_PROBE_STEPS = 6

# A profile is a small program for the colour library, and libraries have had holes
# there. What `plain_profile` writes anew, from parts that were checked one by one,
# means the same colours and holds nothing else.
_HEADER_BYTES = 128
#: Length, version, class, colour space, connection space, signature, D50.
_HEADER = struct.Struct(">I4xI4s4s4s12x4s28x3i48x")
_ENTRY = struct.Struct(">4sII")
_COUNT = struct.Struct(">I")
_XYZ = struct.Struct(">4s4x3i")
#: The white that all profiles connect by, in 65536ths.
_D50 = (63190, 65536, 54061)
#: Colour space, connection space, signature.
_RGB_BY_XYZ = [b"RGB ", b"XYZ ", b"acsp"]
_CLASSES = frozenset({b"mntr", b"scnr", b"spac", b"prtr"})
_VERSIONS = frozenset({2, 4})
_VERSION_SHIFT, _VERSION_MASK = 24, 0xFFF00000
#: Of profiles that are made here: 4.3, which has parametric curves.
_MADE_VERSION = 0x04300000
_FIXED_ONE = 65536

_COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
#: With one of these a profile is read by its tables, not by its nine numbers.
_TABLES = frozenset(f"{way}{n}".encode() for way in ("A2B", "D2B") for n in range(4))

_CURVE_HEADER_BYTES = 12
_MOST_TAGS, _MOST_POINTS = 100, 4096
#: How many numbers each kind of formula has, 65536ths each.
_FORMULA_NUMBERS = (1, 3, 4, 5, 7)
#: ITU-T H.273: PQ and HLG.
_HDR_TRANSFERS = frozenset({16, 18})

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
#: What Pillow raises for profiles that are damaged or do not fit.
_PROFILE_ERRORS = (
    ImageCms.PyCMSError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
)


def to_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Return the picture in sRGB: the same object when it is so already.

    Args:
        image: RGB or RGBA; meant for reduced copies and crops.
        icc_profile: The profile of its pixels. ``None``, one that is damaged or does
            not fit counts as sRGB.
    """
    if icc_profile is None or is_srgb(icc_profile):
        return image
    return _apply(image, _transform(icc_profile, image.mode, image.mode))


def sprite_into_profile(
    sprite_rgba: ImageArray, icc_profile: bytes | None
) -> ImageArray:
    """Convert an sRGB sprite into the colours of a picture's profile.

    Args:
        sprite_rgba: ``(h, w, 4)`` uint8, straight alpha, sRGB.
        icc_profile: The picture's profile, ``None`` for sRGB.

    Returns:
        ``(h, w, 4)`` uint8 with the same alpha; the same array when the profile is
        sRGB or cannot be converted into.
    """
    if icc_profile is None or is_srgb(icc_profile) or not sprite_rgba.size:
        return sprite_rgba
    transform = _transform(icc_profile, "RGBA", "RGBA", from_srgb=True)
    if transform is None:
        return sprite_rgba
    return np.array(_apply(Image.fromarray(sprite_rgba), transform))


def premultiplied(sprite: ImageArray) -> ImageArray:
    """Return ``(h, w, 4)`` uint8 RGBA with premultiplied alpha of one with straight."""
    return np.asarray(Image.fromarray(sprite).convert("RGBa"))


def straight(sprite: ImageArray) -> Image.Image:
    """Return an RGBA image of ``(h, w, 4)`` uint8 RGBA with premultiplied alpha."""
    image = Image.frombytes("RGBa", sprite.shape[1::-1], sprite.tobytes())
    return image.convert("RGBA")


def rgb_profile(icc_profile: bytes | None) -> bytes | None:
    """Return the profile when it is a sound one for RGB pixels, else ``None``."""
    if icc_profile and _transform(icc_profile, "RGB", "RGB") is not None:
        return icc_profile
    return None


def model_to_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image | None:
    """Convert CMYK, Lab or grey with a profile to sRGB.

    Returns:
        An RGB picture, or ``None`` when no usable profile says how.
    """
    if image.mode == "LAB":
        return _apply(image, _lab_transform())
    transform = _transform(icc_profile or b"", image.mode, "RGB")
    return None if transform is None else _apply(image, transform)


def plain_profile(icc_profile: bytes) -> bytes | None:
    """Return a profile of the same colours that holds numbers and curves only.

    Applying it twice gives the same as once.

    Returns:
        ``None`` where these are not all that there is to it: a profile with tables,
        for other than RGB pixels, or a damaged one.
    """
    try:
        _, version, kind, *spaces, _, _, _ = _HEADER.unpack_from(icc_profile)
        tags = _tags(icc_profile)
        is_known = kind in _CLASSES and version >> _VERSION_SHIFT in _VERSIONS
        if not is_known or spaces != _RGB_BY_XYZ or not _TABLES.isdisjoint(tags):
            return None
        kept = {name: _checked_xyz(tags[name]) for name in _COLORANTS}
        kept |= {name: _checked_curve(tags[name]) for name in _CURVES}
        kept[b"wtpt"] = _checked_xyz(tags.get(b"wtpt") or _XYZ.pack(b"XYZ ", *_D50))
    except (struct.error, KeyError, ValueError):
        return None
    return _written(version & _VERSION_MASK, kind, kept)


def matrix_profile(
    colorants: Sequence[Sequence[float]], curve: Sequence[float]
) -> bytes:
    """Make a profile of three colours and one parametric curve.

    Args:
        colorants: X, Y and Z of red, green and blue, with a white of D50.
        curve: The numbers of one of ICC's formulas: one, or up to seven.

    Raises:
        struct.error: A number is out of bounds.
    """
    numbers = [round(number * _FIXED_ONE) for number in curve]
    formula = _FORMULA_NUMBERS.index(len(numbers))
    content = struct.pack(f">4s4xH2x{len(numbers)}i", b"para", formula, *numbers)
    tags = {
        name: _XYZ.pack(b"XYZ ", *(round(value * _FIXED_ONE) for value in color))
        for name, color in zip(_COLORANTS, colorants, strict=True)
    }
    tags |= dict.fromkeys(_CURVES, content)
    tags[b"wtpt"] = _XYZ.pack(b"XYZ ", *_D50)
    return _written(_MADE_VERSION, b"mntr", tags)


def hdr_codes(icc_profile: bytes) -> tuple[int, int] | None:
    """Return the numbers of primaries and transfer function of a profile for HDR.

    Such a profile states them beside tables that show it as well as they can.
    """
    try:
        content = _tags(icc_profile)[b"cicp"]
        primaries, transfer = content[8], content[9]
    except (struct.error, KeyError, ValueError, IndexError):
        return None
    return (primaries, transfer) if transfer in _HDR_TRANSFERS else None


@lru_cache(maxsize=_CACHED)
def is_srgb(icc_profile: bytes) -> bool:
    """Tell whether a profile means sRGB: by its colours, not by its name.

    One that cannot be used counts as sRGB.
    """
    transform = _transform(icc_profile, "RGB", "RGB")
    if transform is None:
        return True
    steps = np.linspace(0, 255, _PROBE_STEPS).astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    probe = np.ascontiguousarray(colors)
    converted = np.asarray(_apply(Image.fromarray(probe), transform))
    difference = np.abs(converted.astype(np.int16) - probe.astype(np.int16))
    return int(difference.max()) <= _SRGB_TOLERANCE


def _apply(
    image: Image.Image, transform: ImageCms.ImageCmsTransform | None
) -> Image.Image:
    if transform is None:
        return image
    converted = transform.apply(image)
    converted.info = {}
    return converted


@lru_cache(maxsize=_CACHED)
def _transform(
    icc_profile: bytes, mode: str, output_mode: str, *, from_srgb: bool = False
) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, or back; ``None`` if it does not fit."""
    if icc_profile[_SPACE_FIELD] != _SPACES.get(mode):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        source, target = (_srgb(), profile) if from_srgb else (profile, _srgb())
        return ImageCms.ImageCmsTransform(
            source, target, mode, output_mode, _INTENT, flags=_FLAGS
        )
    except _PROFILE_ERRORS:
        return None


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.ImageCmsTransform(lab, _srgb(), "LAB", "RGB", _INTENT)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _written(version: int, kind: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    start = _HEADER_BYTES + _COUNT.size + len(tags) * _ENTRY.size
    directory, body = _COUNT.pack(len(tags)), b""
    for name, content in tags.items():
        directory += _ENTRY.pack(name, start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = _HEADER.pack(start + len(body), version, kind, *_RGB_BY_XYZ, *_D50)
    return header + directory + body


def _tags(icc_profile: bytes) -> dict[bytes, bytes]:
    (count,) = _COUNT.unpack_from(icc_profile, _HEADER_BYTES)
    if count > _MOST_TAGS:
        raise ValueError
    first = _HEADER_BYTES + _COUNT.size
    entries = range(first, first + count * _ENTRY.size, _ENTRY.size)
    found = (_ENTRY.unpack_from(icc_profile, entry) for entry in entries)
    return {name: icc_profile[start : start + size] for name, start, size in found}


def _checked_xyz(content: bytes) -> bytes:
    kind, *values = _XYZ.unpack_from(content)
    if kind != b"XYZ ":
        raise ValueError
    return _XYZ.pack(kind, *values)


def _checked_curve(content: bytes) -> bytes:
    """Return a curve of points or of a formula, without what follows it."""
    kind = content[:4]
    if kind == b"curv":
        (points,) = struct.unpack_from(">I", content, 8)
        length = _CURVE_HEADER_BYTES + 2 * points
        if points > _MOST_POINTS:
            raise ValueError
    elif kind == b"para":
        (formula,) = struct.unpack_from(">H", content, 8)
        if formula >= len(_FORMULA_NUMBERS):
            raise ValueError
        length = _CURVE_HEADER_BYTES + 4 * _FORMULA_NUMBERS[formula]
    else:
        raise ValueError
    if len(content) < length:
        raise ValueError
    return content[:length]
