"""Expressions by our emotion nets: of geometry alone, or fused with appearance.

Geometry: where the 68 points lie in the canonical frame, and the distances between
them that expressions change. Appearance: the grey canonical frame, stretched. Training
computes both with the functions of this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name

import numpy as np

from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.vision.crops import canonical_face, canonical_frame, cut_frame, grey
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.landmarks import apply_affine, mirror
from emojifier_bot.vision.models import ModelSpec, OnnxSession, in_batches
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.shared_points import shared_features
from emojifier_bot.vision.types import (
    EMOTIONS,
    EmotionScores,
    FloatArray,
    ImageArray,
    Landmarks,
)

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


class OnnxEmotionClassifier:
    """An `EmotionClassifier` for the geometry of faces, and their appearance.

    A model whose inputs do not name the appearance reads the geometry alone.

    Raises:
        ModelFileError: The file is missing or differs.
    """

    @staticmethod
    def features(canonical_xy: FloatArray) -> FloatArray:
        """Return ``(N, K)`` float32 of ``(N, 68, 2)`` canonical points."""
        return geometry_features(canonical_xy)

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._session = OnnxSession(spec)
        self._columns = [spec.labels.index(emotion) for emotion in EMOTIONS]
        self.sure_threshold = spec.sure_threshold

    def classify(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        """Return the eight calibrated probabilities of each face.

        A face and its mirror image show the same emotion: where ``model.toml`` asks for
        it, the mean of both readings counts.
        """
        return [
            scores
            for batch in in_batches(landmarks)
            for scores in self._classify_batch(picture, batch)
        ]

    def _classify_batch(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        points = np.stack([to_canonical(one.points_xy) for one in landmarks])
        if self._spec.mirror:
            points = np.concatenate([points, mirror(points, 1.0)])
        inputs = {"geometry": self.features(points)}
        if "appearance" in self._session.input_names:
            pixels = self._appearance(picture, landmarks)
            if self._spec.mirror:
                pixels = np.concatenate([pixels, pixels[..., ::-1]])
            inputs["appearance"] = pixels
        rows = self._session.run(**inputs)[:, self._columns]
        logits = rows.reshape(-1, len(landmarks), len(EMOTIONS)).mean(axis=0)
        return [EmotionScores(row) for row in softmax(logits / self._spec.temperature)]

    def _appearance(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> FloatArray:
        size = self._spec.input_px
        frames = [canonical_frame(one.points_xy, size) for one in landmarks]
        greys = [stretch(grey(cut_frame(picture, frame, size))) for frame in frames]
        pixels = np.stack(greys)[:, None].astype(np.float32)
        return ((pixels - self._spec.mean) / self._spec.std).astype(np.float32)


class SharedPointsClassifier(OnnxEmotionClassifier):
    """Reads only the points that hosted face APIs return too."""

    @staticmethod
    def features(canonical_xy: FloatArray) -> FloatArray:
        """Return ``(N, K)`` float32 of ``(N, 68, 2)`` canonical points."""
        return shared_features(canonical_xy)


def load_classifier(spec: ModelSpec) -> EmotionClassifier:
    """Load a model with the class of its variant; variants of others run as ``fused``.

    Raises:
        ModelFileError: The file is missing or differs.
    """
    known = {one.value: one.implementation for one in EmotionModel}
    name = known.get(spec.variant, EmotionModel.FUSED.implementation)
    classifier: EmotionClassifier = resolve_name(name)(spec)
    return classifier


def to_canonical(points_xy: FloatArray) -> FloatArray:
    """Bring one face's ``(68, 2)`` points into the canonical frame of side 1."""
    return apply_affine(canonical_frame(points_xy, 1), points_xy)


def geometry_features(canonical_xy: FloatArray) -> FloatArray:
    """Compute the geometry features of canonical faces.

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


def softmax(logits: FloatArray) -> FloatArray:
    """Return ``(N, K)`` probabilities of ``(N, K)`` logits, in their dtype."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), logits.dtype)


def _distances(points_xy: FloatArray) -> FloatArray:
    first, second = np.array(EXPRESSIVE_PAIRS).T
    apart = np.linalg.norm(points_xy[:, first] - points_xy[:, second], axis=-1)
    return np.asarray(apart, np.float32)
