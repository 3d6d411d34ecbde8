"""The protocols that the pipeline depends on, one for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from emojifier_bot.vision.decode import DecodedImage
    from emojifier_bot.vision.types import (
        BoundingBox,
        Detection,
        Emoji,
        EmojiTheme,
        EmotionScores,
        Face,
        ImageArray,
        Landmarks,
        Reading,
    )

T = TypeVar("T")
R = TypeVar("R")


class Map(Protocol):
    """Calls a function with each of some items, perhaps several at the same time.

    The built-in `map` is one.
    """

    def __call__(
        self, function: Callable[[T], R], items: Iterable[T], /
    ) -> Iterable[R]:
        """Return what the function gives, in the order of the items."""
        ...


class Decoder(Protocol):
    """Turns untrusted bytes into an upright picture."""

    def decode(self, data: bytes, frame: int = 0) -> DecodedImage:
        """Decode one picture.

        Args:
            data: The bytes of an encoded picture, of any format of `formats.FORMATS`.
            frame: Which frame or page counts, from 0.

        Returns:
            The picture: RGB or RGBA, uint8, upright.

        Raises:
            ImageError: It cannot be decoded, or exceeds a limit.
        """
        ...


class FaceDetector(Protocol):
    """Finds faces in a reduced copy of a picture."""

    def detect(self, image: ImageArray) -> list[Detection]:
        """Return the faces of an image, most confident first.

        Args:
            image: ``(H, W, 3)`` uint8, RGB.

        Returns:
            Boxes and points in pixels of this image; an empty list without faces.

        Raises:
            InferenceError: The model runtime refused the image.
        """
        ...


class FaceRescorer(Protocol):
    """Judges the detector's candidates: the second stage of a cascade."""

    def rescore(
        self, picture: DecodedImage, candidates: Sequence[Detection], copy: ImageArray
    ) -> list[Detection]:
        """Return the candidates, in order, each with the probability that it is a face.

        The boxes may be better ones of the same faces.

        Args:
            picture: The upright picture.
            candidates: In pixels of it; may be empty.
            copy: ``(H, W, 3)`` uint8 RGB: the whole picture reduced, for what is large.
        """
        ...


class FaceLandmarker(Protocol):
    """Locates the 68 landmarks of detected faces."""

    def locate(
        self, picture: DecodedImage, detections: Sequence[Detection]
    ) -> list[Landmarks]:
        """Return the landmarks of each detection, in the same order.

        Args:
            picture: The upright picture.
            detections: Boxes and points in pixels of it; may be empty.

        Returns:
            One `Landmarks` (``IBUG_68``) for each detection, in pixels of the picture.

        Raises:
            InferenceError: The model runtime refused its input.
        """
        ...


class EmotionClassifier(Protocol):
    """Classifies the emotion of faces whose 68 landmarks are known."""

    #: Top probability, 0 to 1, from which on a result counts as sure.
    sure_threshold: float

    def classify(
        self, picture: DecodedImage, landmarks: Sequence[Landmarks]
    ) -> list[EmotionScores]:
        """Return the eight probabilities of each face, in the same order.

        Args:
            picture: The upright picture.
            landmarks: ``IBUG_68`` points in pixels of it; may be empty.

        Raises:
            InferenceError: The model runtime refused its input.
        """
        ...


class FaceAnalyzer(Protocol):
    """A back end: finds and analyses the faces of a picture, locally or remotely."""

    def analyze(self, picture: DecodedImage, *, expressions: bool = True) -> Reading:
        """Return the faces of a picture and the name of the back end.

        Coordinates are pixels of the upright picture.

        Args:
            picture: The upright picture.
            expressions: Whether to read them. If not, no model or service is asked for
                emotions, and the faces have the scores `types.UNREAD`.

        Raises:
            BackendError: A model failed.
            HostedApiError: A hosted API failed, and there is no fallback.
        """
        ...


@runtime_checkable
class FaceLocator(Protocol):
    """A `FaceAnalyzer` that can also look at a given place."""

    def read_at(
        self,
        picture: DecodedImage,
        boxes: Sequence[BoundingBox],
        *,
        expressions: bool = True,
    ) -> list[Face | None]:
        """Return the face in each box; None where there does not seem to be one.

        Args:
            picture: The upright picture.
            boxes: Around each face, in pixels of it.
            expressions: As in `FaceAnalyzer.analyze`.

        Raises:
            BackendError: A model failed.
        """
        ...


class EmojiSource(Protocol):
    """Provides a theme's table and its art."""

    @property
    def theme(self) -> EmojiTheme:
        """Return the table."""
        ...

    def sprite(
        self, emoji: Emoji, art_width_px: int, icc_profile: bytes | None = None
    ) -> ImageArray:
        """Return the square art of an emoji in a size for drawing.

        Args:
            emoji: One of the theme's.
            art_width_px: Width of the whole art as it will be drawn, in pixels.
            icc_profile: Of the picture that it is drawn on; ``None`` for sRGB.

        Returns:
            ``(s, s, 4)`` uint8 RGBA, premultiplied alpha: at least as wide as
            ``art_width_px`` if there is such a size, otherwise the largest one.

        Raises:
            ThemeError: The art is missing or damaged.
        """
        ...
