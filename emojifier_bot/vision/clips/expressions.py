"""Which emoji a face has over time: it changes on lasting evidence only.

Probabilities and measures are averaged over a window around each moment. Another emoji
takes over where it is clearly the better one throughout `EVIDENCE_SECONDS`; what shows
for a shorter time, or fits about as well as what is there, changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emojifier_bot.vision.choose import (
    NEIGHBOURHOOD,
    Choice,
    choose,
    fits,
    point_distances,
)
from emojifier_bot.vision.clips.smoothing import Course, window_means
from emojifier_bot.vision.types import EMOTIONS, EmojiTheme, EmotionScores, Measure

#: Standard deviation of the window, seconds.
WINDOW_SECONDS = 0.3
#: Another emoji must be the better one for so long.
EVIDENCE_SECONDS = 0.3
#: It is clearly better if it is nearer by this, in the space of emotions.
NEARER = 0.2
#: How far beyond an emoji's bounds a measure must be to take it away, and how far
#: within them to bring it, as a share of the measure.
BEYOND = 0.15
#: A face counts as read surely where this share of the readings is,
SURE_SHARE = 0.5
#: and changes between sure and unsure where the share is beyond these.
UNSURE_SHARE, SURER_SHARE = 0.2, 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """What was read of a face at one time."""

    seconds: float
    scores: EmotionScores
    measures: dict[Measure, float]
    #: Whether the model was sure: 0 or 1, or the share of several readings.
    confident: float


def steady_choices(
    theme: EmojiTheme, read: Sequence[Expression], at: Course, until: float
) -> list[Choice]:
    """Return the emoji of a face at some times.

    Args:
        theme: Where they are chosen from.
        read: What was read of the face, in the order of time; at least once.
        at: ``(M,)`` rising times, seconds.
        until: How long the last of them holds.

    Returns:
        One choice for each time.
    """
    faces = averages(read, at)
    best = [
        choose(theme, one.scores, one.measures, confident=one.confident >= SURE_SHARE)
        for one in faces
    ]
    ends = np.searchsorted(at, at + EVIDENCE_SECONDS, side="right")
    chosen: list[Choice] = []
    for index in range(len(at)):
        ahead = range(index, max(int(ends[index]), index + 1))
        now = chosen[-1] if chosen else None
        # Near the end there is not enough evidence left.
        lasts = now is None or until - at[index] >= EVIDENCE_SECONDS
        if lasts and all(_is_better(best[k], now, faces[k]) for k in ahead):
            now = most_frequent([best[k] for k in ahead])
        chosen.append(now or best[index])
    return chosen


def averages(read: Sequence[Expression], at: Course) -> list[Expression]:
    """Return what was read around each of some times, averaged."""
    values = np.array(
        [
            [*one.scores.probabilities, *one.measures.values(), one.confident]
            for one in read
        ]
    )
    seconds = np.array([one.seconds for one in read])
    means = window_means(seconds, values, at, WINDOW_SECONDS)
    count = len(EMOTIONS)
    return [
        Expression(
            float(time),
            EmotionScores(row[:count]),
            dict(zip(read[0].measures, row[count:-1].tolist(), strict=True)),
            float(row[-1]),
        )
        for time, row in zip(at, means, strict=True)
    ]


def _is_better(best: Choice, now: Choice | None, face: Expression) -> bool:
    """Tell whether the best emoji of a moment is clearly better than that of now."""
    if now is None:
        return True
    if best.emoji.name == now.emoji.name:
        return False
    if best.sure != now.sure:
        return not UNSURE_SHARE < face.confident < SURER_SHARE
    measured = [
        {name: value * share for name, value in face.measures.items()}
        for share in (1 - BEYOND, 1.0, 1 + BEYOND)
    ]
    if not any(fits(now.emoji, one) for one in measured):
        return True
    if best.emoji.bounds and not all(fits(best.emoji, one) for one in measured):
        return False
    away = point_distances([now.emoji, best.emoji], face.scores)
    # One with bounds that the face meets is chosen for them, near as it may be.
    nearer = -NEIGHBOURHOOD if best.emoji.bounds else NEARER
    return float(away[0] - away[1]) > nearer


def most_frequent(choices: Sequence[Choice]) -> Choice:
    """Return the choice of the emoji that is there most often, of equals the first."""
    ((name, _),) = Counter(one.emoji.name for one in choices).most_common(1)
    return next(one for one in choices if one.emoji.name == name)
