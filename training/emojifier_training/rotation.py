"""Labelled pictures turned in their plane, boxes and all."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from emojifier_bot.vision.boxes import turned_boxes
from emojifier_bot.vision.types import Detection, FloatArray
from emojifier_training.data import LabelledPicture
from emojifier_training.evaluate_detector import (
    REFERENCE_PX,
    Found,
    Progress,
    beside_labels,
    picture_of,
)

#: Counter-clockwise on screen.
ROTATIONS_DEGREES = (0, 45, 90, 180)
#: What shows beyond the corners of a turned picture.
GROUND_RGB = (127, 127, 127)


def rotated(picture: LabelledPicture, degrees: float) -> LabelledPicture:
    """Return a picture turned counter-clockwise, with room for all of it.

    Boxes become those of turned ellipses; the five points are dropped.
    """
    image = picture_of(picture)
    turned = image.rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=GROUND_RGB
    )
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", compress_level=1)
    count = len(picture.xyxy)
    return dataclasses.replace(
        picture,
        encoded=buffer.getvalue(),
        xyxy=rotated_boxes(picture.xyxy, degrees, image.size, turned.size),
        points_xy=np.full((count, 5, 2), np.nan, np.float32),
    )


def rotated_boxes(
    xyxy: FloatArray,
    degrees: float,
    size_wh: tuple[int, int],
    turned_wh: tuple[int, int],
) -> FloatArray:
    """Return where boxes lie after a turn about the middle of the picture.

    Args:
        xyxy: ``(N, 4)`` float32 pixels before the turn.
        degrees: The turn, counter-clockwise.
        size_wh: Size of the picture before the turn.
        turned_wh: Size of the picture after it.
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    center = (xyxy[:, :2] + xyxy[:, 2:]) / 2 - np.array(size_wh, np.float32) / 2
    turn = np.array([[cos, -sin], [sin, cos]], np.float32)
    center = center @ turn + np.array(turned_wh, np.float32) / 2
    return turned_boxes(center.astype(np.float32), xyxy[:, 2:] - xyxy[:, :2], degrees)


def find_rotated(
    detect: Callable[[LabelledPicture], list[Detection]],
    pictures: Sequence[LabelledPicture],
    degrees: float,
    progress: Progress,
) -> list[Found]:
    """Let the detector look at turned copies; heights are those of upright faces."""
    found = []
    for index, picture in enumerate(pictures):
        turned = rotated(picture, degrees)
        one = beside_labels(turned, detect(turned))
        scale = REFERENCE_PX / max(picture_of(turned).size)
        heights = (picture.xyxy[:, 3] - picture.xyxy[:, 1]) * np.float32(scale)
        found.append(dataclasses.replace(one, heights=heights))
        progress(index + 1, len(pictures))
    return found
