"""What every hosted face API is asked and answers, in our own words and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from emojifier_bot.vision.shared_points import SHARED_POINTS, SharedPoint
from emojifier_bot.vision.types import (
    EMOTIONS,
    BoundingBox,
    Emotion,
    EmotionScores,
    FloatArray,
)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What an API takes."""

    #: Of the encoded picture.
    max_bytes: int
    #: Of either side; smaller pictures get a border on the right and below.
    min_side_px: int
    max_side_px: int


@dataclass(frozen=True, slots=True)
class SentPicture:
    """The copy of a picture that leaves this machine: upright, without metadata."""

    #: A JPEG file.
    data: bytes = field(repr=False)
    #: With its border.
    size_wh: tuple[int, int]
    #: Its pixels per pixel of the picture.
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class HostedFace:
    """One face as an API tells it, in pixels of the sent picture."""

    box: BoundingBox
    #: 0 to 1 on the API's own scale; 1 where it tells none.
    confidence: float = 1.0
    #: Of the shared points those that it tells; left and right are the person's own.
    points: Mapping[SharedPoint, Point] = field(default_factory=dict)
    #: ``(5, 2)`` right eye, left eye, nose, mouth corners, where it tells them.
    five_xy: FloatArray | None = None
    #: Counter-clockwise on screen positive; None where it tells none.
    roll_degrees: float | None = None
    #: None where it tells no emotion, or only that it does not know.
    scores: EmotionScores | None = None

    @property
    def has_shared_points(self) -> bool:
        """Tell whether no shared point is missing."""
        return all(point in self.points for point in SHARED_POINTS)


class FaceApi(Protocol):
    """One vendor's API."""

    @property
    def limits(self) -> PictureLimits:
        """Return what it takes."""
        ...

    def ask(self, sent: SentPicture, timeout_seconds: float) -> list[HostedFace]:
        """Send a picture and return its faces.

        Raises:
            HostedApiError: ``face_api_down``, ``face_api_busy``, ``face_api_answer``,
                ``face_api_refused`` or ``face_api_credentials``.
        """
        ...


def named_points(
    told: Mapping[str, Point], names: Mapping[str, SharedPoint]
) -> dict[SharedPoint, Point]:
    """Return the shared points among an API's, by the API's names for them."""
    return {names[name]: xy for name, xy in told.items() if name in names}


def framed(box: Mapping[str, float]) -> BoundingBox:
    """Return the box of an API that tells ``left``, ``top``, ``width``, ``height``."""
    left, top = float(box["left"]), float(box["top"])
    return BoundingBox(left, top, left + box["width"], top + box["height"])


def turned_over(clockwise_degrees: float | None) -> float | None:
    """Return a roll as we tell it, of an API that counts clockwise; None for none."""
    return None if clockwise_degrees is None else -clockwise_degrees


def scores_from(
    told: Mapping[str, float], names: Mapping[str, Emotion]
) -> EmotionScores | None:
    """Turn an API's scores, on any scale, into probabilities.

    A share for what we have no name for (confused, unknown) is doubt: it is spread over
    all eight emotions.

    Args:
        told: By the API's names, 0 and up.
        names: The API's names for our emotions.

    Returns:
        None where there is no score above 0 for any of our emotions.
    """
    known = {
        names[name]: max(score, 0.0) for name, score in told.items() if name in names
    }
    total = sum(max(score, 0.0) for score in told.values())
    if not any(known.values()):
        return None
    shares = np.array([known.get(one, 0.0) for one in EMOTIONS], np.float64)
    doubt = max(total - shares.sum(), 0.0) / len(EMOTIONS)
    shares = (shares + doubt) / (shares + doubt).sum()
    return EmotionScores(shares.astype(np.float32))
