"""Colour profiles: pictures into sRGB, sprites into a picture's own profile.

A profile that cannot be used counts as sRGB: colours may then be a little off, but a
picture is never refused for its profile.
"""

from __future__ import annotations

import io
import struct
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
    return _apply(image, _to_srgb_transform(icc_profile, image.mode, image.mode))


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
    transform = _from_srgb_transform(icc_profile)
    if transform is None:
        return sprite_rgba
    return np.array(_apply(Image.fromarray(sprite_rgba), transform))


def rgb_profile(icc_profile: bytes | None) -> bytes | None:
    """Return the profile when it is a sound one for RGB pixels, else ``None``."""
    if icc_profile and _to_srgb_transform(icc_profile, "RGB", "RGB") is not None:
        return icc_profile
    return None


def model_to_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image | None:
    """Convert CMYK, Lab or grey with a profile to sRGB.

    Returns:
        An RGB picture, or ``None`` when no usable profile says how.
    """
    if image.mode == "LAB":
        return _apply(image, _lab_transform())
    transform = _to_srgb_transform(icc_profile or b"", image.mode, "RGB")
    return None if transform is None else _apply(image, transform)


@lru_cache(maxsize=_CACHED)
def is_srgb(icc_profile: bytes) -> bool:
    """Tell whether a profile means sRGB: by its colours, not by its name.

    One that cannot be used counts as sRGB.
    """
    transform = _to_srgb_transform(icc_profile, "RGB", "RGB")
    if transform is None:
        return True
    steps = np.linspace(0, 255, _PROBE_STEPS).astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    probe = np.ascontiguousarray(colors)
    seen = np.asarray(_apply(Image.fromarray(probe), transform))
    difference = np.abs(seen.astype(np.int16) - probe.astype(np.int16))
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
def _to_srgb_transform(
    icc_profile: bytes, mode: str, output_mode: str
) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, or ``None`` when it does not fit."""
    if icc_profile[_SPACE_FIELD] != _SPACES.get(mode):
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        return ImageCms.ImageCmsTransform(
            source, _srgb(), mode, output_mode, _INTENT, flags=_FLAGS
        )
    except _PROFILE_ERRORS:
        return None


@lru_cache(maxsize=_CACHED)
def _from_srgb_transform(icc_profile: bytes) -> ImageCms.ImageCmsTransform | None:
    if icc_profile[_SPACE_FIELD] != _SPACES["RGB"]:
        return None
    try:
        target = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        return ImageCms.ImageCmsTransform(
            _srgb(), target, "RGBA", "RGBA", _INTENT, flags=_FLAGS
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
