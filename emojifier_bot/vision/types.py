"""The types that every layer speaks. Frozen, checked once, numpy only.

Coordinates are pixels as floats: origin top left, x right, y down, numbers name pixel
corners (the first pixel's centre is (0.5, 0.5)). Angles are in degrees,
counter-clockwise on screen positive. Left and right are the person's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]


class Emotion(StrEnum):
    """The eight emotions, in the order that every array of probabilities has."""

    ANGER = "anger"
    CONTEMPT = "contempt"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPINESS = "happiness"
    NEUTRAL = "neutral"
    SADNESS = "sadness"
    SURPRISE = "surprise"


#: How far from 1 probabilities may sum up, for rounding.
SUM_TOLERANCE = 1e-3
EMOTIONS: tuple[Emotion, ...] = tuple(Emotion)


class LandmarkScheme(Enum):
    """How many points there are and what each of them means."""

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
        """Refuse boxes that are inside out or not finite."""
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
        """Return the middle of the box in pixels."""
        return ((self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Named points of one face."""

    #: ``(K, 2)`` float32, pixels, read-only.
    points_xy: FloatArray
    scheme: LandmarkScheme

    def __post_init__(self) -> None:
        """Store a read-only copy with the number of points that the scheme has."""
        points_xy = frozen_array(self.points_xy, (self.scheme.value, 2))
        object.__setattr__(self, "points_xy", points_xy)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face as a detector found it."""

    box: BoundingBox
    #: 0 to 1.
    confidence: float
    #: The five points, where the detector gives them.
    landmarks: Landmarks | None = None

    def __post_init__(self) -> None:
        """Refuse a confidence outside 0 to 1."""
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")


@dataclass(frozen=True, slots=True, eq=False)
class EmotionScores:
    """How probable each emotion is."""

    #: ``(8,)`` float32, sum 1, in the order of `Emotion`, read-only.
    probabilities: FloatArray

    def __post_init__(self) -> None:
        """Store a read-only copy; refuse what is not a distribution."""
        probabilities = frozen_array(self.probabilities, (len(EMOTIONS),))
        if (probabilities < 0).any() or abs(
            float(probabilities.sum()) - 1
        ) > SUM_TOLERANCE:
            raise ValueError(f"expected probabilities that sum to 1: {probabilities}")
        object.__setattr__(self, "probabilities", probabilities)

    def __getitem__(self, emotion: Emotion) -> float:
        """Return the probability of one emotion."""
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
        """Return the eight probabilities by name."""
        return {str(emotion): self[emotion] for emotion in EMOTIONS}


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face fully read: where it is, its 68 points and what it shows."""

    detection: Detection
    landmarks: Landmarks
    scores: EmotionScores
    #: Whether the classifier's top probability reaches its model's threshold.
    confident: bool

    @property
    def box(self) -> BoundingBox:
        """Return the detector's own box."""
        return self.detection.box


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The faces of a picture, in no particular order, and who found them."""

    faces: tuple[Face, ...]
    #: Name of the back end that answered: ``"local"``.
    backend: str

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


class Measure(StrEnum):
    """Measures of a face's geometry; `landmarks` computes them."""

    #: Gap between the inner lips over the mouth's inner width.
    MOUTH_OPENING = "mouth_opening"
    #: Distance of the mouth corners over that of the outer eye corners.
    SMILE_WIDTH = "smile_width"
    #: Height over width of the eye, the person's own right and left.
    RIGHT_EYE_OPENING = "right_eye_opening"
    LEFT_EYE_OPENING = "left_eye_opening"


@dataclass(frozen=True, slots=True)
class GeometryBound:
    """A range that one measure of the face must lie in for an emoji to be chosen."""

    measure: Measure
    minimum: float = -math.inf
    maximum: float = math.inf

    def allows(self, value: float) -> bool:
        """Tell whether ``value`` lies in the half-open range."""
        return self.minimum <= value < self.maximum


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the face disc lies in an emoji's art, in pixels of the art."""

    center_xy: tuple[float, float]
    diameter_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Emoji:
    """One emoji of a theme; its art is read through `ports.EmojiSource`."""

    #: Slack short name.
    name: str
    character: str
    #: Words for the alt text: "screaming in fear".
    spoken: str
    #: ``(8,)`` float32 in the order of `Emotion`.
    point: FloatArray
    anchor: Anchor
    #: May stand for a face that the classifier is not sure about.
    mild: bool = False
    #: No face can justify it: chosen by ``surprise`` only.
    surprise_only: bool = False
    #: At most two.
    bounds: tuple[GeometryBound, ...] = ()
    #: ``(8,)`` float32: what people see in faces that get it; None: the point.
    mixture: FloatArray | None = None

    def __post_init__(self) -> None:
        """Store read-only copies of the arrays."""
        object.__setattr__(self, "point", frozen_array(self.point, (len(EMOTIONS),)))
        if self.mixture is not None:
            mixture = frozen_array(self.mixture, (len(EMOTIONS),))
            object.__setattr__(self, "mixture", mixture)


@dataclass(frozen=True, slots=True, eq=False)
class EmojiTheme:
    """A set of emoji drawn by one hand."""

    name: str
    title: str
    #: Width and height of the square art in pixels.
    art_size_px: int
    emoji: tuple[Emoji, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an emoji's disc goes, in pixels of the upright picture."""

    center_xy: tuple[float, float]
    #: Diameter of the disc.
    size_px: float
    roll_degrees: float


@dataclass(frozen=True, slots=True, eq=False)
class EmojifiedFace:
    """A face with the emoji chosen for it and the place where it was painted."""

    face: Face
    emoji: Emoji
    #: False: the emoji is a mild guess, and the alt text says so.
    sure: bool
    placement: Placement

    def to_dict(self) -> dict[str, object]:
        """Return one entry of ``faces`` in the object of ``replay --json``."""
        points_xy = self.face.landmarks.points_xy.astype(float).round(2)
        return {
            "box": [round(edge, 2) for edge in self.face.box.xyxy],
            "confidence": round(self.face.detection.confidence, 4),
            "landmarks": points_xy.tolist(),
            "roll_degrees": round(self.placement.roll_degrees, 2),
            "emotions": {k: round(v, 5) for k, v in self.face.scores.as_dict().items()},
            "emoji": {"name": self.emoji.name, "character": self.emoji.character},
            "sure": self.sure,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One emojified picture, already encoded."""

    width: int
    height: int
    #: In reading order.
    faces: tuple[EmojifiedFace, ...]
    alt_text: str
    #: The encoded picture; without faces it shows what came in.
    encoded: bytes = field(repr=False)
    #: Pillow's name of the format of `encoded`: ``"JPEG"``.
    format: str
    #: Encodes the picture for another file extension, ``".png"``.
    encode_for: Callable[[str], bytes] = field(repr=False)
    #: File extensions that `encoded` already fits.
    extensions: tuple[str, ...] = ()
    #: What the user should know about the picture: "30 % of its rows are missing".
    notes: tuple[str, ...] = ()
    #: Name of the back end that read the faces.
    backend: str = "local"
    #: Stage name to milliseconds.
    milliseconds: dict[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the encoded picture."""
        return self.encoded

    def save(self, path: str | Path) -> None:
        """Write the picture, in the format that the path's extension names.

        Raises:
            ImageError: The extension names no format that can be written.
            OSError: The file cannot be written.
        """
        path = Path(path)
        same = not path.suffix or path.suffix.lower() in self.extensions
        path.write_bytes(self.encoded if same else self.encode_for(path.suffix))

    def to_dict(
        self,
        input: str | None = None,  # noqa: A002 - the key's name in the object
        output: str | None = None,
    ) -> dict[str, object]:
        """Return the object that ``replay --json`` prints.

        Args:
            input: Where the picture came from, as it was given.
            output: Where the result was written.
        """
        return {
            "input": input,
            "output": output,
            "width": self.width,
            "height": self.height,
            "faces": [face.to_dict() for face in self.faces],
            "alt_text": self.alt_text,
            "notes": list(self.notes),
            "backend": self.backend,
            "milliseconds": {k: round(v, 2) for k, v in self.milliseconds.items()},
        }
