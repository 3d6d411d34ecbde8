"""Upright frames around faces, and what models see: crops and reduced copies.

A frame is a similarity transform from picture pixels to frame pixels. The landmark
frame comes from a detection, the canonical frame from 68 points; whatever a model sees
of a face goes through one of the two, in training and in use. It is sRGB without
transparency; the full picture is never copied.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.landmarks import (
    RIGID,
    fit_similarity,
    five_points,
)
from emojifier_bot.vision.ports import Map
from emojifier_bot.vision.types import BoundingBox, FloatArray, ImageArray

Affine = NDArray[np.float64]
#: The left, upper, right and lower edge of a part of a picture.
Region = tuple[int, int, int, int]

#: Side of the landmark frame over the longer side of the detector's box: room for the
#: chin and the brows where the box is off by a tenth.
LANDMARK_FRAME_MARGIN = 1.4
#: Distance of the outer eye corners in the canonical frame, over its side. The mean
#: face is then 0.72 of the side high, which leaves room for an open mouth.
CANONICAL_EYE_DISTANCE = 0.46
#: Where the middle of the outer eye corners lies in the canonical frame, over its side.
CANONICAL_EYE_CENTER = (0.5, 0.33)
#: The mean of the training part of HELEN and AFW, made symmetric: x right, y down,
#: origin between the outer eye corners, whose distance is 1.
# fmt: off
MEAN_FACE: FloatArray = np.array(
    [
        # jaw
        (-0.821, 0.014), (-0.814, 0.23), (-0.791, 0.445), (-0.746, 0.654),
        (-0.661, 0.847), (-0.53, 1.015), (-0.369, 1.155), (-0.195, 1.265), (0.0, 1.297),
        (0.195, 1.265), (0.369, 1.155), (0.53, 1.015), (0.661, 0.847), (0.746, 0.654),
        (0.791, 0.445), (0.814, 0.23), (0.821, 0.014),
        # right brow
        (-0.666, -0.144), (-0.567, -0.238), (-0.423, -0.271), (-0.273, -0.252),
        (-0.132, -0.199),
        # left brow
        (0.132, -0.199), (0.273, -0.252), (0.423, -0.271), (0.567, -0.238),
        (0.666, -0.144),
        # bridge of the nose
        (0.0, -0.024), (0.0, 0.114), (0.0, 0.249), (0.0, 0.389),
        # nostrils
        (-0.17, 0.491), (-0.088, 0.52), (0.0, 0.543), (0.088, 0.52), (0.17, 0.491),
        # right eye
        (-0.5, 0.0), (-0.41, -0.05), (-0.303, -0.049), (-0.208, 0.02), (-0.308, 0.038),
        (-0.416, 0.036),
        # left eye
        (0.208, 0.02), (0.303, -0.049), (0.41, -0.05), (0.5, 0.0), (0.416, 0.036),
        (0.308, 0.038),
        # outer lips
        (-0.317, 0.748), (-0.2, 0.699), (-0.08, 0.675), (0.0, 0.695), (0.08, 0.675),
        (0.2, 0.699), (0.317, 0.748), (0.204, 0.863), (0.087, 0.914), (0.0, 0.923),
        (-0.087, 0.914), (-0.204, 0.863),
        # inner lips
        (-0.269, 0.753), (-0.081, 0.742), (0.0, 0.751), (0.081, 0.742), (0.269, 0.753),
        (0.083, 0.811), (0.0, 0.821), (-0.083, 0.811),
    ],
    dtype=np.float32,
)
# fmt: on
_MEAN_FIVE = five_points(MEAN_FACE)
#: Transparent pixels show this grey to the models.
BACKGROUND = 127
#: A region is reduced until it is at most this many times larger than its frame;
#: bilinear sampling then skips no pixel.
REDUCED_TO = 2.0
#: Room around a region, so that bilinear sampling meets no cut.
MARGIN_PX = 2


def landmark_frame(
    box: BoundingBox, five_xy: FloatArray | None, size_px: int
) -> Affine:
    """Return the frame in which 68 points are looked for; see `upright_frame`."""
    return upright_frame(box, five_xy, size_px, LANDMARK_FRAME_MARGIN)


def upright_frame(
    box: BoundingBox, five_xy: FloatArray | None, size_px: int, margin: float
) -> Affine:
    """Return a square around a detection in which the face is upright.

    Args:
        box: The detector's box.
        five_xy: ``(5, 2)`` its points, which tell the roll; None means upright.
        size_px: Side of the frame.
        margin: Side of the square over the longer side of the box.

    Returns:
        ``(2, 3)`` float64, picture pixels to frame pixels.
    """
    turn = 0.0
    if five_xy is not None:
        upright = fit_similarity(five_xy, _MEAN_FIVE)
        turn = math.atan2(upright[1, 0], upright[0, 0])
    longer = max(box.width, box.height, 1.0)
    scale = size_px / (margin * longer)
    return centered_frame(box.center_xy, scale, turn, size_px)


def canonical_frame(points_xy: FloatArray, size_px: int) -> Affine:
    """Return the frame in which every face has its eyes in the same place.

    Args:
        points_xy: ``(68, 2)`` float32 pixels.
        size_px: Side of the frame.

    Returns:
        ``(2, 3)`` float64, picture pixels to frame pixels.
    """
    rigid = list(RIGID)
    return fit_similarity(points_xy[rigid], canonical_face(size_px)[rigid])


def canonical_face(size_px: int) -> FloatArray:
    """Return the ``(68, 2)`` float32 points of the mean face in the canonical frame."""
    center = np.array(CANONICAL_EYE_CENTER, np.float32)
    return ((MEAN_FACE * CANONICAL_EYE_DISTANCE + center) * size_px).astype(np.float32)


def centered_frame(
    center_xy: tuple[float, float], scale: float, turn_radians: float, size_px: int
) -> Affine:
    """Return the frame that has ``center_xy`` in its middle.

    Args:
        center_xy: Picture pixels.
        scale: Frame pixels per picture pixel.
        turn_radians: Turn applied to the picture, clockwise on screen positive.
        size_px: Side of the frame.
    """
    cos, sin = scale * math.cos(turn_radians), scale * math.sin(turn_radians)
    x, y = center_xy
    middle = size_px / 2
    return np.array(
        [
            [cos, -sin, middle - cos * x + sin * y],
            [sin, cos, middle - sin * x - cos * y],
        ]
    )


def invert(frame: Affine) -> Affine:
    """Return the transform from frame pixels back to picture pixels."""
    # For one matrix, several times faster than numpy's functions.
    (a, b, x), (c, d, y) = frame.tolist()
    area = a * d - b * c
    x, y = (d * x - b * y) / -area, (a * y - c * x) / -area
    return np.array([[d / area, -b / area, x], [-c / area, a / area, y]])


def frame_scale(frame: Affine) -> float:
    """Return how many frame pixels one picture pixel becomes."""
    return float(np.hypot(frame[0, 0], frame[1, 0]))


def reduced_copy(
    picture: DecodedImage, longer_side_px: int, side_by_side: Map = map
) -> ImageArray:
    """Return the whole picture with its longer side at a given length.

    Args:
        picture: Any decoded picture.
        longer_side_px: Length of the longer side; the shorter is at least 1.
        side_by_side: Reduces both halves of a large picture.

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
    reduced = _reduced_by_halves(image, factor, side_by_side) if factor > 1 else image
    return _as_models_see(picture, reduced.resize(size, Image.Resampling.BILINEAR, box))


def cut_frame(picture: DecodedImage, frame: Affine, size_px: int) -> ImageArray:
    """Cut an upright square out of a picture; beyond the edge its border repeats.

    Args:
        picture: Any decoded picture.
        frame: ``(2, 3)`` picture pixels to frame pixels.
        size_px: Side of the frame.

    Returns:
        ``(size, size, 3)`` uint8 RGB.
    """
    patch, matrix = frame_patch(picture, frame, size_px)
    return warp(patch, matrix, (size_px, size_px))


def frame_patch(
    picture: DecodedImage, frame: Affine, size_px: int
) -> tuple[ImageArray, Affine]:
    """Return the part of a picture that a frame shows, as large as the frame needs.

    Args:
        picture: Any decoded picture.
        frame: ``(2, 3)`` picture pixels to frame pixels.
        size_px: Side of the frame.

    Returns:
        ``(H, W, 3)`` uint8 RGB, and the ``(2, 3)`` transform of its pixels to those of
        the frame.
    """
    region = _region(picture, frame, size_px)
    factor = math.ceil(1 / (frame_scale(frame) * REDUCED_TO))
    patch = _reduced(picture.image, factor, region)
    # Reduced pixels of the last row and column may be cut short; the scale is exact.
    to_picture = np.array([[factor, 0.0, region[0]], [0.0, factor, region[1]]])
    matrix = frame[:, :2] @ to_picture
    matrix[:, 2] += frame[:, 2]
    return _as_models_see(picture, patch), matrix


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


def _region(picture: DecodedImage, frame: Affine, size_px: int) -> Region:
    """Return the part of the picture that a frame shows, never empty."""
    edges = []
    for (a, b, shift), length in zip(
        invert(frame).tolist(), picture.image.size, strict=True
    ):
        corners = [shift + way * size_px for way in (0.0, a, b, a + b)]
        low = min(max(math.floor(min(corners)) - MARGIN_PX, 0), length - 1)
        high = min(max(math.ceil(max(corners)) + MARGIN_PX, low + 1), length)
        edges.append((low, high))
    (x_min, x_max), (y_min, y_max) = edges
    return x_min, y_min, x_max, y_max


def _reduced(image: Image.Image, factor: int, box: Region) -> Image.Image:
    """Return a part of a picture by the means of ``factor`` times ``factor`` pixels."""
    if factor == 1:
        return image.crop(box)
    if image.mode == "RGBA":
        # Pillow reduces a copy of all that it is given.
        return image.crop(box).reduce(factor)
    return image.reduce(factor, box)


def _reduced_by_halves(
    image: Image.Image, factor: int, side_by_side: Map
) -> Image.Image:
    width, height = image.size
    edges = sorted({0, height // factor // 2 * factor, height})
    boxes = [(0, upper, width, lower) for upper, lower in pairwise(edges)]
    parts = side_by_side(partial(_reduced, image, factor), boxes)
    whole = Image.new(
        image.mode, (math.ceil(width / factor), math.ceil(height / factor))
    )
    for upper, part in zip(edges, parts, strict=False):
        whole.paste(part, (0, upper // factor))
    return whole


def _as_models_see(picture: DecodedImage, image: Image.Image) -> ImageArray:
    if image.mode == "RGBA":
        background = Image.new("RGBA", image.size, (*[BACKGROUND] * 3, 255))
        image = Image.alpha_composite(background, image).convert("RGB")
    return np.asarray(to_srgb(image, picture.icc_profile))
