"""Covers made of what surrounds a face, never of the face: nobody can undo them.

A blur or a mosaic of the face's own pixels can be undone well enough to tell who it
was: blurred faces were recognised again in up to 95.9 % of cases (arXiv 2506.12344).
So a cover is drawn like an emoji, an opaque disc, and its colours are those of points
around all discs of the picture: mixed by their distance, with as much noise as they
differ by. What the noise is drawn from is the face's number in the plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.depth import RIM_PX
from emojifier_bot.vision.plan import Cover, CoverKind
from emojifier_bot.vision.types import (
    Anchor,
    FloatArray,
    ImageArray,
    Placement,
)

#: Width of a cover's art, and its disc. The art may be drawn smaller, see `art_width`.
ART_SIZE_PX = 512
ANCHOR = Anchor((ART_SIZE_PX / 2, ART_SIZE_PX / 2), ART_SIZE_PX - 8.0)
_ART_WIDTHS_PX = (64, 128, 256, ART_SIZE_PX)
#: Where colours are taken: so many directions, at these distances from the centre, in
#: radii of the disc. The farther ones count where the nearer ones lie on other faces.
_DIRECTIONS = 64
_NEAR, _FAR = (1.06, 1.12, 1.20, 1.30), (1.5, 1.8, 2.2, 3.0)
#: Fewer points than this do not tell what the surroundings look like.
_LEAST_POINTS = 24
#: Squares of a mosaic, and points of a blur, from one side to the other; how what lies
#: between them is coloured; standard deviation of their noise, at most, of 255.
_FIELDS = {
    CoverKind.MOSAIC: (8, cv2.INTER_NEAREST, 12.0),
    CoverKind.BLUR: (6, cv2.INTER_CUBIC, 6.0),
}
#: Where nothing surrounds a face.
_GREY = 128
OPAQUE = 255

#: ``(N, 3)``: centre and radius of what must not be looked at.
Discs = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """Points around one face."""

    #: ``(N, 2)`` in radii of the disc, from its centre.
    places_xy: FloatArray
    #: ``(N, 3)`` RGB, 0 to 255.
    colors: FloatArray


def cover_picture(picture: DecodedImage) -> ImageArray:
    """Return a picture that is to cover faces: ``(h, w, 4)`` uint8 RGBA, sRGB."""
    return np.asarray(to_srgb(picture.image, picture.icc_profile).convert("RGBA"))


def covered(placement: Placement, cover: Cover) -> Placement:
    """Return the disc of a cover; only a picture is turned with the face."""
    roll = placement.roll_degrees if cover.kind is CoverKind.PICTURE else 0.0
    size_px = placement.size_px * (1 + cover.margin)
    return Placement(placement.center_xy, size_px, roll)


def surroundings(
    pixels: ImageArray, placement: Placement, hidden: Discs
) -> Surroundings:
    """Return the colours around a disc that lie on none of the hidden discs.

    Args:
        pixels: ``(H, W, 4)`` uint8 of the picture, before anything is painted.
        placement: Of the cover.
        hidden: Every disc of the picture, the cover's own among them.
    """
    away = np.hypot(*(hidden[:, :2] - placement.center_xy).T) - hidden[:, 2]
    hidden = hidden[away < placement.size_px / 2 * _FAR[-1] + RIM_PX]
    near = _around(pixels, placement, hidden, _NEAR)
    if len(near.colors) >= _LEAST_POINTS:
        return near
    far = _around(pixels, placement, hidden, _NEAR + _FAR)
    if len(far.colors):
        return far
    return Surroundings(
        np.zeros((1, 2), np.float32), np.full((1, 3), _GREY, np.float32)
    )


def _around(
    pixels: ImageArray,
    placement: Placement,
    hidden: Discs,
    distances: Sequence[float],
) -> Surroundings:
    turns = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
    circle = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    places = np.concatenate([circle * distance for distance in distances])
    height, width = pixels.shape[:2]
    spots = places * (placement.size_px / 2) + np.array(placement.center_xy)
    inside = ((spots >= 0) & (spots < (width, height))).all(axis=1)
    columns, rows = np.floor(spots[inside]).astype(int).T
    seen = np.ones(len(columns), bool)
    for x, y, radius in hidden:
        away = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
        seen &= away > radius + RIM_PX
    colors = pixels[rows[seen], columns[seen], :3]
    return Surroundings(
        places[inside][seen].astype(np.float32), colors.astype(np.float32)
    )


def art_width(placement: Placement) -> int:
    """Return how wide the art of a cover is best drawn."""
    fitting = (width for width in _ART_WIDTHS_PX if width >= placement.size_px)
    return next(fitting, ART_SIZE_PX)


def cover_art(
    cover: Cover,
    around: Surroundings,
    width: int = ART_SIZE_PX,
    seed: int = 0,
    picture: ImageArray | None = None,
) -> ImageArray:
    """Return the art of a cover: its disc, where `ANCHOR` says, on nothing.

    Args:
        cover: What it shows.
        around: What it is made of.
        width: One of `art_width`.
        seed: Of the noise; the same in all frames of a clip, or it would flicker.
        picture: With `CoverKind.PICTURE`: ``(h, w, 4)`` uint8 RGBA, straight alpha.

    Returns:
        ``(width, width, 4)`` uint8 RGBA, straight alpha. The same input gives the same.
    """
    if cover.kind in _FIELDS:
        cells, interpolation, noise = _FIELDS[cover.kind]
        field = _mixed(around, cells) + _noise(around, cells, noise, seed)
        color = cv2.resize(field, (width, width), interpolation=interpolation)
    else:
        color = np.broadcast_to(around.colors.mean(axis=0), (width, width, 3))
    art = np.empty((width, width, 4), np.uint8)
    art[..., :3] = np.clip(np.rint(color), 0, 255)
    art[..., 3] = _disc(width)
    return art if picture is None else _laid_over(art, picture)


def _mixed(around: Surroundings, cells: int) -> NDArray[np.float64]:
    """Return ``(cells, cells, 3)``: the points' colours, nearer ones counting more."""
    middles = (np.arange(cells) + 0.5) / cells * 2 - 1
    x, y = np.meshgrid(middles, middles)
    grid = np.stack([x, y], axis=-1)
    away = np.linalg.norm(grid[:, :, None] - around.places_xy[None, None], axis=-1)
    weights = 1 / np.maximum(away, 0.05) ** 2
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.asarray(weights @ around.colors.astype(np.float64))


def _noise(
    around: Surroundings, cells: int, most: float, seed: int
) -> NDArray[np.float64]:
    """Return lighter and darker spots, as strong as the points' colours differ."""
    spread = min(float(around.colors.mean(axis=1).std()), most)
    draw = np.random.default_rng(seed)
    return draw.normal(0.0, spread, (cells, cells, 1))


@cache
def _disc(width: int) -> ImageArray:
    """Return the ``(width, width)`` alpha of the art."""
    scale = width / ART_SIZE_PX
    centers = np.arange(width) + 0.5 - width / 2
    away = np.hypot(centers[None], centers[:, None])
    alpha = np.clip(ANCHOR.diameter_px / 2 * scale - away + 0.5, 0, 1)
    return np.asarray(np.rint(alpha * OPAQUE), np.uint8)


def _laid_over(art: ImageArray, picture: ImageArray) -> ImageArray:
    """Lay a picture over the disc, as large as it fits into its square."""
    ground, laid = Image.fromarray(art), Image.fromarray(picture)
    scale = len(art) * ANCHOR.diameter_px / ART_SIZE_PX / max(laid.size)
    fitted = [max(round(side * scale), 1) for side in laid.size]
    laid = laid.resize((fitted[0], fitted[1]), Image.Resampling.LANCZOS)
    left, top = ((len(art) - side) // 2 for side in laid.size)
    ground.alpha_composite(laid, (left, top))
    return np.asarray(ground)
