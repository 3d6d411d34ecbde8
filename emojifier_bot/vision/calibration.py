"""Where a theme's emoji belong among the emotions, by faces that should get them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emojifier_bot.vision.choose import choose, fits
from emojifier_bot.vision.themes import MIN_POINT_DISTANCE
from emojifier_bot.vision.types import (
    EMOTIONS,
    EmojiTheme,
    EmotionScores,
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


@dataclass(frozen=True, slots=True, eq=False)
class FaceReading:
    """What a back end said of one face that should get a certain emoji."""

    scores: EmotionScores
    measures: Mapping[Measure, float]
    #: Whether the back end is sure of it.
    confident: bool


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
    went = {
        one.name: (one.point, ways[one.name]) for one in theme.emoji if one.name in ways
    }
    chosen = leave_one_out(moved, readings, went)
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
                distance=_distance(one.point, means[one.name])
                if one.name in means
                else math.nan,
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
        start = points[name]
        for way in WAYS:
            point = rounded(_part_of(start, means[name], way))
            away = {o: _distance(point, at) for o, at in points.items() if o != name}
            nearest = min(away, key=away.__getitem__, default=name)
            if away.get(nearest, math.inf) >= LEAST_DISTANCE:
                points[name] = moved[name] = point
                ways[name] = way
                break
            near.setdefault(name, nearest)
    return moved, ways, near


def _part_of(start: FloatArray, end: FloatArray, way: float) -> FloatArray:
    return start + (end - start) * np.float32(way)


def _distance(point: FloatArray, other: FloatArray) -> float:
    return float(np.linalg.norm(point - other))


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
        themes = [theme] * len(faces)
        if name in moved:
            start, way = moved[name]
            every = np.array([one.scores.probabilities for one in faces], np.float64)
            means = (every.sum(axis=0) - every) / max(len(faces) - 1, 1)
            themes = [
                with_points(theme, {name: _part_of(start, mean, way)})
                for mean in means.astype(np.float32)
            ]
        if name not in moved or len(faces) > 1:
            chosen[name] = Counter(
                choose(
                    one, face.scores, face.measures, confident=face.confident
                ).emoji.name
                for one, face in zip(themes, faces, strict=True)
            )
    return chosen


def never_chosen(theme: EmojiTheme) -> list[str]:
    """Return the emoji that no face gets; those meant for ``--surprise`` apart.

    An emoji's own point and points on the way from there to each pure emotion are
    tried, sure and not sure, with every combination of the ranges that the theme's
    geometry bounds tell apart.
    """
    cells = measure_cells(theme)
    corners = np.eye(len(EMOTIONS), dtype=np.float32)
    never = []
    for emoji in theme.emoji:
        tries = (
            EmotionScores(emoji.point * (1 - step) + corner * step)
            for step, corner in itertools.product(STEPS, corners)
        )
        fitting = [cell for cell in cells if fits(emoji, cell)]
        can_win = emoji.surprise_only or any(
            choose(theme, scores, cell, confident=confident).emoji is emoji
            for scores in tries
            for confident in ((True, False) if emoji.mild else (True,))
            for cell in fitting
        )
        if not can_win:
            never.append(emoji.name)
    return never


def measure_cells(theme: EmojiTheme) -> list[dict[Measure, float]]:
    """Return one set of measures for each combination of ranges.

    A measure has a value below, between and above all limits that bounds set it. Cells
    that the fewest emoji ask for come first.
    """
    bounded = [one for one in theme.emoji if one.bounds]
    limits: dict[Measure, set[float]] = {measure: set() for measure in Measure}
    for bound in itertools.chain.from_iterable(one.bounds for one in bounded):
        limits[bound.measure] |= {bound.minimum, bound.maximum} - {-math.inf, math.inf}
    values = []
    for edges in map(sorted, limits.values()):
        between = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
        values.append([edges[0] - 1, *between, edges[-1] + 1] if edges else [0.0])
    cells = [dict(zip(Measure, one, strict=True)) for one in itertools.product(*values)]
    return sorted(cells, key=lambda cell: sum(fits(one, cell) for one in bounded))
