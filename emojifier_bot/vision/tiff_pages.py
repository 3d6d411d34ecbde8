"""Loads pages of TIFFs, by Pillow or by our own reader of their layouts."""

from __future__ import annotations

from dataclasses import replace

from emojifier_bot.vision.color import model_to_srgb
from emojifier_bot.vision.depth import beside, is_known
from emojifier_bot.vision.jpeg import SIDEWAYS
from emojifier_bot.vision.loaded import (
    TURNS_BACK,
    Loaded,
    LoadRequest,
    open_image,
    orientation_of,
)
from emojifier_bot.vision.tiff import Directory, read_directories, without_damage
from emojifier_bot.vision.tiff_layouts import (
    range_bits,
    read_pixels,
    silence_libtiff,
)


def load_tiff(request: LoadRequest) -> Loaded:
    """Load a page of a TIFF; reduced copies and masks are none.

    Raises:
        ImageError: Its layout is not read (``unsupported``).
    """
    silence_libtiff()
    directories = read_directories(request.data)
    if any(one.damaged for one in directories):
        repaired = without_damage(request.data, directories)
        request = replace(request, data=repaired)
    pages = [index for index, one in enumerate(directories) if one.is_page] or [0]
    page = pages[request.frame]
    if not directories:
        return _load_page(request, page)
    directory = directories[page]
    try:
        loaded = None if directory.is_misread else _load_page(request, page)
    except (SyntaxError, KeyError):
        loaded = None
    # Pillow has turned what it loaded.
    dpi = directory.dpi
    if loaded is None:
        loaded = _load_layout(request, directory)
    elif dpi and directory.orientation in SIDEWAYS:
        dpi = dpi[::-1]
    return replace(loaded, bits=directory.bits, dpi=dpi, frames=len(pages))


def _load_page(request: LoadRequest, page: int) -> Loaded:
    image = open_image(request.format, request.data)
    image.seek(page)
    request.check_size(image.size)
    image.load()
    return Loaded(image, request.format.name, request.format.lossless)


def _load_layout(request: LoadRequest, directory: Directory) -> Loaded:
    """Load a page whose layout Pillow does not read."""
    request.check_size(directory.size_wh)
    orientation = orientation_of(directory)
    width, height = directory.size_wh
    upright_wh = (height, width) if orientation in SIDEWAYS else (width, height)
    counted = beside(upright_wh, request.hidden)
    if counted is not None and orientation in TURNS_BACK:
        counted = counted.transpose(TURNS_BACK[orientation])
    image = read_pixels(request.data, directory, counted)
    profile = directory.icc_profile
    if alpha := image.info.pop("alpha", None):
        image, profile = model_to_srgb(image, profile) or image.convert("RGB"), None
        image.putalpha(alpha)
    image.info = {"icc_profile": profile}
    return Loaded(
        image,
        request.format.name,
        request.format.lossless,
        orientation,
        is_scaled=not is_known(range_bits(directory)),
    )
