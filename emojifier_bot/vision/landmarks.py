"""68 points by our landmark net, the faces of a picture in batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emojifier_bot.vision.crops import Affine, cut_frame, grey, invert, landmark_frame
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.landmark_geometry import apply_affine
from emojifier_bot.vision.models import ModelSpec, OnnxSession, in_batches
from emojifier_bot.vision.types import Detection, Landmarks, LandmarkScheme


class OnnxLandmarker:
    """A `FaceLandmarker`."""

    def __init__(self, spec: ModelSpec, threads: int = 0) -> None:
        """Load a model.

        Raises:
            ModelFileError: The file is missing or differs.
        """
        self._spec = spec
        self._session = OnnxSession(spec, threads)

    def locate(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        """Return the points of each detection, pixels of the upright picture."""
        return [
            points
            for batch in in_batches(detections)
            for points in self._locate_batch(picture, batch)
        ]

    def _locate_batch(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        frames = [self._frame(detection) for detection in detections]
        size = self._spec.input_px
        cut = np.stack([grey(cut_frame(picture, frame, size)) for frame in frames])
        pixels = (cut[:, None].astype(np.float32) - self._spec.mean) / self._spec.std
        found = self._session.run(frame=pixels.astype(np.float32)) * size
        return [
            Landmarks(apply_affine(invert(frame), points_xy), LandmarkScheme.IBUG_68)
            for frame, points_xy in zip(frames, found, strict=True)
        ]

    def _frame(self, detection: Detection) -> Affine:
        five = detection.landmarks
        five_xy = None if five is None else five.points_xy
        return landmark_frame(detection.box, five_xy, self._spec.input_px)
