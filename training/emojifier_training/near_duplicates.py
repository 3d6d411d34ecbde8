"""Finds photographs that a set of faces has more than once.

FER+ was gathered by searching the web: many a photograph came back cropped or shaded a
little otherwise, and others voted on it. A held-out face that training saw so proves
nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.types import FloatArray, ImageArray
from emojifier_training.data import LabelledExpressions

#: Correlation from which two crops are one photograph. Looked at in FER+: from 0.90 on
#: all pairs were, from 0.86 to 0.90 about half of them.
DUPLICATE_CORRELATION = 0.88
#: Correlation of thumbnails from which crops are compared in full. Of the FER+
#: validation faces that have a near-duplicate, 95 in 100 are still found.
ALIKE_CORRELATION = 0.85
THUMBNAIL_PX = 12
#: Share of the side by which one crop may lie beside the other, each way.
MOST_SHIFT = 1 / 12
#: Faces that are compared with all others at a time.
BLOCK = 1000


def held_out(faces: LabelledExpressions) -> NDArray[np.bool_]:
    """Return ``(N,)`` True for validation faces that training has no duplicate of."""
    return unseen(faces.images, faces.is_validation, ~faces.is_validation)


def unseen(
    images: ImageArray, held: NDArray[np.bool_], trained: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return those held out that have no near-duplicate among the trained ones.

    Args:
        images: ``(N, H, W)`` grey or ``(N, H, W, 3)`` RGB, uint8.
        held: ``(N,)`` mask.
        trained: ``(N,)`` mask.
    """
    mask = held.copy()
    mask[held] = ~has_near_duplicate(images[held], images[trained])
    return mask


def has_near_duplicate(images: ImageArray, others: ImageArray) -> NDArray[np.bool_]:
    """Return ``(N,)`` True for images that are also among others."""
    found = np.zeros(len(images), bool)
    if not (len(images) and len(others)):
        return found
    margin = round(images.shape[1] * MOST_SHIFT)
    inner = slice(margin, images.shape[1] - margin)
    compared = _thumbnails(others)
    for start in range(0, len(images), BLOCK):
        alike = _thumbnails(images[start : start + BLOCK]) @ compared.T
        for row, near in enumerate(alike > ALIKE_CORRELATION):
            part = images[start + row][inner, inner]
            # The correlation of a part with where it fits best in a whole.
            found[start + row] = any(
                cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED).max()
                > DUPLICATE_CORRELATION
                for whole in others[near]
            )
    return found


def _thumbnails(images: ImageArray) -> FloatArray:
    """Return ``(N, K)`` blurred thumbnails of mean 0 and length 1."""
    size, blur = (THUMBNAIL_PX, THUMBNAIL_PX), images.shape[1] * MOST_SHIFT
    blurred = (cv2.GaussianBlur(one, (0, 0), blur) for one in images)
    small = np.stack(
        [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in blurred]
    )
    flat = small.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.maximum(length, 1)
    return flat
