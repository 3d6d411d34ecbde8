"""Known failures, drawn: nobody's picture, and what the models say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.frames import MEAN_FACE
from emojifier_bot.vision.landmark_geometry import five_points
from emojifier_bot.vision.types import (
    BoundingBox,
    Detection,
    FloatArray,
    Landmarks,
    LandmarkScheme,
)
from emojifier_training.drawings import KINDS, drawings
from emojifier_training.hard_crops import HARD

#: Four tiles to a row make 600 pixels.
TILE_PX, CAPTION_PX, COLUMNS = 150, 34, 4
FONT_PX = 12
INK, WRONG, RIGHT = (30, 30, 30), (190, 40, 30), (20, 120, 60)
GROUND, SKIN, HAIR, LIPS = (205, 214, 224), (224, 178, 148), (84, 60, 44), (176, 84, 78)
#: A drawn face: side of its picture and distance of its outer eye corners.
FACE_PX, EYES_PX = 300, 92.0
#: Drawings are drawn this much larger and reduced, so that edges are soft.
OVERSIZE = 3
#: Space above the brows that the drawn head adds, in distances of the eyes.
FOREHEAD = 0.55

#: What each expression moves, in distances of the outer eye corners: rows of points
#: and the step they take, x to the right and y down.
Moves = Sequence[tuple[Sequence[int], tuple[float, float]]]
_RIGHT_BROW, _LEFT_BROW = range(17, 22), range(22, 27)
_UPPER_LIDS, _LOWER_LIDS = (37, 38, 43, 44), (40, 41, 46, 47)
_RIGHT_CORNER, _LEFT_CORNER = (48, 60), (54, 64)
_LOWER_LIP, _UPPER_LIP = (*range(55, 60), 65, 66, 67), (*range(49, 54), 61, 62, 63)
EXPRESSIONS: Mapping[str, Moves] = MappingProxyType(
    {
        "anger": (
            ((20, 21), (0.05, 0.12)),
            ((22, 23), (-0.05, 0.12)),
            (_UPPER_LIDS, (0, 0.02)),
        ),
        "contempt": ((_LEFT_CORNER, (0.03, -0.11)), ((53, 63), (0, -0.06))),
        "disgust": (
            ((20, 21, 22, 23), (0, 0.07)),
            (_LOWER_LIDS, (0, -0.03)),
            (_UPPER_LIP, (0, -0.08)),
            ((31, 35), (0, -0.05)),
        ),
        "fear": (
            ((20, 21, 22, 23), (0, -0.12)),
            (_UPPER_LIDS, (0, -0.05)),
            (_LOWER_LIP, (0, 0.14)),
            ((*_RIGHT_CORNER, *_LEFT_CORNER), (0, 0.06)),
        ),
        "happiness": (
            (_RIGHT_CORNER, (-0.09, -0.12)),
            (_LEFT_CORNER, (0.09, -0.12)),
            (_LOWER_LIP, (0, 0.07)),
            (_LOWER_LIDS, (0, -0.02)),
        ),
        "neutral": (),
        "sadness": (
            ((20, 21, 22, 23), (0, -0.09)),
            ((*_RIGHT_CORNER, *_LEFT_CORNER), (0, 0.09)),
            (_UPPER_LIDS, (0, 0.025)),
        ),
        "surprise": (
            ((*_RIGHT_BROW, *_LEFT_BROW), (0, -0.14)),
            (_UPPER_LIDS, (0, -0.05)),
            (_LOWER_LIP, (0, 0.3)),
            (tuple(range(5, 12)), (0, 0.12)),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One drawing with what is said of it."""

    image: Image.Image
    caption: str
    color: tuple[int, int, int] = INK


def montage(tiles: Sequence[Tile], path: Path) -> None:
    """Write drawings in rows of four, each with two lines under it."""
    rows = -(-len(tiles) // COLUMNS)
    size = (COLUMNS * TILE_PX, rows * (TILE_PX + CAPTION_PX))
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_PX)
    for place, tile in enumerate(tiles):
        x = TILE_PX * (place % COLUMNS)
        y = (TILE_PX + CAPTION_PX) * (place // COLUMNS)
        sheet.paste(
            tile.image.convert("RGB").resize((TILE_PX - 4,) * 2), (x + 2, y + 2)
        )
        draw.multiline_text((x + 4, y + TILE_PX), tile.caption, tile.color, font)
    sheet.save(path)


def face_points(expression: str) -> FloatArray:
    """Return the ``(68, 2)`` points of a drawn face, pixels of its picture."""
    unit = MEAN_FACE.copy()
    for points, step in EXPRESSIONS[expression]:
        unit[list(points)] += np.array(step, np.float32)
    middle = np.array([FACE_PX / 2, FACE_PX * 0.42], np.float32)
    return np.asarray(unit * np.float32(EYES_PX) + middle, np.float32)


def draw_face(points_xy: FloatArray) -> Image.Image:
    """Return a picture of a face that has these ``(68, 2)`` points."""
    side = FACE_PX * OVERSIZE
    image = Image.new("RGB", (side, side), GROUND)
    draw, points = ImageDraw.Draw(image), points_xy * OVERSIZE
    eyes_px = float(np.linalg.norm(points[45] - points[36]))
    top = points[17:27, 1].min() - FOREHEAD * eyes_px
    left, right = points[:17, 0].min(), points[:17, 0].max()
    high = 2 * points[0, 1] - top
    draw.ellipse((left - 9, top - 24, right + 9, high), fill=HAIR)
    draw.ellipse((left, top, right, high), fill=SKIN)
    draw.polygon(_xy(points[:17]), fill=SKIN)
    for brow in (points[17:22], points[22:27]):
        draw.line(_xy(brow), fill=HAIR, width=15, joint="curve")
    for eye in (points[36:42], points[42:48]):
        draw.polygon(_xy(eye), fill="white", outline=HAIR, width=4)
        x, y = eye.mean(axis=0)
        radius = float(np.ptp(eye[:, 1])) * 0.45
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=HAIR)
    draw.line(_xy(points[27:31]), fill=(190, 140, 112), width=8)
    draw.line(_xy(points[31:36]), fill=(150, 100, 80), width=9, joint="curve")
    draw.polygon(_xy(points[48:60]), fill=LIPS)
    draw.polygon(_xy(points[60:68]), fill=(70, 24, 24))
    draw.line(_xy(points[[60, 61, 62, 63, 64]]), fill=(90, 36, 36), width=5)
    return image.resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS)


def _xy(points: FloatArray) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]


def face_detection(points_xy: FloatArray) -> Detection:
    """Return what a good detector says of a face with these points."""
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    low[1] -= 0.28 * (high[1] - low[1])
    five = Landmarks(five_points(points_xy), LandmarkScheme.FIVE_POINT)
    return Detection(BoundingBox(*map(float, (*low, *high))), 1.0, five)


def detector_examples(analyzer: LocalAnalyzer) -> list[Tile]:
    """Return the drawing of each kind in which most faces are seen, all marked."""
    tiles = []
    for name, kind in KINDS.items():
        seen = [(analyzer.detect(from_image(image)), image) for image in drawings(kind)]
        found, image = max(seen, key=lambda pair: len(pair[0]))
        draw = ImageDraw.Draw(image)
        for one in found:
            draw.rectangle(one.box.xyxy, outline=(255, 0, 0), width=5)
        square = image.crop((80, 0, 560, 480))
        count = f"{len(found)} seen" if found else "none seen"
        tiles.append(Tile(square, f"{name}\n{count}", WRONG if found else RIGHT))
    return tiles


def landmark_examples(analyzer: LocalAnalyzer) -> list[Tile]:
    """Return drawn faces made harder, with the points that the net finds."""
    points_xy = face_points("neutral")
    whole = np.asarray(draw_face(points_xy))
    harder = {"as drawn": (whole, 1.0)}
    harder |= {name: harden(whole, points_xy) for name, harden in HARD.items()}
    tiles = []
    for name, (pixels, scale) in harder.items():
        image = Image.fromarray(pixels)
        detection = face_detection(points_xy * np.float32(scale))
        (found,) = analyzer.landmarker.locate(from_image(image), [detection])
        shown = image.resize((FACE_PX, FACE_PX))
        draw = ImageDraw.Draw(shown)
        for x, y in found.points_xy / np.float32(scale):
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(0, 90, 220))
        tiles.append(Tile(shown, name.replace(" by ", "\nby ")))
    return tiles


def emotion_examples(analyzer: LocalAnalyzer) -> list[Tile]:
    """Return eight drawn expressions, with what is read in each."""
    tiles = []
    for name in EXPRESSIONS:
        points_xy = face_points(name)
        image = draw_face(points_xy)
        picture = from_image(image)
        points = analyzer.landmarker.locate(picture, [face_detection(points_xy)])
        (read,) = analyzer.classifier.classify(picture, points)
        color = RIGHT if read.top == name else WRONG
        said = f"{read.top} {read.top_probability:.2f}"
        tiles.append(Tile(image, f"drawn: {name}\nread: {said}", color))
    return tiles


EXAMPLES: Mapping[str, Callable[[LocalAnalyzer], list[Tile]]] = MappingProxyType(
    {
        "detector": detector_examples,
        "landmarks": landmark_examples,
        "emotion": emotion_examples,
    }
)
