"""Reads labelled face crops with our landmark net, once, before emotion training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emojifier_bot.vision.crops import canonical_frame, cut_frame, grey
from emojifier_bot.vision.emotion import APPEARANCE_PX, to_canonical
from emojifier_bot.vision.ports import FaceLandmarker
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions
from emojifier_training.emotion import MARGIN_PX, STORED_PX, PreparedFaces

Progress = Callable[[int, int], None]


def prepare_faces(
    faces: LabelledExpressions,
    landmarker: FaceLandmarker,
    landmarks_sha256: str,
    cache: Path,
    progress: Progress,
) -> PreparedFaces:
    """Bring every crop into the canonical frame, or take it from the cache.

    Args:
        faces: Labelled crops.
        landmarker: Finds their points, as it does in use.
        landmarks_sha256: Names the landmark model; another one reads anew.
        cache: Folder for the result, tens of megabytes.
        progress: Told how many of how many are done.
    """
    key = hashlib.sha256(faces.images.tobytes() + landmarks_sha256.encode())
    path = cache / f"faces-{key.hexdigest()[:16]}.npz"
    if not path.is_file():
        points, looks = _read(faces, landmarker, progress)
        cache.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: an interrupted run must not leave half a file.
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, points=points, looks=looks)
        partial.replace(path)
    with np.load(path) as arrays:
        return PreparedFaces(arrays["points"], arrays["looks"], faces)


def _read(
    faces: LabelledExpressions, landmarker: FaceLandmarker, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    count = len(faces.images)
    points = np.empty((count, 68, 2), np.float32)
    looks = np.empty((count, STORED_PX, STORED_PX), np.uint8)
    for index, crop in enumerate(faces.images):
        picture = crop_picture(crop)
        points_xy = landmarker.locate(picture, [crop_detection()])[0].points_xy
        points[index] = to_canonical(points_xy)
        frame = canonical_frame(points_xy, APPEARANCE_PX)
        frame[:, 2] += MARGIN_PX
        looks[index] = grey(cut_frame(picture, frame, STORED_PX))
        progress(index + 1, count)
    return points, looks
