"""Sets emotion models beside each other on the same faces: fusion beside its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.frames import canonical_face, canonical_frame, invert
from emojifier_bot.vision.landmark_geometry import apply_affine
from emojifier_bot.vision.ports import EmotionClassifier
from emojifier_bot.vision.types import EmotionScores, FloatArray, Landmarks
from emojifier_training.conditions import drop
from emojifier_training.metrics import Labels


@dataclass(slots=True)
class MeanGeometry:
    """An `EmotionClassifier` that lets another one see no geometry but the mean.

    The points it passes on are those of the mean face in the same canonical frame, so
    that the appearance stays what it was.
    """

    classifier: EmotionClassifier
    sure_threshold: float = field(init=False)

    def __post_init__(self) -> None:
        """Take the other one's threshold."""
        self.sure_threshold = self.classifier.sure_threshold

    def classify(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        """Return what the other one says of these faces without their geometry."""
        return self.classifier.classify(picture, [mean_face(one) for one in landmarks])


def mean_face(landmarks: Landmarks) -> Landmarks:
    """Return the mean face where a face is."""
    frame = canonical_frame(landmarks.points_xy, 1)
    points_xy = apply_affine(invert(frame), canonical_face(1))
    return Landmarks(points_xy, landmarks.scheme)


def beside(
    truth: Labels, whole: FloatArray, parts: dict[str, FloatArray]
) -> dict[str, dict[str, float]]:
    """Return what is lost where a part stands for the whole, in points.

    Args:
        truth: ``(N,)`` class indices.
        whole: ``(N, 8)`` probabilities of the model in question.
        parts: Those of others, by name. A negative loss is a gain.
    """
    before = whole.argmax(axis=1)
    return {
        name: drop(truth, before, probabilities.argmax(axis=1))
        for name, probabilities in parts.items()
    }
