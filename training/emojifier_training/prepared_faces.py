"""Labelled face crops, read once by our landmark net before emotion training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from emojifier_bot.vision.crops import canonical_frame, cut_frame, grey
from emojifier_bot.vision.emotion import APPEARANCE_PX, to_canonical
from emojifier_bot.vision.ports import FaceLandmarker
from emojifier_training import Progress
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import LabelledExpressions
from emojifier_training.device import to_device

#: The stored frame is this much wider than what the net sees, on each side, so that
#: shifts and turns find pixels.
MARGIN_PX = 8
STORED_PX = APPEARANCE_PX + 2 * MARGIN_PX


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFaces:
    """Labelled faces in the canonical frame, as tensors on the device."""

    #: ``(N, 68, 2)`` float32.
    canonical_xy: Tensor
    #: ``(N, 1, S, S)`` uint8, grey, wider than what the net sees.
    appearance: Tensor
    #: ``(N, 8)`` float32 shares of the votes.
    targets: Tensor
    #: ``(N, 8)`` float32 what the older single labels say.
    second_opinions: Tensor

    def subset(self, keep: Tensor) -> PreparedFaces:
        """Return the rows that a mask or index tensor names."""
        return PreparedFaces(
            self.canonical_xy[keep],
            self.appearance[keep],
            self.targets[keep],
            self.second_opinions[keep],
        )


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
        landmarks_sha256: Of the landmark model; another one reads the faces again.
        cache: Folder for the result, tens of megabytes.
        progress: Told how many of how many are done.
    """
    key = hashlib.sha256(faces.images.tobytes() + landmarks_sha256.encode())
    path = cache / f"prepared-{key.hexdigest()[:16]}.npz"
    if not path.is_file():
        points, appearance = _read(faces, landmarker, progress)
        cache.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: an interrupted run must not leave half a file.
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, points=points, appearance=appearance)
        partial.replace(path)
    with np.load(path) as arrays:
        return PreparedFaces(
            to_device(arrays["points"]),
            to_device(arrays["appearance"])[:, None],
            to_device(faces.targets),
            to_device(faces.second_opinions),
        )


def _read(
    faces: LabelledExpressions, landmarker: FaceLandmarker, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    count = len(faces.images)
    points = np.empty((count, 68, 2), np.float32)
    appearance = np.empty((count, STORED_PX, STORED_PX), np.uint8)
    for index, crop in enumerate(faces.images):
        picture = crop_picture(crop)
        points_xy = landmarker.locate(picture, [crop_detection()])[0].points_xy
        points[index] = to_canonical(points_xy)
        frame = canonical_frame(points_xy, APPEARANCE_PX)
        frame[:, 2] += MARGIN_PX
        appearance[index] = grey(cut_frame(picture, frame, STORED_PX))
        progress(index + 1, count)
    return points, appearance
