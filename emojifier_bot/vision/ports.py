"""What the pipeline needs from the outside, one small protocol each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from emojifier_bot.vision.decode import DecodedImage
    from emojifier_bot.vision.types import (
        Detection,
        Emoji,
        EmojiTheme,
        EmotionScores,
        ImageArray,
        Landmarks,
        Reading,
    )


class Decoder(Protocol):
    """Turns untrusted bytes into an upright picture."""

    def decode(self, data: bytes) -> DecodedImage:
        """Decode one picture.

        Raises:
            ImageError: It cannot be decoded, or passes a limit.
        """
        ...


class FaceDetector(Protocol):
    """Finds faces in a reduced copy of a picture."""

    def detect(self, image: ImageArray) -> list[Detection]:
        """Return the faces of an ``(H, W, 3)`` uint8 RGB image, best first."""
        ...


class FaceLandmarker(Protocol):
    """Finds the 68 points of faces that a detector found."""

    def locate(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        """Return the points of each detection, pixels of the upright picture."""
        ...


class EmotionClassifier(Protocol):
    """Reads expressions from faces whose 68 points are known."""

    #: Calibrated top probability from which a reading counts as sure.
    sure_threshold: float

    def classify(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        """Return the eight probabilities of each face."""
        ...


class FaceAnalyzer(Protocol):
    """Finds and fully reads every face of a picture, locally or by a hosted API."""

    def analyze(self, picture: DecodedImage) -> Reading:
        """Return the faces of a picture, and who found them.

        Raises:
            BackendError: A model failed.
            HostedApiError: A hosted API failed, and nothing stands in for it.
        """
        ...


class EmojiSource(Protocol):
    """Gives a theme's table and its art."""

    @property
    def theme(self) -> EmojiTheme:
        """Return the table."""
        ...

    def sprite(self, emoji: Emoji, art_width_px: int) -> ImageArray:
        """Return ``(h, w, 4)`` uint8 RGBA art, straight alpha, of the given width."""
        ...
