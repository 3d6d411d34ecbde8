"""What a detector sees of a picture: reduced, turned and stretched copies, tiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from emojifier_bot.vision.crops import (
    BACKGROUND,
    Affine,
    grey,
    invert,
    reduced_copy,
    warp,
)
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import moved
from emojifier_bot.vision.ports import FaceDetector, Map
from emojifier_bot.vision.types import Detection, ImageArray

#: Longer sides of the copies.
COARSE_PX, MAIN_PX, FINE_PX = 320, 640, 960
#: Longer side of the copy with room around it, and the room at each edge: faces may be
#: much larger than the picture.
PADDED_PX, PADDING_PX = 96, 64
#: A picture whose brightness spans less than this (of 255) is stretched to all of it,
LOW_CONTRAST = 80
#: but never more than so many times: there is only noise in a blank page.
MOST_STRETCH = 8.0
#: This share of the pixels at either end is too little for a face.
CONTRAST_TAIL = 0.0005
LEVELS, WHOLE_RANGE = 256, (0.0, 255.0)
#: OpenCV's names for quarter turns counter-clockwise, by their number.
TURNS = {
    1: cv2.ROTATE_90_COUNTERCLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_CLOCKWISE,
}
#: A picture is cut into tiles if it is this many times longer than wide.
TILED_SHAPE = 2.5
#: A tile is this many times longer than wide, and not shorter than the main copy;
TILE_SHAPE = 1.5
#: it shares as much as the picture is wide with each neighbour, at most this part.
TILE_OVERLAP = 1 / 3
#: A strip that is narrower, in pixels, shows no face that a tile would help.
LEAST_TILED_PX = 32
#: Tiles of a picture: they grow where there would be more.
MAX_TILES = 24
#: What lies this near to the edge between tiles is cut, in shares of the shorter side.
SEAM_SHARE = 0.01
#: Of one pass and of a picture, the most confident. No annotated photograph known to us
#: shows more than 2,000 faces (WIDER FACE); a made-up one of thousands of tiny faces
#: would keep a worker busy for minutes.
MAX_FACES = 3000


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One run of the detector over a copy of the picture."""

    detector: FaceDetector
    image: ImageArray
    #: From pixels of this copy to those of the main copy.
    to_main: Affine

    def run(self) -> list[Detection]:
        """Return the faces in pixels of the main copy, best first."""
        return moved(self.detector.detect(self.image)[:MAX_FACES], self.to_main)


class Copies:
    """The reduced copies of a picture, and passes over them."""

    def __init__(
        self,
        detector: FaceDetector,
        picture: DecodedImage,
        side_by_side: Map = map,
    ) -> None:
        """Make the main and the coarse copy; passes may run side by side."""
        self._detector, self._picture = detector, picture
        self._side_by_side = side_by_side
        self.longer_side_px = max(picture.image.size)
        #: The main copy before a picture of little contrast is stretched.
        self.plain = reduced_copy(picture, MAIN_PX, side_by_side)
        small = _shrunk(self.plain, COARSE_PX)
        self._levels = contrast_levels(small)
        self.main = stretched(self.plain, self._levels)
        self.coarse = stretched(small, self._levels)
        #: From pixels of the main copy to those of the picture.
        self.to_picture = _scaling(picture.image.width / self.main.shape[1])

    def fine(self) -> ImageArray:
        """Make the fine copy."""
        larger = reduced_copy(self._picture, FINE_PX, self._side_by_side)
        return stretched(larger, self._levels)

    def run(self, passes: Iterable[Pass]) -> Iterable[list[Detection]]:
        """Return what passes found that do not depend on each other, in order."""
        return self._side_by_side(Pass.run, passes)

    def look(self, image: ImageArray, degrees: int) -> Pass:
        """Return a pass over a copy, turned counter-clockwise."""
        turned, back = turned_copy(image, degrees)
        scale = self.main.shape[1] / image.shape[1]
        return Pass(self._detector, turned, scale * back)

    def padded(self, degrees: int) -> Pass:
        """Return a pass over a small copy with room around it."""
        one = self.look(_shrunk(self.main, PADDED_PX), degrees)
        image = cv2.copyMakeBorder(
            one.image,
            *(PADDING_PX, PADDING_PX, PADDING_PX, PADDING_PX),
            cv2.BORDER_CONSTANT,
            value=[BACKGROUND] * 3,
        )
        back = one.to_main.copy()
        back[:, 2] -= back[:, :2].sum(axis=1) * PADDING_PX
        return Pass(self._detector, np.asarray(image, np.uint8), back)


def turned_copy(image: ImageArray, degrees: int) -> tuple[ImageArray, Affine]:
    """Turn a copy counter-clockwise, with room for all of it.

    Args:
        image: ``(H, W, 3)`` uint8.
        degrees: 0 to 359; quarter turns keep every pixel.

    Returns:
        The turned copy, and ``(2, 3)`` float64 from its pixels to those of the image.
    """
    height, width = image.shape[:2]
    turn = math.radians(degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    linear = np.array([[cos, sin], [-sin, cos]])
    if degrees % 90 == 0:
        linear = linear.round()
        quarters = degrees // 90
        turned = image
        if quarters:
            turned = np.asarray(cv2.rotate(image, TURNS[quarters]), np.uint8)
        size_wh = np.array(turned.shape[1::-1])
    else:
        size_wh = np.ceil(np.abs(linear) @ [width, height]).astype(int)
        turned = image
    matrix = np.hstack(
        [linear, (size_wh / 2 - linear @ [width / 2, height / 2])[:, None]]
    )
    if degrees % 90:
        border = cv2.BORDER_CONSTANT
        turned = warp(image, matrix, (int(size_wh[0]), int(size_wh[1])), border=border)
    return turned, invert(matrix)


def contrast_levels(image: ImageArray) -> tuple[float, float]:
    """Return the darkest and the brightest level of a picture of little contrast.

    Of other pictures, and never closer than `MOST_STRETCH` allows, 0 and 255.
    """
    counts = np.bincount(grey(image).ravel(), minlength=LEVELS)
    darker = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(darker, [CONTRAST_TAIL, 1 - CONTRAST_TAIL])
    if high - low >= LOW_CONTRAST:
        return WHOLE_RANGE
    missing = max(WHOLE_RANGE[1] / MOST_STRETCH - (high - low), 0.0)
    return float(low - missing / 2), float(high + missing / 2)


def stretched(image: ImageArray, levels: tuple[float, float]) -> ImageArray:
    """Return a picture whose given levels became 0 and 255."""
    low, high = levels
    if levels == WHOLE_RANGE:
        return image
    table = (np.arange(LEVELS) - low) * (WHOLE_RANGE[1] / (high - low))
    return np.asarray(cv2.LUT(image, np.clip(table, 0, 255).round().astype(np.uint8)))


def tiles(size_wh: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Return the overlapping tiles of a long or wide picture; none of another.

    Args:
        size_wh: Width and height of the picture.

    Returns:
        Their left, upper, right and lower edges, in order.
    """
    shorter, longer = sorted(size_wh)
    least = TILED_SHAPE * max(shorter, MAIN_PX / TILE_SHAPE)
    if shorter < LEAST_TILED_PX or longer < least:
        return []
    tile = max(TILE_SHAPE * shorter, MAIN_PX)
    overlap = min(shorter, tile * TILE_OVERLAP)
    count = min(math.ceil((longer - overlap) / (tile - overlap)), MAX_TILES)
    tile = (longer + (count - 1) * overlap) / count
    begins = [round(index * (tile - overlap)) for index in range(count)]
    ends = [min(round(begin + tile), longer) for begin in begins]
    ends[-1] = longer
    if size_wh[0] >= size_wh[1]:
        return [(a, 0, b, shorter) for a, b in zip(begins, ends, strict=True)]
    return [(0, a, shorter, b) for a, b in zip(begins, ends, strict=True)]


def uncut(
    found: Sequence[Detection],
    tile: tuple[int, int, int, int],
    size_wh: tuple[int, int],
) -> list[Detection]:
    """Return the detections of a tile that no edge between two tiles cuts.

    The neighbour shows the others whole, or the picture does as a whole.

    Args:
        found: In pixels of the tile.
        tile: Its edges in the picture.
        size_wh: Width and height of the picture.
    """
    left, upper, right, lower = tile
    margin = SEAM_SHARE * min(size_wh)
    least_xy = [margin if edge > 0 else -math.inf for edge in (left, upper)]
    most_xy = [
        edge - begin - margin if edge < length else math.inf
        for edge, begin, length in zip(
            (right, lower), (left, upper), size_wh, strict=True
        )
    ]
    return [
        one
        for one in found
        if one.box.x_min >= least_xy[0]
        and one.box.y_min >= least_xy[1]
        and one.box.x_max <= most_xy[0]
        and one.box.y_max <= most_xy[1]
    ]


def _scaling(scale: float) -> Affine:
    return np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])


def _shrunk(image: ImageArray, longer_side_px: int) -> ImageArray:
    shrink = longer_side_px / max(image.shape[:2])
    height, width = image.shape[:2]
    size_wh = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
