"""Training crops for the detector: scaled, turned, mirrored, recoloured, covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.crops import (
    REDUCED_TO,
    Affine,
    centered_frame,
    frame_scale,
    warp,
)
from emojifier_bot.vision.detector import turned_boxes
from emojifier_bot.vision.landmarks import apply_affine
from emojifier_bot.vision.types import FloatArray, ImageArray
from emojifier_training.data import LabelledPicture

CROP_PX = 320
#: Faces lower than this in the crop are neither wanted nor background.
SMALLEST_FACE_PX = 8.0
#: A crop is drawn around a face that is at least this high in the stored picture.
SMALLEST_CENTRE_FACE_PX = 4.0
#: Heights that a chosen face is scaled to, log-uniform, pixels.
FACE_HEIGHTS_PX = (10.0, 320.0)
SCALES = (0.25, 1.6)
#: Scales of crops that are drawn around no face.
FREE_SCALES = (0.4, 1.6)
#: Most faces of one crop that are learned; crowds are sampled.
FACES_PER_CROP = 80
#: A second look covers what lies beyond 45 degrees; the rest is for its edges.
TURN_DEGREES = 55.0
#: Only faces turned by less than this are turned on the side or upside down too.
NEAR_UPRIGHT_DEGREES = 25.0
#: Least share of the crop's side that the picture's longer side fills.
LEAST_FILL = 1.0
#: How far off the crop's middle the chosen face may lie, shares of the crop's side.
SHIFT = 0.45
#: A page of small faces: sides of its tiles, most different faces, and the side of what
#: a tile shows, in heights of the face.
TILES_PX, TILE_FACES, TILE_MARGINS = (16, 80), 6, (1.1, 1.9)
#: A face in a tile is at least this high in the stored picture.
LEAST_TILE_FACE_PX = 32.0
#: Ranges of what is multiplied with and added to pixels of 0 to 255.
CONTRASTS, BRIGHTNESSES, TINTS = (0.75, 1.25), (-20, 20), (0.9, 1.1)
#: Ranges of a Gaussian's sigma, JPEG's quality, the number and size of hidden parts.
BLURS_PX, JPEG_QUALITIES = (0.3, 1.6), (25, 90)
HIDDEN_PARTS, HIDDEN_SIZES_PX = (1, 6), (4, 60)
NO_BOXES = np.zeros((0, 4), np.float32)
#: ``(S, S, 3)`` uint8 BGR, and the ``(4,)`` xyxy box of its face in shares of the side.
Tile = tuple[ImageArray, FloatArray]


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each thing happens to a crop."""

    around_face: float = 0.85
    turn: float = 0.3
    mirror: float = 0.5
    grey: float = 0.1
    tint: float = 0.3
    blur: float = 0.1
    jpeg: float = 0.15
    hide: float = 0.1
    #: Turned on the side or upside down, where faces are background: the second look
    #: finds those, and only the right look may be confident.
    overturn: float = 0.08
    #: Four crops in one, each at half its size.
    mosaic: float = 0.25
    #: A page of small faces side by side, as collages and lists of people are.
    collage: float = 0.08


CHANCES = Chances()


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One training picture with its faces."""

    #: ``(S, S, 3)`` uint8 BGR.
    image_bgr: ImageArray
    #: ``(N, 4)`` xyxy of wanted faces and ``(M, 4)`` of ignored ones.
    xyxy: FloatArray
    ignored_xyxy: FloatArray
    #: ``(N, 5, 2)``, NaN where unknown.
    points_xy: FloatArray


def random_crop(
    image: ImageArray,
    picture: LabelledPicture,
    random: np.random.Generator,
    chances: Chances = CHANCES,
    mistakes_xyxy: FloatArray = NO_BOXES,
) -> Crop:
    """Scale, turn, mirror and recolour a random square of a picture.

    Args:
        image: ``(H, W, 3)`` uint8 RGB, the picture decoded.
        picture: Its labels.
        random: Every choice is drawn from it.
        chances: How often each thing happens.
        mistakes_xyxy: ``(N, 4)`` pixels, what was taken for a face: background, around
            which crops are drawn as they are around faces.
    """
    faces = picture.xyxy[~picture.invalid]
    boxes = np.concatenate([faces, mistakes_xyxy])
    frame, turn = _random_frame(image, boxes, random, chances)
    overturned = abs(turn) < NEAR_UPRIGHT_DEGREES and random.random() < chances.overturn
    if overturned:
        frame = _overturned(frame, random)
    boxes, points = _moved(picture, frame, turn)
    pixels = _warp(image, frame)
    if random.random() < chances.mirror:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        boxes, points = _mirrored(boxes, points)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = ((boxes[:, 2:] > 0) & (boxes[:, :2] < CROP_PX)).all(axis=1)
    within = ((centers > 0) & (centers < CROP_PX)).all(axis=1)
    high = boxes[:, 3] - boxes[:, 1] >= SMALLEST_FACE_PX
    wanted = np.flatnonzero(near & within & high & ~picture.invalid)
    pixels = _recolour(pixels, random, chances)
    if overturned:
        return Crop(pixels, boxes[:0], boxes[:0], points[:0])
    if len(wanted) > FACES_PER_CROP:
        wanted = random.choice(wanted, FACES_PER_CROP, replace=False)
    ignored = np.setdiff1d(np.flatnonzero(near), wanted)
    return Crop(pixels, boxes[wanted], boxes[ignored], points[wanted])


def mosaic(crops: Sequence[Crop]) -> Crop:
    """Join four crops at half their size, as YOLOv4 does (Bochkovskiy et al., 2020).

    Small faces come more often that way, beside what they are not seen beside.
    """
    half = CROP_PX // 2
    image = np.empty((CROP_PX, CROP_PX, 3), np.uint8)
    wanted, ignored, points = [], [], []
    for index, crop in enumerate(crops):
        x, y = half * (index % 2), half * (index // 2)
        image[y : y + half, x : x + half] = cv2.resize(
            crop.image_bgr, (half, half), interpolation=cv2.INTER_AREA
        )
        corner = np.array([x, y], np.float32)
        boxes = np.clip(crop.xyxy / 2, 0, half) + np.tile(corner, 2)
        high = crop.xyxy[:, 3] - crop.xyxy[:, 1] >= 2 * SMALLEST_FACE_PX
        wanted.append(boxes[high])
        points.append(crop.points_xy[high] / 2 + corner)
        others = np.clip(crop.ignored_xyxy / 2, 0, half) + np.tile(corner, 2)
        ignored += [boxes[~high], others]
    return Crop(
        image, np.concatenate(wanted), np.concatenate(ignored), np.concatenate(points)
    )


def collage(tiles: Sequence[Tile], random: np.random.Generator) -> Crop:
    """Repeat a few faces in rows and columns, without points.

    Args:
        tiles: At least one.
        random: Every choice is drawn from it.
    """
    side = round(float(np.exp(random.uniform(*np.log(TILES_PX)))))
    count = CROP_PX // side
    small = [
        cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one, _ in tiles
    ]
    image = np.full((CROP_PX, CROP_PX, 3), random.integers(0, 256), np.uint8)
    chosen = random.integers(0, len(tiles), (count, count))
    boxes = np.empty((count, count, 4), np.float32)
    for row, column in np.ndindex(count, count):
        x, y = column * side, row * side
        tile = int(chosen[row, column])
        image[y : y + side, x : x + side] = small[tile]
        boxes[row, column] = tiles[tile][1] * side + np.array([x, y, x, y])
    xyxy = boxes.reshape(-1, 4)
    order = random.permutation(len(xyxy))
    high = xyxy[:, 3] - xyxy[:, 1] >= SMALLEST_FACE_PX
    wanted = order[high[order]][:FACES_PER_CROP]
    ignored = np.setdiff1d(order, wanted)
    unknown = np.full((len(wanted), 5, 2), np.nan, np.float32)
    return Crop(image, xyxy[wanted], xyxy[ignored], unknown)


def face_tile(
    image: ImageArray, picture: LabelledPicture, random: np.random.Generator
) -> Tile | None:
    """Cut the square around a face of a picture, None if it has none large enough."""
    sizes = picture.xyxy[:, 2:] - picture.xyxy[:, :2]
    good = np.flatnonzero((sizes[:, 1] >= LEAST_TILE_FACE_PX) & ~picture.invalid)
    if not len(good):
        return None
    face = random.choice(good)
    side = float(sizes[face].max() * random.uniform(*TILE_MARGINS))
    center = (picture.xyxy[face, :2] + picture.xyxy[face, 2:]) / 2
    frame = centered_frame(
        (float(center[0]), float(center[1])), TILES_PX[1] / side, 0.0, TILES_PX[1]
    )
    low = center - side / 2
    box = (picture.xyxy[face] - np.tile(low, 2)) / side
    return _warp(image, frame, TILES_PX[1]), box.astype(np.float32)


def _random_frame(
    image: ImageArray,
    boxes: FloatArray,
    random: np.random.Generator,
    chances: Chances,
) -> tuple[Affine, float]:
    size_wh = np.array([image.shape[1], image.shape[0]], np.float64)
    heights = boxes[:, 3] - boxes[:, 1]
    good = np.flatnonzero(heights > SMALLEST_CENTRE_FACE_PX)
    if len(good) and random.random() < chances.around_face:
        face = random.choice(good)
        scale = np.exp(random.uniform(*np.log(FACE_HEIGHTS_PX))) / heights[face]
        center = (boxes[face, :2] + boxes[face, 2:]) / 2.0
    else:
        scale = np.exp(random.uniform(*np.log(FREE_SCALES)))
        center = random.random(2) * size_wh
    least = max(SCALES[0], LEAST_FILL * CROP_PX / float(size_wh.max()))
    scale = float(np.clip(scale, least, SCALES[1]))
    shift = random.uniform(-SHIFT, SHIFT, 2) * CROP_PX / scale
    x, y = _inside(center + shift, CROP_PX / scale / 2, size_wh)
    turn = random.uniform(-TURN_DEGREES, TURN_DEGREES)
    turn = float(turn) if random.random() < chances.turn else 0.0
    return centered_frame((x, y), scale, np.deg2rad(turn), CROP_PX), turn


def _overturned(frame: Affine, random: np.random.Generator) -> Affine:
    """Turn a frame about its middle by one, two or three quarters."""
    middle = (CROP_PX / 2, CROP_PX / 2)
    turn = np.deg2rad(90.0 * random.integers(1, 4))
    quarter = centered_frame(middle, 1.0, turn, CROP_PX)
    linear = quarter[:, :2] @ frame
    linear[:, 2] += quarter[:, 2]
    return linear


def _inside(
    center: NDArray[np.float64], half: float, size_wh: NDArray[np.float64]
) -> tuple[float, float]:
    """Move the crop so that as little as can be of it lies outside the picture."""
    low, high = np.minimum(half, size_wh - half), np.maximum(half, size_wh - half)
    x, y = np.clip(center, low, high)
    return float(x), float(y)


def _moved(
    picture: LabelledPicture, frame: Affine, turn: float
) -> tuple[FloatArray, FloatArray]:
    middles = (picture.xyxy[:, :2] + picture.xyxy[:, 2:]) / 2
    centers = apply_affine(frame, middles.astype(np.float32))
    sizes = (picture.xyxy[:, 2:] - picture.xyxy[:, :2]) * frame_scale(frame)
    boxes = turned_boxes(centers, sizes.astype(np.float32), turn)
    return boxes, apply_affine(frame, picture.points_xy)


def _mirrored(boxes: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    boxes, points = boxes[:, [2, 1, 0, 3]], points[:, [1, 0, 2, 4, 3]]
    boxes[:, [0, 2]] = CROP_PX - boxes[:, [0, 2]]
    points[..., 0] = CROP_PX - points[..., 0]
    return boxes, points


def _warp(image: ImageArray, frame: Affine, side_px: int = CROP_PX) -> ImageArray:
    scale = frame_scale(frame)
    if scale < 1 / REDUCED_TO:
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        frame = np.hstack([frame[:, :2] / scale, frame[:, 2:]])
    warped = warp(image, frame, (side_px, side_px), border=cv2.BORDER_CONSTANT)
    return warped[..., ::-1]


def _recolour(
    image_bgr: ImageArray, random: np.random.Generator, chances: Chances
) -> ImageArray:
    pixels: NDArray[Any] = image_bgr
    if random.random() < chances.grey:
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        pixels = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    tones = np.arange(256) * random.uniform(*CONTRASTS) + random.uniform(*BRIGHTNESSES)
    curves = np.repeat(tones[:, None, None], 3, axis=2)
    if random.random() < chances.tint:
        curves = curves * random.uniform(*TINTS, 3)
    pixels = np.asarray(cv2.LUT(pixels, np.clip(curves, 0, 255).astype(np.uint8)))
    if random.random() < chances.blur:
        blur_px = random.uniform(*BLURS_PX)
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur_px))
    if random.random() < chances.jpeg:
        pixels = _through_jpeg(pixels, random)
    if random.random() < chances.hide:
        pixels = _hide_part(pixels, random)
    return np.ascontiguousarray(pixels, np.uint8)


def _through_jpeg(image_bgr: ImageArray, random: np.random.Generator) -> ImageArray:
    quality = int(random.integers(*JPEG_QUALITIES))
    _, encoded = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _hide_part(image_bgr: ImageArray, random: np.random.Generator) -> ImageArray:
    hidden = image_bgr.copy()
    for _ in range(int(random.integers(*HIDDEN_PARTS))):
        width, height = random.integers(*HIDDEN_SIZES_PX, 2)
        x, y = random.integers(0, CROP_PX, 2)
        hidden[y : y + height, x : x + width] = random.integers(0, 255, 3)
    return hidden
