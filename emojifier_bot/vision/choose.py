"""Which emoji a face gets: the nearest emotive point, with geometry for strength.

The emoji near the face's point in the 8-D space of emotions form its neighbourhood.
Within it, an emoji whose geometry bounds the face meets (a wink, a yawn, a wide open
laugh) beats one without bounds; then the nearest wins. Beyond it geometry
does not count.

A face that the classifier is not sure about gets one of the mild emoji instead, unless
the nearest of all emoji is close and stands for a mixture: then the mixture is what
the face shows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from emojifier_bot.vision.types import (
    Emoji,
    EmojiTheme,
    EmotionScores,
    FloatArray,
    Measure,
)

#: Emoji at most this much farther than the nearest are neighbours. Half the distance
#: between the points of two pure emotions (the square root of 2) is 0.71.
NEIGHBOURHOOD = 0.30
#: A face this close to the point of a mixed emoji, the nearest, shows that mixture.
MIXTURE_RADIUS = 0.10
#: A point whose greatest share is at most this is a mixture.
MIXTURE_SHARE = 0.75
#: ``surprise`` draws from this many nearest emoji.
SURPRISE_COUNT = 8
#: Distances shorter than this count as equal; the name decides then.
TIE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The emoji for one face, and whether the face justifies it."""

    emoji: Emoji
    sure: bool


def choose(
    theme: EmojiTheme,
    scores: EmotionScores,
    measures: Mapping[Measure, float],
    *,
    confident: bool,
) -> Choice:
    """Pick the emoji that matches a face, the same one every time.

    Args:
        theme: Where to pick from; emoji marked ``surprise_only`` are left out.
        scores: The face's point in the space of emotions.
        measures: The result of `landmarks.measure` for the face.
        confident: Whether the classifier's top probability reaches its threshold.
    """
    emoji = [one for one in theme.emoji if not one.surprise_only]
    distances = point_distances(emoji, scores)
    sure = confident or _shows_mixture(emoji, distances)
    if not sure:
        emoji = [one for one in emoji if one.mild]
        distances = point_distances(emoji, scores)
    return Choice(_nearest_fitting(emoji, distances, measures), sure)


def surprise(theme: EmojiTheme, scores: EmotionScores, seed: str) -> Choice:
    """Draw one of the nearest emoji, nearer ones more often.

    Args:
        theme: Where to draw from; ``surprise_only`` emoji take part.
        scores: The face's point in the space of emotions.
        seed: The same seed draws the same emoji.
    """
    near = nearest(theme, scores)
    weights = 1 / (0.1 + point_distances(near, scores).astype(np.float64))
    draw = random.Random(seed)  # noqa: S311 - a game, not a secret
    (emoji,) = draw.choices(near, weights.tolist())
    return Choice(emoji, sure=True)


def unread(theme: EmojiTheme, seed: str | None) -> Choice:
    """Pick an emoji for a face of which no expression is read.

    Args:
        theme: Where to pick from.
        seed: Draws any emoji; the same seed the same one. None: the theme's first mild
            one, the same for every face.
    """
    if seed is None:
        mild = next((one for one in theme.emoji if one.mild), theme.emoji[0])
        return Choice(mild, sure=True)
    draw = random.Random(seed)  # noqa: S311 - a game, not a secret
    return Choice(draw.choice(theme.emoji), sure=True)


def nearest(theme: EmojiTheme, scores: EmotionScores) -> list[Emoji]:
    """Return the `SURPRISE_COUNT` nearest emoji, ``surprise_only`` ones too."""
    distances = map(float, point_distances(theme.emoji, scores))
    ranked = sorted(
        zip(distances, theme.emoji, strict=True),
        key=lambda one: (one[0], one[1].name),
    )
    return [emoji for _, emoji in ranked[:SURPRISE_COUNT]]


def ranking(
    theme: EmojiTheme,
    scores: EmotionScores,
    measures: Mapping[Measure, float],
    *,
    sure: bool,
    count: int,
) -> list[tuple[Emoji, float]]:
    """Return what `choose` would pick, and then if what it picked were missing.

    Args:
        theme: Where to pick from.
        scores: The face's point in the space of emotions.
        measures: The result of `landmarks.measure` for the face.
        sure: What `choose` said of it.
        count: How many to return; fewer where there are no more.

    Returns:
        The emoji with their distances from the face, best first.
    """
    left = [one for one in theme.emoji if not one.surprise_only and (one.mild or sure)]
    ranked: list[tuple[Emoji, float]] = []
    while left and len(ranked) < count:
        distances = point_distances(left, scores)
        best = _nearest_fitting(left, distances, measures)
        place = left.index(best)
        ranked.append((left.pop(place), float(distances[place])))
    return ranked


def point_distances(emoji: Sequence[Emoji], scores: EmotionScores) -> FloatArray:
    """Return the ``(N,)`` Euclidean distances of a face from emotive points."""
    distances = np.linalg.norm(_points(tuple(emoji)) - scores.probabilities, axis=1)
    return np.asarray(distances, np.float32)


@lru_cache(maxsize=8)
def _points(emoji: tuple[Emoji, ...]) -> FloatArray:
    """Return the emotive points of emoji: all of a theme, or the same part of it."""
    return np.stack([one.point for one in emoji])


def _shows_mixture(emoji: Sequence[Emoji], distances: FloatArray) -> bool:
    nearest = _nearest(emoji, distances)
    mixed = float(nearest.point.max()) <= MIXTURE_SHARE
    return mixed and float(distances.min()) <= MIXTURE_RADIUS


def _nearest_fitting(
    emoji: Sequence[Emoji], distances: FloatArray, measures: Mapping[Measure, float]
) -> Emoji:
    near = distances <= distances.min() + NEIGHBOURHOOD
    fitting = [
        bool(one.bounds) and is_near and fits(one, measures)
        for one, is_near in zip(emoji, near.tolist(), strict=True)
    ]
    for candidates in np.array([fitting, [not one.bounds for one in emoji]]):
        if candidates.any():
            return _nearest(emoji, np.where(candidates, distances, np.float32(np.inf)))
    return _nearest(emoji, distances)


def fits(emoji: Emoji, measures: Mapping[Measure, float]) -> bool:
    """Tell whether a face meets all of an emoji's geometry bounds."""
    return all(bound.allows(measures[bound.measure]) for bound in emoji.bounds)


def _nearest(emoji: Sequence[Emoji], distances: FloatArray) -> Emoji:
    limit = distances.min() + TIE
    tied = [one for one, away in zip(emoji, distances, strict=True) if away <= limit]
    return min(tied, key=lambda one: one.name)
