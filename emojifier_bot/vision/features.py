"""What the emotion classifier looks at, one copy for training and use.

Geometry: where the 68 points lie in the canonical frame, and the distances between
them that expressions change. Appearance: the grey canonical frame, stretched.
"""

from __future__ import annotations

import numpy as np

from emojifier_bot.vision.crops import canonical_face, canonical_frame
from emojifier_bot.vision.landmark_geometry import apply_affine
from emojifier_bot.vision.types import FloatArray, ImageArray

#: Points move by about this share of the frame; dividing by it gives unit spread.
POINT_SPREAD = 0.04
#: Pairs of points whose distance an expression changes: lids, lips, brows and their
#: distance from the eyes, mouth corners from the eyes, chin and nose, jaw drop.
EXPRESSIVE_PAIRS = (
    *((37, 41), (38, 40), (43, 47), (44, 46)),
    *((61, 67), (62, 66), (63, 65), (51, 57), (48, 54), (60, 64)),
    *((19, 37), (20, 38), (23, 43), (24, 44), (21, 22), (21, 39), (22, 42), (17, 36)),
    *((26, 45), (48, 36), (54, 45), (48, 33), (54, 33), (51, 33), (57, 8), (8, 27)),
    *((48, 8), (54, 8), (50, 48), (52, 54)),
)
GEOMETRY_COUNT = 2 * 68 + len(EXPRESSIVE_PAIRS)
#: Side of the appearance frame, pixels.
APPEARANCE_PX = 52


def to_canonical(points_xy: FloatArray) -> FloatArray:
    """Bring one face's ``(68, 2)`` points into the canonical frame of side 1."""
    return apply_affine(canonical_frame(points_xy, 1), points_xy)


def geometry_features(canonical_xy: FloatArray) -> FloatArray:
    """Return what the points of canonical faces tell.

    Args:
        canonical_xy: ``(N, 68, 2)`` float32 in a canonical frame of side 1.

    Returns:
        ``(N, GEOMETRY_COUNT)`` float32: differences from the mean face and from its
        expressive distances, in units of `POINT_SPREAD`.
    """
    mean = canonical_face(1)
    moved = (canonical_xy - mean).reshape(len(canonical_xy), mean.size)
    stretched = _distances(canonical_xy) - _distances(mean[None])
    return np.hstack([moved, stretched]).astype(np.float32) / np.float32(POINT_SPREAD)


def stretch(grey: ImageArray) -> ImageArray:
    """Stretch a grey picture so that it spans 0 to 255.

    Args:
        grey: ``(H, W)`` uint8.

    Returns:
        New ``(H, W)`` uint8; a flat picture becomes 0.
    """
    low, high = int(grey.min()), int(grey.max())
    scaled = (grey.astype(np.float32) - low) * (255.0 / max(high - low, 1))
    return (scaled + 0.5).astype(np.uint8)


def _distances(points_xy: FloatArray) -> FloatArray:
    first, second = np.array(EXPRESSIVE_PAIRS).T
    apart = np.linalg.norm(points_xy[:, first] - points_xy[:, second], axis=-1)
    return np.asarray(apart, np.float32)
