"""The data types of the pipeline: frozen, validated on creation, only numpy needed.

Coordinates are pixels as floats: origin top left, x right, y down. Integers are pixel
corners, so the first pixel's centre is (0.5, 0.5). Angles are in degrees, positive
counter-clockwise on the screen. Left and right are the person's own. Constructors raise
`ValueError` for values out of range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]


class Emotion(StrEnum):
    """The eight emotions, in the order of every array of probabilities."""

    ANGER = "anger"
    CONTEMPT = "contempt"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPINESS = "happiness"
    NEUTRAL = "neutral"
    SADNESS = "sadness"
    SURPRISE = "surprise"


#: Largest difference between 1 and a sum of probabilities, for rounding errors.
SUM_TOLERANCE = 1e-3
EMOTIONS: tuple[Emotion, ...] = tuple(Emotion)


class LandmarkScheme(Enum):
    """The number of points of a face, and their meaning."""

    #: Right eye, left eye, nose tip, right and left mouth corner.
    FIVE_POINT = 5
    #: The 68 points of the iBUG 300-W annotation.
    IBUG_68 = 68


def frozen_array(values: object, shape: tuple[int, ...]) -> FloatArray:
    """Copy ``values`` to a read-only float32 array of ``shape``.

    Raises:
        ValueError: The shape differs or a value is not finite.
    """
    array = np.array(values, dtype=np.float32)
    if array.shape != shape:
        raise ValueError(f"expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("expected finite numbers, got NaN or infinity")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """An upright box in pixels; the maximum edges are exclusive."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def __post_init__(self) -> None:
        """Raise `ValueError` unless the edges are finite and min <= max."""
        if not all(map(math.isfinite, self.xyxy)):
            raise ValueError(f"expected finite edges, got {self.xyxy}")
        if self.x_max < self.x_min or self.y_max < self.y_min:
            raise ValueError(f"expected min <= max, got {self.xyxy}")

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Return the four edges: x_min, y_min, x_max, y_max."""
        return (self.x_min, self.y_min, self.x_max, self.y_max)

    @property
    def width(self) -> float:
        """Return the width in pixels."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Return the height in pixels."""
        return self.y_max - self.y_min

    @property
    def center_xy(self) -> tuple[float, float]:
        """Return the centre of the box in pixels."""
        return ((self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """The landmarks of one face."""

    #: ``(K, 2)`` float32, pixels, read-only.
    points_xy: FloatArray
    scheme: LandmarkScheme

    def __post_init__(self) -> None:
        """Store a read-only copy; raise `ValueError` for another number of points."""
        points_xy = frozen_array(self.points_xy, (self.scheme.value, 2))
        object.__setattr__(self, "points_xy", points_xy)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face, as a detector returns it."""

    box: BoundingBox
    #: 0 to 1.
    confidence: float
    #: Five points (``FIVE_POINT``), if the detector returns them.
    landmarks: Landmarks | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a confidence outside of 0 to 1."""
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")


@dataclass(frozen=True, slots=True, eq=False)
class EmotionScores:
    """The probability of each emotion."""

    #: ``(8,)`` float32, 0 to 1, sum 1, in the order of `Emotion`, read-only.
    probabilities: FloatArray

    def __post_init__(self) -> None:
        """Store a read-only copy; raise `ValueError` if they do not sum to 1."""
        probabilities = frozen_array(self.probabilities, (len(EMOTIONS),))
        if (probabilities < 0).any() or abs(
            float(probabilities.sum()) - 1
        ) > SUM_TOLERANCE:
            raise ValueError(f"expected probabilities that sum to 1: {probabilities}")
        object.__setattr__(self, "probabilities", probabilities)

    def __getitem__(self, emotion: Emotion) -> float:
        """Return the probability of an emotion."""
        return float(self.probabilities[EMOTIONS.index(emotion)])

    @property
    def top(self) -> Emotion:
        """Return the most probable emotion."""
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def top_probability(self) -> float:
        """Return the probability of the most probable emotion."""
        return float(self.probabilities.max())

    def as_dict(self) -> dict[str, float]:
        """Return the eight probabilities by the emotion's name."""
        return {str(emotion): self[emotion] for emotion in EMOTIONS}


#: Of a face whose expression was not read: each emotion is as probable as the others.
UNREAD = EmotionScores(np.full(len(EMOTIONS), 1 / len(EMOTIONS), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """An analysed face: the detection, its 68 landmarks and its emotion scores."""

    detection: Detection
    landmarks: Landmarks
    scores: EmotionScores = UNREAD
    #: Whether the classifier's top probability reaches its model's threshold.
    confident: bool = False

    @property
    def box(self) -> BoundingBox:
        """Return the detector's box."""
        return self.detection.box

    @property
    def is_read(self) -> bool:
        """Tell whether its expression was read: `UNREAD` says nothing of it."""
        return bool(np.ptp(self.scores.probabilities))


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The faces of a picture, in no particular order, and the back end's name."""

    faces: tuple[Face, ...]
    #: Name of the back end that returned them, for example ``"local"``.
    backend: str

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


class Measure(StrEnum):
    """Ratios of a face's geometry; `landmarks.measure` computes them."""

    #: Gap between the inner lips, divided by the inner width of the mouth.
    MOUTH_OPENING = "mouth_opening"
    #: Distance of the mouth corners, divided by that of the outer eye corners.
    SMILE_WIDTH = "smile_width"
    #: Height of the eye, divided by its width; the person's own right and left.
    RIGHT_EYE_OPENING = "right_eye_opening"
    LEFT_EYE_OPENING = "left_eye_opening"
    #: The mean of both.
    EYE_OPENING = "eye_opening"
    #: How far the mouth corners lie above the middle of the upper lip's lower edge,
    #: divided by the distance of the outer eye corners; below 0 if they lie below it.
    MOUTH_CORNERS = "mouth_corners"
    #: How far the brows lie above the eyes, divided by the same distance.
    BROW_HEIGHT = "brow_height"
    #: Distance of the inner ends of the brows, divided by it.
    BROW_GAP = "brow_gap"


@dataclass(frozen=True, slots=True)
class GeometryBound:
    """The range of one measure of a face in which an emoji may be chosen."""

    measure: Measure
    minimum: float = -math.inf
    maximum: float = math.inf

    def allows(self, value: float) -> bool:
        """Return whether ``minimum <= value < maximum``."""
        return self.minimum <= value < self.maximum


@dataclass(frozen=True, slots=True)
class Anchor:
    """The position of the face disc in an emoji's art, in pixels of the art."""

    center_xy: tuple[float, float]
    diameter_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Emoji:
    """One emoji of a theme; `ports.EmojiSource` has its art."""

    #: Slack short name.
    name: str
    character: str
    #: Words for the alt text: "screaming in fear".
    spoken: str
    #: The emotive point: ``(8,)`` float32 in the order of `Emotion`, read-only.
    point: FloatArray
    anchor: Anchor
    #: May be used for a face of which the classifier is not sure.
    mild: bool = False
    #: No expression matches it: only ``surprise`` chooses it.
    surprise_only: bool = False
    #: The ranges that a face must meet, at most two.
    bounds: tuple[GeometryBound, ...] = ()
    #: ``(8,)`` float32: the emotions that people see in its faces; None: the point.
    mixture: FloatArray | None = None

    def __post_init__(self) -> None:
        """Store read-only copies of the arrays."""
        object.__setattr__(self, "point", frozen_array(self.point, (len(EMOTIONS),)))
        if self.mixture is not None:
            mixture = frozen_array(self.mixture, (len(EMOTIONS),))
            object.__setattr__(self, "mixture", mixture)


@dataclass(frozen=True, slots=True, eq=False)
class EmojiTheme:
    """A set of emoji in one style."""

    name: str
    title: str
    #: Width and height of the square art in pixels.
    art_size_px: int
    emoji: tuple[Emoji, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """The position of an emoji's disc, in pixels of the upright picture."""

    center_xy: tuple[float, float]
    #: Diameter of the disc.
    size_px: float
    #: Positive counter-clockwise on the screen.
    roll_degrees: float
