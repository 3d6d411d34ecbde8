"""Reduced copies and upright frames cut out of a decoded picture, as models see them.

Whatever leaves here is sRGB without transparency; the full picture is never copied.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.frames import Affine, frame_scale, invert
from emojifier_bot.vision.landmark_geometry import apply_affine
from emojifier_bot.vision.types import FloatArray, ImageArray

#: Transparent pixels show this grey to the models.
GROUND = 127
#: A region is reduced until it is at most this many times larger than its frame;
#: bilinear sampling then skips no pixel.
REDUCED_TO = 2.0
#: Room around a region, so that bilinear sampling meets no cut.
MARGIN_PX = 2


def reduced_copy(picture: DecodedImage, longer_side_px: int) -> ImageArray:
    """Return the whole picture with its longer side at a given length.

    Args:
        picture: Any decoded picture.
        longer_side_px: Length of the longer side; the shorter is at least 1.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    image = picture.image
    scale = longer_side_px / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    # Whole pixels first, as many as fit: reading a large picture is what costs.
    factor = int(1 / scale) if scale < 1 / REDUCED_TO else 1
    # The last row and column of a reduced picture may be cut short; the box is exact.
    box = (0, 0, image.width / factor, image.height / factor)
    reduced = image.reduce(factor) if factor > 1 else image
    return _seen(picture, reduced.resize(size, Image.Resampling.BILINEAR, box))


def cut_frame(picture: DecodedImage, frame: Affine, size_px: int) -> ImageArray:
    """Cut an upright square out of a picture; beyond the edge its border repeats.

    Args:
        picture: Any decoded picture.
        frame: ``(2, 3)`` picture pixels to frame pixels.
        size_px: Side of the frame.

    Returns:
        ``(size, size, 3)`` uint8 RGB.
    """
    region = _region(picture, frame, size_px)
    factor = math.ceil(1 / (frame_scale(frame) * REDUCED_TO))
    patch = (
        picture.image.reduce(factor, box=region)
        if factor > 1
        else (picture.image.crop(region))
    )
    # Reduced pixels of the last row and column may be cut short; the scale is exact.
    to_picture = np.array([[factor, 0.0, region[0]], [0.0, factor, region[1]]])
    matrix = frame[:, :2] @ to_picture
    matrix[:, 2] += frame[:, 2]
    return warp(_seen(picture, patch), matrix, (size_px, size_px))


def warp(
    image: ImageArray,
    matrix: Affine,
    size_wh: tuple[int, int],
    *,
    border: int = cv2.BORDER_REPLICATE,
) -> ImageArray:
    """Move an image by a transform between pixel corners, bilinear.

    OpenCV counts from pixel centres, so the transform is shifted by half a pixel.

    Args:
        image: ``(H, W, C)`` uint8.
        matrix: ``(2, 3)`` image pixels to result pixels.
        size_wh: Width and height of the result.
        border: What lies beyond the edge, one of OpenCV's border modes.
    """
    half = np.array([0.5, 0.5])
    shift = matrix[:, :2] @ half + matrix[:, 2] - half
    by_center = np.hstack([matrix[:, :2], shift[:, None]])
    warped = cv2.warpAffine(
        image,
        by_center,
        size_wh,
        flags=cv2.INTER_LINEAR,
        borderMode=border,
    )
    return np.asarray(warped, np.uint8)


def grey(image: ImageArray) -> ImageArray:
    """Return the ``(H, W)`` luma of an ``(H, W, 3)`` RGB image."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _region(
    picture: DecodedImage, frame: Affine, size_px: int
) -> tuple[int, int, int, int]:
    """Return the part of the picture that a frame shows, never empty."""
    square = np.array([[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]])
    corners: FloatArray = apply_affine(invert(frame), square.astype(np.float32))
    low = np.floor(corners.min(axis=0)).astype(int) - MARGIN_PX
    high = np.ceil(corners.max(axis=0)).astype(int) + MARGIN_PX
    width, height = picture.image.size
    x_min = min(max(int(low[0]), 0), width - 1)
    y_min = min(max(int(low[1]), 0), height - 1)
    x_max = min(max(int(high[0]), x_min + 1), width)
    y_max = min(max(int(high[1]), y_min + 1), height)
    return x_min, y_min, x_max, y_max


def _seen(picture: DecodedImage, image: Image.Image) -> ImageArray:
    if image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, (GROUND, GROUND, GROUND, 255))
        image = Image.alpha_composite(ground, image).convert("RGB")
    return np.asarray(to_srgb(image, picture.icc_profile))
