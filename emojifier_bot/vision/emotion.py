"""Expressions by our emotion nets: of geometry alone, or fused with appearance."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name

import numpy as np

from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.vision.crops import canonical_frame, cut_frame, grey
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.features import geometry_features, stretch, to_canonical
from emojifier_bot.vision.landmark_geometry import mirror
from emojifier_bot.vision.models import ModelSpec, OnnxSession, in_batches
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.shared_points import shared_features
from emojifier_bot.vision.types import EMOTIONS, EmotionScores, FloatArray, Landmarks


class OnnxEmotionClassifier:
    """An `EmotionClassifier` for the geometry of faces, and their appearance.

    A model whose inputs do not name the appearance reads the geometry alone.
    """

    @staticmethod
    def features(canonical_xy: FloatArray) -> FloatArray:
        """Return ``(N, K)`` float32 of ``(N, 68, 2)`` canonical points."""
        return geometry_features(canonical_xy)

    def __init__(self, spec: ModelSpec, threads: int = 0) -> None:
        """Load a model.

        Raises:
            ModelFileError: The file is missing or differs.
        """
        self._spec = spec
        self._session = OnnxSession(spec, threads)
        self._columns = [spec.labels.index(emotion) for emotion in EMOTIONS]
        self.sure_threshold = spec.sure_threshold

    def classify(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        """Return the eight calibrated probabilities of each face.

        A face and its mirror image show the same: where the model says so, the mean of
        both readings counts.
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
        looks = None
        if "appearance" in self._session.input_names:
            looks = self._appearance(picture, landmarks)
        if self._spec.mirror:
            points = np.concatenate([points, mirror(points, 1.0)])
            if looks is not None:
                looks = np.concatenate([looks, looks[..., ::-1]])
        inputs = {"geometry": self.features(points)}
        if looks is not None:
            inputs["appearance"] = looks
        rows = self._session.run(**inputs)[:, self._columns]
        logits = rows.reshape(-1, len(landmarks), len(EMOTIONS)).mean(axis=0)
        return [EmotionScores(row) for row in softmax(logits / self._spec.temperature)]

    def _appearance(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> FloatArray:
        size = self._spec.input_px
        looks = [
            stretch(
                grey(cut_frame(picture, canonical_frame(one.points_xy, size), size))
            )
            for one in landmarks
        ]
        pixels = np.stack(looks)[:, None].astype(np.float32)
        return ((pixels - self._spec.mean) / self._spec.std).astype(np.float32)


class SharedPointsClassifier(OnnxEmotionClassifier):
    """Reads only the points that hosted face APIs return too."""

    @staticmethod
    def features(canonical_xy: FloatArray) -> FloatArray:
        """Return ``(N, K)`` float32 of ``(N, 68, 2)`` canonical points."""
        return shared_features(canonical_xy)


def load_classifier(spec: ModelSpec, threads: int = 0) -> EmotionClassifier:
    """Load a model with the class of its variant; variants of others run as ``fused``.

    Raises:
        ModelFileError: The file is missing or differs.
    """
    known = {one.value: one.implementation for one in EmotionModel}
    name = known.get(spec.variant, EmotionModel.FUSED.implementation)
    classifier: EmotionClassifier = resolve_name(name)(spec, threads)
    return classifier


def softmax(logits: FloatArray) -> FloatArray:
    """Return ``(N, K)`` probabilities of ``(N, K)`` logits, in their dtype."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), logits.dtype)
