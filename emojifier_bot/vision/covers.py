"""Covers made of what surrounds a face, never of the face: nobody can undo them.

A blur or a mosaic of the face's own pixels can be undone well enough to tell who it
was: blurred faces were recognised again in up to 95.9 % of cases (arXiv 2506.12344).
So a cover is drawn like an emoji, an opaque disc, and its colours are those of points
around all discs of the picture: mixed by their distance, with as much noise as they
differ by.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.plan import Cover, CoverKind
from emojifier_bot.vision.types import (
    Anchor,
    FloatArray,
    ImageArray,
    Placement,
)

#: Width of a cover's art, and of its disc. The art is drawn at one size: a cover has
#: no detail that a larger one would show.
ART_SIZE_PX = 256
ANCHOR = Anchor((ART_SIZE_PX / 2, ART_SIZE_PX / 2), ART_SIZE_PX - 4.0)
#: Where colours are taken: so many directions, at these distances from the centre, in
#: radii of the disc. The farther ones count where the nearer ones lie on other faces.
_DIRECTIONS = 64
_NEAR, _FAR = (1.06, 1.12, 1.20, 1.30), (1.5, 1.8, 2.2, 3.0)
#: Fewer points than this do not tell what the surroundings look like.
_LEAST_POINTS = 24
#: A point lies on a disc up to this far from it: its rim is mixed with the picture.
_RIM_PX = 2.0
#: Squares of a mosaic, and points of a blur, from one side to the other, and how what
#: lies between them is coloured.
_FIELDS = {
    CoverKind.MOSAIC: (8, cv2.INTER_NEAREST),
    CoverKind.BLUR: (6, cv2.INTER_CUBIC),
}
#: Standard deviation of the noise, at most, of 255.
_MOST_NOISE = 14.0
#: Where nothing surrounds a face.
_GREY = 128
OPAQUE = 255

#: Centre and radius of what must not be looked at.
Disc = tuple[tuple[float, float], float]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """Points around one face."""

    #: ``(N, 2)`` in radii of the disc, from its centre.
    places_xy: FloatArray
    #: ``(N, 3)`` RGB, 0 to 255.
    colors: FloatArray


def covered(placement: Placement, cover: Cover) -> Placement:
    """Return the disc of a cover; only a picture is turned with the face."""
    roll = placement.roll_degrees if cover.kind is CoverKind.PICTURE else 0.0
    size_px = placement.size_px * (1 + cover.margin)
    return Placement(placement.center_xy, size_px, roll)


def surroundings(
    pixels: ImageArray, placement: Placement, hidden: Sequence[Disc]
) -> Surroundings:
    """Return the colours around a disc that lie on none of the hidden discs.

    Args:
        pixels: ``(H, W, 4)`` uint8 of the picture, before anything is painted.
        placement: Of the cover.
        hidden: Every disc of the picture, the cover's own among them.
    """
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
    hidden: Sequence[Disc],
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
    for (x, y), radius in hidden:
        away = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
        seen &= away > radius + _RIM_PX
    colors = pixels[rows[seen], columns[seen], :3]
    return Surroundings(
        places[inside][seen].astype(np.float32), colors.astype(np.float32)
    )


def cover_art(
    cover: Cover, around: Surroundings, picture: ImageArray | None = None
) -> ImageArray:
    """Return the art of a cover: its disc, where `ANCHOR` says, on nothing.

    Args:
        cover: What it shows.
        around: What it is made of.
        picture: With `CoverKind.PICTURE`: ``(h, w, 4)`` uint8 RGBA, straight alpha.

    Returns:
        ``(256, 256, 4)`` uint8 RGBA, straight alpha. The same input gives the same art.
    """
    side = (ART_SIZE_PX, ART_SIZE_PX)
    if cover.kind in _FIELDS:
        cells, interpolation = _FIELDS[cover.kind]
        field = _mixed(around, cells)
        field = field + _noise(around, field.shape)
        color = cv2.resize(field, side, interpolation=interpolation)
    else:
        color = np.broadcast_to(around.colors.mean(axis=0), (*side, 3))
    art = np.empty((ART_SIZE_PX, ART_SIZE_PX, 4), np.uint8)
    art[..., :3] = np.clip(np.rint(color), 0, 255)
    art[..., 3] = _disc()
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


def _noise(around: Surroundings, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return lighter and darker spots, which the points' colours are the seed of."""
    seed = hashlib.sha256(around.colors.tobytes() + around.places_xy.tobytes()).digest()
    draw = np.random.default_rng(int.from_bytes(seed, "big"))
    spread = min(float(around.colors.mean(axis=1).std()), _MOST_NOISE)
    return draw.normal(0.0, spread, shape[:2])[..., None]


def _disc() -> ImageArray:
    centers = np.arange(ART_SIZE_PX) + 0.5
    x, y = ANCHOR.center_xy
    away = np.hypot(centers[None] - x, centers[:, None] - y)
    alpha = np.clip(ANCHOR.diameter_px / 2 - away + 0.5, 0, 1)
    return np.asarray(np.rint(alpha * OPAQUE), np.uint8)


def _laid_over(art: ImageArray, picture: ImageArray) -> ImageArray:
    """Lay a picture over the disc, as large as it fits into its square."""
    from PIL import Image  # noqa: PLC0415 - seldom needed

    ground, laid = Image.fromarray(art), Image.fromarray(picture)
    size_px = round(ANCHOR.diameter_px)
    scale = size_px / max(laid.size)
    fitted = [max(round(side * scale), 1) for side in laid.size]
    laid = laid.resize((fitted[0], fitted[1]), Image.Resampling.LANCZOS)
    place = [(ART_SIZE_PX - side) // 2 for side in laid.size]
    ground.alpha_composite(laid, (place[0], place[1]))
    return np.asarray(ground)
