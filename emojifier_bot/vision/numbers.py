"""Faces' numbers on a picture, for people to name them by."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emojifier_bot.vision.canvas import Canvas
from emojifier_bot.vision.color import premultiplied, to_srgb
from emojifier_bot.vision.composite import Region, blend
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import intersection_area
from emojifier_bot.vision.plan import PlannedFace
from emojifier_bot.vision.types import ImageArray, Placement

TEXT_COLOR, GROUND_COLOR, RIM_COLOR = "white", (20, 20, 20), "white"
#: Height of the digits over the disc's diameter, its least and its greatest value, and
#: what it is at least of the picture's longer side, since chats show pictures small.
_TEXT_SHARE, _LEAST_TEXT_PX, _MOST_TEXT_PX = 0.22, 13.0, 96.0
_LEAST_OF_PICTURE = 1 / 90
#: A copy's longer side and quality.
COPY_SIDE_PX, COPY_QUALITY = 1600, 85
#: Space around the digits, and the rim's width, over the height of the text.
_PADDING, _RIM = 0.28, 0.09
#: How far outside of the rim the middle of a number lies, over its height.
_OUTWARDS = 0.25
#: Where a number may lie on the disc's rim, in order: up left, up right, down, aside.
_DIRECTIONS_DEGREES = (135, 45, 225, 315, 90, 180, 0, 270)


def draw_numbers(canvas: Canvas, faces: Sequence[PlannedFace]) -> None:
    """Write each face's number on its disc's rim, where it hides other faces least.

    Args:
        canvas: Changed in place.
        faces: With the numbers.
    """
    discs = np.array([_square(face.placement) for face in faces]).reshape(-1, 4)
    taken = np.zeros_like(discs)
    for index, face in enumerate(faces):
        label = number_label(face.number, _text_px(face.placement, canvas.image.size))
        regions = np.array(_regions(face.placement, label, canvas.image.size))
        others = np.delete(discs, index, axis=0)
        # Two numbers over each other are worse than one over a face.
        hidden = intersection_area(regions, others).sum(axis=1)
        hidden += 4 * intersection_area(regions, taken[:index]).sum(axis=1)
        taken[index] = regions[hidden.argmin()]
        x_min, y_min, x_max, y_max = map(int, taken[index])
        # A picture may be smaller than a label.
        patch = label[: y_max - y_min, : x_max - x_min]
        blend(canvas, premultiplied(patch), (x_min, y_min, x_max, y_max))


def numbered_copy(picture: DecodedImage, faces: Sequence[PlannedFace]) -> bytes:
    """Return a copy of a picture, as small as chats show it, with the faces' numbers.

    Args:
        picture: The numbers are written on its canvas.
        faces: With the numbers.

    Returns:
        A JPEG in sRGB; what is transparent is white in it.
    """
    draw_numbers(picture.canvas, faces)
    image = picture.image
    shrink = min(COPY_SIDE_PX / max(image.size), 1.0)
    size = (max(round(image.width * shrink), 1), max(round(image.height * shrink), 1))
    # By the means of whole pixels first, as many as fit: a third of the time.
    copy = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)
    copy = to_srgb(copy, picture.icc_profile)
    if copy.mode == "RGBA":
        white = Image.new("RGBA", copy.size, "white")
        copy = Image.alpha_composite(white, copy)
    encoded = io.BytesIO()
    copy.convert("RGB").save(encoded, "JPEG", quality=COPY_QUALITY)
    return encoded.getvalue()


def number_label(number: int, text_px: float) -> ImageArray:
    """Return ``(h, w, 4)`` uint8 RGBA: white digits on black, with a white rim."""
    font = ImageFont.load_default(text_px)
    left, top, right, bottom = map(round, font.getbbox(str(number), anchor="ls"))
    padding, rim = max(round(text_px * _PADDING), 2), max(round(text_px * _RIM), 1)
    height = bottom - top + 2 * (padding + rim)
    width = max(right - left + 2 * (padding + rim), height)
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    edges = (0, 0, width - 1, height - 1)
    draw.rounded_rectangle(edges, height * 0.3, GROUND_COLOR, RIM_COLOR, rim)
    x = (width - (right - left)) / 2 - left
    draw.text((x, padding + rim - top), str(number), TEXT_COLOR, font, anchor="ls")
    return np.asarray(image)


def _text_px(placement: Placement, size_wh: tuple[int, int]) -> float:
    least = max(_LEAST_TEXT_PX, max(size_wh) * _LEAST_OF_PICTURE)
    return min(max(placement.size_px * _TEXT_SHARE, least), _MOST_TEXT_PX)


def _square(placement: Placement) -> tuple[float, ...]:
    (x, y), radius = placement.center_xy, placement.size_px / 2
    return x - radius, y - radius, x + radius, y + radius


def _regions(
    placement: Placement, label: ImageArray, size_wh: tuple[int, int]
) -> list[Region]:
    """Return where a label may lie, moved into the picture."""
    x, y = placement.center_xy
    width, height = min(label.shape[1], size_wh[0]), min(label.shape[0], size_wh[1])
    away = placement.size_px / 2 + height * _OUTWARDS
    regions: list[Region] = []
    for degrees in _DIRECTIONS_DEGREES:
        turn = math.radians(degrees)
        left = round(x + math.cos(turn) * away - width / 2)
        top = round(y - math.sin(turn) * away - height / 2)
        left = min(max(left, 0), size_wh[0] - width)
        top = min(max(top, 0), size_wh[1] - height)
        regions.append((left, top, left + width, top + height))
    return regions
