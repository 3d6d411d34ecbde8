"""Where a theme's emoji belong among the emotions, by faces that should get them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emojifier_bot.vision.choose import choose, fits
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.themes import MIN_POINT_DISTANCE
from emojifier_bot.vision.types import (
    EMOTIONS,
    Emoji,
    EmojiTheme,
    EmotionScores,
    Face,
    FloatArray,
    Measure,
)

#: Points are written with so many decimals.
DECIMALS = 4
#: Two emoji must still be this far apart after rounding.
LEAST_DISTANCE = MIN_POINT_DISTANCE + 10**-DECIMALS
#: How far an emoji may go towards the mean of its faces, the farthest first.
WAYS = tuple(step / 20 for step in range(20, 0, -1))
#: How far towards each pure emotion an emoji's reach is tried, shares of the way.
STEPS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)

#: What is noted of an emoji that no face gets.
NEVER_WINS = "never wins"

Measures = Mapping[Measure, float]


@dataclass(frozen=True, slots=True, eq=False)
class FaceReading:
    """What a back end said of one face that should get a certain emoji."""

    scores: EmotionScores
    measures: Measures
    #: Whether the back end is sure of it.
    confident: bool


def reading_of(face: Face) -> FaceReading:
    """Return what counts of a face when its emoji is chosen."""
    return FaceReading(face.scores, measure(face.landmarks.points_xy), face.confident)


#: By the short name of the emoji that the faces should get.
Readings = Mapping[str, Sequence[FaceReading]]


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedEmoji:
    """One emoji after calibration."""

    name: str
    #: Faces that should get it.
    faces: int
    #: How far the mean of its faces lies from the point it had; NaN without faces.
    distance: float
    #: How much of that way it went, 0 to 1.
    way: float
    #: What its faces get while each is left out of the mean, by emoji.
    chosen: Counter[str]
    #: What a person should know: why it was not moved, or that it never wins.
    note: str = ""

    @property
    def hits(self) -> int:
        """Return how many left-out faces get this emoji."""
        return self.chosen[self.name]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A theme with new points, and how they stand."""

    theme: EmojiTheme
    emoji: tuple[CalibratedEmoji, ...]

    @property
    def hits(self) -> int:
        """Return how many left-out faces get the emoji that they should."""
        return sum(one.hits for one in self.emoji)

    @property
    def checked(self) -> int:
        """Return how many faces could be left out."""
        return sum(one.chosen.total() for one in self.emoji)


def calibrate(theme: EmojiTheme, readings: Readings, least: int = 1) -> Calibration:
    """Move each emoji to the mean of what a back end says of its faces.

    Emoji without enough faces stay. Where an emoji would come closer to another than a
    theme allows, it goes only a part of the way; the one with most faces goes first.

    Args:
        theme: Whose emoji are meant; it is left as it is.
        readings: The faces of each emoji.
        least: Faces that an emoji needs to be moved.
    """
    means = {
        name: mean_point(faces)
        for name, faces in readings.items()
        if len(faces) >= max(least, 1)
    }
    points, ways, near = settled(theme, means, readings)
    moved = with_points(theme, points)
    starts = {one.name: one.point for one in theme.emoji}
    chosen = leave_one_out(
        moved, readings, {name: (starts[name], way) for name, way in ways.items()}
    )
    notes = (
        {one.name: "kept: no faces" for one in theme.emoji}
        | {name: f"kept: fewer than {least} faces" for name, f in readings.items() if f}
        | dict.fromkeys(points, "")
        | {name: f"{other} is in the way" for name, other in near.items()}
        | dict.fromkeys(never_chosen(moved), NEVER_WINS)
    )
    return Calibration(
        moved,
        tuple(
            CalibratedEmoji(
                name=one.name,
                faces=len(readings.get(one.name, ())),
                distance=_distance(one.point, means.get(one.name)),
                way=ways.get(one.name, 0.0),
                chosen=chosen.get(one.name, Counter()),
                note=notes[one.name],
            )
            for one in theme.emoji
        ),
    )


def mean_point(faces: Sequence[FaceReading]) -> FloatArray:
    """Return the ``(8,)`` mean of the faces' probabilities, rounded; it sums to 1."""
    return rounded(np.mean([one.scores.probabilities for one in faces], axis=0))


def rounded(point: FloatArray) -> FloatArray:
    """Round shares to `DECIMALS` so that they still sum to 1."""
    shares = np.round(np.asarray(point, np.float64) / float(point.sum()), DECIMALS)
    shares[shares.argmax()] += 1 - shares.sum()
    return np.asarray(np.round(shares, DECIMALS), np.float32)


def with_points(theme: EmojiTheme, points: Mapping[str, FloatArray]) -> EmojiTheme:
    """Return a theme whose named emoji have other points."""
    return dataclasses.replace(
        theme,
        emoji=tuple(
            dataclasses.replace(one, point=points.get(one.name, one.point))
            for one in theme.emoji
        ),
    )


def settled(
    theme: EmojiTheme, means: Mapping[str, FloatArray], readings: Readings
) -> tuple[dict[str, FloatArray], dict[str, float], dict[str, str]]:
    """Move each emoji as far towards its mean as its neighbours let it.

    Args:
        theme: Its own points are far enough apart.
        means: The points that emoji should have.
        readings: The faces of each; the emoji with most of them goes first.

    Returns:
        By name: the points of those that moved, how much of the way each went, and for
        each that could not go all of it, whom it would have come too close to.
    """
    points = {one.name: one.point for one in theme.emoji}
    moved, ways, near = dict[str, FloatArray](), dict[str, float](), dict[str, str]()
    for name in sorted(means, key=lambda name: (-len(readings[name]), name)):
        others = {other: point for other, point in points.items() if other != name}
        start, wanted = points[name], means[name]
        for way in WAYS:
            point = rounded(_part_of(start, wanted, way))
            other, away = _nearest(point, others)
            if away >= LEAST_DISTANCE:
                points[name] = moved[name] = point
                ways[name] = way
                break
            near.setdefault(name, other)
    return moved, ways, near


def _part_of(start: FloatArray, end: FloatArray, way: float) -> FloatArray:
    return start + (end - start) * np.float32(way)


def _nearest(point: FloatArray, others: Mapping[str, FloatArray]) -> tuple[str, float]:
    """Return who is nearest to a point, and how far away; the earlier of equals."""
    away = {name: _distance(point, other) for name, other in others.items()}
    return min(away.items(), key=lambda one: one[1], default=("", math.inf))


def leave_one_out(
    theme: EmojiTheme,
    readings: Readings,
    moved: Mapping[str, tuple[FloatArray, float]],
) -> dict[str, Counter[str]]:
    """Return what each emoji's faces get while they say nothing of its point.

    A single face of a moved emoji cannot be left out, and is not counted.

    Args:
        theme: With its new points.
        readings: The faces of each emoji.
        moved: The emoji that went towards the mean of their faces: from where, and
            how much of the way.
    """
    chosen = {}
    for name, faces in readings.items():
        if name not in moved:
            chosen[name] = Counter(_choice(theme, face) for face in faces)
        elif len(faces) > 1:
            start, way = moved[name]
            chosen[name] = Counter(
                _choice(with_points(theme, {name: _part_of(start, mean, way)}), face)
                for face, mean in zip(faces, _means_without_one(faces), strict=True)
            )
    return chosen


def never_chosen(theme: EmojiTheme) -> list[str]:
    """Return the emoji that no face gets; those meant for ``--surprise`` apart.

    An emoji's own point and points on the way from there to each pure emotion are
    tried, sure and not sure, with every combination of the ranges that the theme's
    geometry bounds tell apart.
    """
    cells = measure_cells(theme)
    return [
        one.name
        for one in theme.emoji
        if not one.surprise_only and not _can_win(theme, one, cells)
    ]


def measure_cells(theme: EmojiTheme) -> list[dict[Measure, float]]:
    """Return one set of measures for each combination of ranges.

    Those that the fewest emoji ask for come first.
    """
    ranges = [_representatives(theme, measure) for measure in Measure]
    cells = [
        dict(zip(Measure, values, strict=True)) for values in itertools.product(*ranges)
    ]
    bounded = [one for one in theme.emoji if one.bounds]
    return sorted(cells, key=lambda cell: sum(fits(one, cell) for one in bounded))


def _representatives(theme: EmojiTheme, measure: Measure) -> list[float]:
    """Return a value below, between and above all limits of a measure."""
    limits = {
        limit
        for one in theme.emoji
        for bound in one.bounds
        if bound.measure == measure
        for limit in (bound.minimum, bound.maximum)
        if math.isfinite(limit)
    }
    edges = sorted(limits)
    if not edges:
        return [0.0]
    between = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    return [edges[0] - 1, *between, edges[-1] + 1]


def _can_win(
    theme: EmojiTheme, emoji: Emoji, cells: Sequence[dict[Measure, float]]
) -> bool:
    fitting = [cell for cell in cells if fits(emoji, cell)]
    sure = (True, False) if emoji.mild else (True,)
    return any(
        choose(theme, scores, cell, confident=confident).emoji is emoji
        for scores in _tries(emoji)
        for confident in sure
        for cell in fitting
    )


def _tries(emoji: Emoji) -> Iterator[EmotionScores]:
    corners = np.eye(len(EMOTIONS), dtype=np.float32)
    for step, corner in itertools.product(STEPS, corners):
        yield EmotionScores(emoji.point * (1 - step) + corner * step)


def _choice(theme: EmojiTheme, face: FaceReading) -> str:
    choice = choose(theme, face.scores, face.measures, confident=face.confident)
    return choice.emoji.name


def _means_without_one(faces: Sequence[FaceReading]) -> Iterator[FloatArray]:
    every = np.array([one.scores.probabilities for one in faces], np.float64)
    yield from (
        np.asarray(point, np.float32)
        for point in (every.sum(axis=0) - every) / (len(every) - 1)
    )


def _distance(point: FloatArray, other: FloatArray | None) -> float:
    return math.nan if other is None else float(np.linalg.norm(point - other))
