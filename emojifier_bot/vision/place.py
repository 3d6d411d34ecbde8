"""Where an emoji's disc goes: centre, diameter and roll from the 68 points.

The roll is that of the eye line, the mean of the right eye's six points to that of the
left eye's. It stays level when a head turns aside, where the nose wanders off and takes
a fit of all rigid points with it: by 6 degrees at a half profile, and the brows, which
neither uses, agree with the eye line to 1 degree, with the fit to 2.4.

The disc is the smallest circle around all 68 points, larger by a margin for what the
points are off, and moved up the face, since the points end at the brows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from emojifier_bot.vision.landmarks import roll_degrees
from emojifier_bot.vision.types import BoundingBox, FloatArray, Landmarks, Placement

#: How much larger than the smallest circle around the points the disc is. Chosen,
#: with `RAISE`, on the training part of the landmark sets.
MARGIN = 0.18
#: How far the disc is moved towards the forehead, over the smallest circle's radius.
#: It must be smaller than `MARGIN`, or the disc would bare the chin.
RAISE = 0.10
#: The disc's usual diameter over the face's height, the median of the same sets.
DIAMETER_PER_HEIGHT = 1.42
#: Faces whose centres differ less than this in y stand in one row, in face heights.
ROW_HEIGHT = 0.5
#: Diameter of the disc over the longer side of a box that somebody drew: it covers the
#: ellipse in the box, and a little more.
DIAMETER_PER_BOX = 1.1
#: Smallest disc: points that all coincide would give none.
MIN_DIAMETER_PX = 1.0


def place(landmarks: Landmarks) -> Placement:
    """Return the disc that covers a face.

    Args:
        landmarks: 68 points, pixels of the upright picture; any roll.

    Returns:
        The disc, which may reach beyond the picture's edge.
    """
    points_xy = landmarks.points_xy
    roll = roll_degrees(points_xy)
    # Around the mean, since float32 loses hundredths of a pixel far from the origin.
    mean = points_xy.mean(axis=0, dtype=np.float64)
    (x, y), radius = cv2.minEnclosingCircle((points_xy - mean).astype(np.float32))
    up_x, up_y = _up(roll)
    lift = RAISE * radius
    return Placement(
        center_xy=(
            float(mean[0] + x) + up_x * lift,
            float(mean[1] + y) + up_y * lift,
        ),
        size_px=max(2 * radius * (1 + MARGIN), MIN_DIAMETER_PX),
        roll_degrees=roll,
    )


def place_on_box(box: BoundingBox) -> Placement:
    """Return the upright disc that covers what lies in a box."""
    size_px = max(box.width, box.height) * DIAMETER_PER_BOX
    return Placement(box.center_xy, max(size_px, MIN_DIAMETER_PX), 0.0)


def face_height(points_xy: FloatArray) -> float:
    """Return the distance of the highest to the lowest point along the face's axis.

    Args:
        points_xy: ``(68, 2)`` float32 pixels, any roll.

    Returns:
        Pixels, from brows to chin.
    """
    along = points_xy.astype(np.float64) @ np.array(_up(roll_degrees(points_xy)))
    return float(np.ptp(along))


def paint_order(placements: Sequence[Placement]) -> list[int]:
    """Return the indices in the order of painting: the nearest face, the largest, last.

    Equally large ones are painted from top to bottom, then from left to right.
    """

    def key(index: int) -> tuple[float, float, float]:
        x, y = placements[index].center_xy
        return placements[index].size_px, y, x

    return sorted(range(len(placements)), key=key)


def reading_order(placements: Sequence[Placement]) -> list[int]:
    """Return the indices row by row from the top, each row from left to right.

    A row is begun by the highest face left. Whoever's centre lies less than half a
    face height (the mean of both) below that one's belongs to it.
    """

    def top_down(index: int) -> tuple[float, float, float]:
        x, y = placements[index].center_xy
        return y, x, placements[index].size_px

    left = sorted(range(len(placements)), key=top_down)
    order: list[int] = []
    while left:
        first = placements[left[0]]
        row = []
        for index in left:
            other = placements[index]
            height = (first.size_px + other.size_px) / 2 / DIAMETER_PER_HEIGHT
            if abs(first.center_xy[1] - other.center_xy[1]) < ROW_HEIGHT * height:
                row.append(index)
        order += sorted(row, key=lambda index: placements[index].center_xy)
        left = [index for index in left if index not in row]
    return order


def _up(roll: float) -> tuple[float, float]:
    """Return the unit vector from the chin to the forehead."""
    radians = math.radians(roll)
    return -math.sin(radians), -math.cos(radians)
