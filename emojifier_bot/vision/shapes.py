"""What is visible of a face, from its 68 points alone: measures, and words for them.

The words name how mouth, eyes and brows stand, and no emotion. Nothing here has seen
the emotion scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emojifier_bot.vision.crops import CANONICAL_EYE_DISTANCE
from emojifier_bot.vision.landmarks import INNER_LIP_PAIRS, REGIONS, measure
from emojifier_bot.vision.types import FloatArray, Measure


@dataclass(frozen=True, slots=True)
class Shape:
    """One measure of a face, and words for it.

    The numbers come from the hand-labelled faces of HELEN and AFW, of which half smile:
    the words of either end fit about one face of ten.
    """

    measure: Measure
    #: Of a face at rest; a value that differs less from it is at rest too.
    rest: float
    slack: float
    #: Values as far from rest as faces often go.
    low: float
    high: float
    #: Upper bounds, rising, with the words below each; none where it is as usual.
    words: tuple[tuple[float, str], ...]
    #: What a smaller and a larger value is called.
    less: str
    more: str
    #: Words for the usual, where they are asked for.
    usual: str = ""

    def word(self, value: float) -> str:
        """Return the words for a value; empty for the usual."""
        return next(words for bound, words in self.words if value < bound)

    def undone(self, value: float) -> tuple[float, ...]:
        """Return where a value may be moved to undo it.

        That is to rest; from rest, it is away in both directions.
        """
        if abs(value - self.rest) > self.slack:
            return (self.rest,)
        return (self.low, self.high)


_EYES = Shape(
    Measure.EYE_OPENING,
    rest=0.30,
    slack=0.06,
    low=0.10,
    high=0.45,
    words=(
        (0.13, "eyes closed"),
        (0.21, "eyes narrowed"),
        (0.42, ""),
        (math.inf, "eyes wide open"),
    ),
    less="narrower",
    more="wider",
    usual="eyes open",
)
SHAPES: tuple[Shape, ...] = (
    Shape(
        Measure.MOUTH_OPENING,
        rest=0.03,
        slack=0.05,
        low=0.03,
        high=0.45,
        words=(
            (0.08, "mouth closed"),
            (0.20, "lips apart"),
            (0.50, "mouth open"),
            (math.inf, "mouth wide open"),
        ),
        less="less open",
        more="further open",
    ),
    Shape(
        Measure.MOUTH_CORNERS,
        rest=0.0,
        slack=0.03,
        low=-0.09,
        high=0.07,
        words=(
            (-0.05, "mouth corners lowered"),
            (0.04, ""),
            (math.inf, "mouth corners raised"),
        ),
        less="lower",
        more="higher",
        usual="mouth corners level",
    ),
    Shape(
        Measure.SMILE_WIDTH,
        rest=0.60,
        slack=0.06,
        low=0.48,
        high=0.78,
        words=((0.50, "mouth narrow"), (0.74, ""), (math.inf, "mouth wide")),
        less="narrower",
        more="wider",
        usual="mouth of usual width",
    ),
    _EYES,
    Shape(
        Measure.BROW_HEIGHT,
        rest=0.215,
        slack=0.04,
        low=0.14,
        high=0.30,
        words=((0.15, "brows lowered"), (0.28, ""), (math.inf, "brows raised")),
        less="lower",
        more="higher",
        usual="brows at usual height",
    ),
    Shape(
        Measure.BROW_GAP,
        rest=0.26,
        slack=0.07,
        low=0.14,
        high=0.37,
        words=((0.15, "brows drawn together"), (math.inf, "")),
        less="closer together",
        more="further apart",
        usual="brows apart",
    ),
)
#: An eye is closed alone if the other one is open wider than this.
OTHER_EYE_OPEN = 0.20

#: Points that move with a measure, and how much of the way: the mouth opens by the
#: lower lip and the chin, its corners take their neighbours along.
_LOWER_LIP: Mapping[int, float] = (
    dict.fromkeys((56, 57, 58, 65, 66, 67), 1.0)
    | dict.fromkeys((55, 59, 6, 7, 8, 9, 10), 0.7)
    | dict.fromkeys((5, 11), 0.4)
    | dict.fromkeys((4, 12), 0.2)
)
_MOUTH_CORNERS: Mapping[int, float] = dict.fromkeys(
    (48, 54, 60, 64), 1.0
) | dict.fromkeys((49, 53, 55, 59), 0.5)
_RIGHT_BROW: Mapping[int, float] = {21: 1.0, 20: 0.6, 19: 0.3}
_LEFT_BROW: Mapping[int, float] = {22: 1.0, 23: 0.6, 24: 0.3}
#: An eye that is closed is opened from this aspect ratio.
_LEAST_OPENING = 0.02


def visible(points_xy: FloatArray) -> tuple[str, ...]:
    """Return what is visible of a face, one item or more.

    Args:
        points_xy: ``(68, 2)`` float32, pixels of any picture.
    """
    values = measure(points_xy)
    return tuple(filter(None, (words_of(one, values) for one in SHAPES)))


def words_of(shape: Shape, values: Mapping[Measure, float]) -> str:
    """Return the words for one measure of a face; empty for the usual.

    Args:
        shape: The measure.
        values: The result of `landmarks.measure`.
    """
    if shape is _EYES:
        sides = {
            "right": values[Measure.RIGHT_EYE_OPENING],
            "left": values[Measure.LEFT_EYE_OPENING],
        }
        closed = [side for side in sides if _EYES.word(sides[side]) == "eyes closed"]
        if len(closed) == 1 and max(sides.values()) > OTHER_EYE_OPEN:
            return f"{closed[0]} eye closed"
    return shape.word(values[shape.measure])


def with_measure(canonical_xy: FloatArray, shape: Measure, value: float) -> FloatArray:
    """Move the points of a face until one measure has a value.

    Args:
        canonical_xy: ``(68, 2)`` float32 in the canonical frame of side 1.
        shape: One of `SHAPES`.
        value: Which value it is to have.

    Returns:
        ``(68, 2)`` float32. The points that `landmarks.RIGID` names stay.
    """
    now = measure(canonical_xy)[shape]
    moved = canonical_xy.copy()
    step = (value - now) * CANONICAL_EYE_DISTANCE
    match shape:
        case Measure.MOUTH_OPENING:
            upper, lower = np.array(INNER_LIP_PAIRS).T
            width = float(np.hypot(*(canonical_xy[60] - canonical_xy[64])))
            down = (canonical_xy[lower, 1] - canonical_xy[upper, 1]).mean()
            _shift(moved, _LOWER_LIP, 1, value * width - down)
        case Measure.MOUTH_CORNERS:
            _shift(moved, _MOUTH_CORNERS, 1, -step)
        case Measure.SMILE_WIDTH:
            mouth = moved[REGIONS["mouth"], 0]
            mouth += (mouth - mouth.mean()) * (value / max(now, 1e-6) - 1)
        case Measure.EYE_OPENING:
            larger = value / max(now, _LEAST_OPENING)
            for first in (36, 42):
                _open_eye(moved[first : first + 6], larger)
        case Measure.BROW_HEIGHT:
            moved[REGIONS["brows"], 1] -= step
        case Measure.BROW_GAP:
            _shift(moved, _RIGHT_BROW, 0, -step / 2)
            _shift(moved, _LEFT_BROW, 0, step / 2)
        case _:
            raise ValueError(f"expected a measure of SHAPES, got {shape}")
    return moved


def _shift(
    points_xy: FloatArray, shares: Mapping[int, float], axis: int, step: float
) -> None:
    points_xy[list(shares), axis] += np.array([*shares.values()], np.float32) * step


def _open_eye(eye_xy: FloatArray, larger: float) -> None:
    """Move the four points of the lids away from the line between the corners."""
    (x, y), (x_end, y_end) = eye_xy[0], eye_xy[3]
    lids = eye_xy[[1, 2, 4, 5]]
    line = y + (y_end - y) * (lids[:, 0] - x) / max(x_end - x, 1e-6)
    eye_xy[[1, 2, 4, 5], 1] = line + (lids[:, 1] - line) * larger
