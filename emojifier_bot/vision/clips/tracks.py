"""Tracks of faces: where each should be, and which face of a frame it is."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.detector import moved
from emojifier_bot.vision.fusion import side
from emojifier_bot.vision.types import Detection, EmotionScores, Landmarks

#: A face that no frame shows for longer is another one when it is seen again,
LOST_SECONDS = 1.5
#: but for one that was hidden up to so long in its place: no farther from where it was,
#: in sides of its box, and no larger or smaller, as a logarithm. After a frame that is
#: shown for longer than the first it must be in its place too.
AWAY_SECONDS, AWAY_FAR, AWAY_LOG_SIZE = 5.0, 0.5, 0.2
#: Whoever is so near the edge of the picture, in sides of the box, may have left it.
EDGE_SHARE = 0.25
#: How far a face may be from where it should be, in sides of its box, at once and more
#: for each second in which it was not seen;
FAR, FAR_PER_SECOND = 0.8, 0.8
#: and how much larger or smaller, as a logarithm, with the weight of that.
LOG_SIZE, SIZE_WEIGHT = 0.7, 0.5
#: So many faces tell how all of a frame moves.
MOVED_TOGETHER = 3
#: The speed of a face is that over its last sightings, so many and not older;
SPEED_SIGHTINGS, SPEED_SECONDS = 6, 0.3
#: or, if it was not seen for longer than the first, that over more of them.
HIDDEN_SECONDS, HIDDEN_SIGHTINGS, HIDDEN_SPEED_SECONDS = 0.1, 20, 0.7
#: Expressions are read at least so long after each other.
EXPRESSION_SECONDS = 0.095
#: What no search confirms is followed no longer than this.
UNCONFIRMED_SECONDS = 1.0
#: A face that was seen for a shorter time counts if a search was as sure as this.
BRIEF_SECONDS, BRIEF_CONFIDENCE = 0.2, 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face in one frame."""

    frame: int
    #: When the frame is shown first, and until when.
    seconds: float
    until: float
    detection: Detection
    landmarks: Landmarks
    #: None where the expression was not read.
    scores: EmotionScores | None = None


@dataclass(slots=True, eq=False)
class Track:
    """One face through the frames of one scene."""

    scene: int
    #: In the order of the frames.
    course: list[Sighting] = field(default_factory=list)
    #: How sure each search was that confirmed it, by the frame.
    confirmed: dict[int, float] = field(default_factory=dict)

    def add(self, sighting: Sighting) -> None:
        """Add a sighting in a frame that has none yet."""
        insort(self.course, sighting, key=_frame_of)

    def at(self, frame: int) -> Sighting | None:
        """Return the sighting in a frame, if any."""
        place = bisect_left(self.course, frame, key=_frame_of)
        found = self.course[place : place + 1]
        return found[0] if found and found[0].frame == frame else None

    def parts(self) -> list[list[Sighting]]:
        """Return its course, apart where it was gone for too long to be covered."""
        gaps = [
            index
            for index, (one, other) in enumerate(pairwise(self.course), start=1)
            if other.seconds - one.until > LOST_SECONDS
        ]
        return [self.course[a:b] for a, b in pairwise([0, *gaps, len(self.course)])]

    def after(self, frame: int) -> list[Sighting]:
        """Return the first sightings after a frame, the nearest last."""
        place = bisect_right(self.course, frame, key=_frame_of)
        return self.course[place : place + SPEED_SIGHTINGS][::-1]

    def is_read(self, seconds: float) -> bool:
        """Tell whether its expression was read about that time."""
        least = bisect_left(self.course, seconds - EXPRESSION_SECONDS, key=_seconds_of)
        for one in self.course[least:]:
            if one.seconds - seconds >= EXPRESSION_SECONDS:
                return False
            if one.scores is not None:
                return True
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What the first pass saw."""

    tracks: tuple[Track, ...]
    #: When each frame is shown first, and until when.
    seconds: tuple[float, ...]
    ends: tuple[float, ...]
    scenes: tuple[int, ...]


def expected_at(course: Sequence[Sighting], seconds: float) -> list[Detection]:
    """Return where a face should be by its speed.

    Args:
        course: Its sightings, the one that is nearest in time last.
        seconds: When; before the last of them if the course is backwards.

    Returns:
        One place; several if it was not seen for a while.
    """
    last = course[-1]
    if abs(seconds - last.seconds) > LOST_SECONDS:
        # A frame that is shown for long does not tell how faces move meanwhile.
        return [last.detection]
    first = next(
        one
        for one in course[-SPEED_SIGHTINGS:]
        if abs(one.seconds - last.seconds) <= SPEED_SECONDS
    )
    way = (_center(last) - _center(first)) * (seconds - last.seconds)
    found = [_shifted(last, way / ((last.seconds - first.seconds) or 1.0))]
    if abs(seconds - last.seconds) > HIDDEN_SECONDS:
        # It may have been hidden, or have stopped.
        found += [_hidden_at(course, seconds), last.detection]
    return found


def _hidden_at(course: Sequence[Sighting], seconds: float) -> Detection:
    """Return where a face should be that something came in front of.

    Its last sightings show only a part of it. So its speed is the median of those
    between all pairs (Theil and Sen), and it is what it was where it was seen best.
    """
    known = [
        one
        for one in course[-HIDDEN_SIGHTINGS:]
        if abs(one.seconds - course[-1].seconds) <= HIDDEN_SPEED_SECONDS
    ]
    best = max(known, key=lambda one: one.detection.confidence)
    if len(known) == 1:
        return best.detection
    times = np.array([one.seconds for one in known])
    centers = np.array([_center(one) for one in known])
    first, second = np.triu_indices(len(known), 1)
    passed = (times[second] - times[first])[:, None]
    speed = np.median((centers[second] - centers[first]) / passed, axis=0)
    start = np.median(centers - times[:, None] * speed, axis=0)
    return _shifted(best, start + speed * seconds - _center(best))


def _shifted(one: Sighting, way_xy: NDArray[np.float64]) -> Detection:
    matrix = np.hstack([np.eye(2), way_xy[:, None]])
    return moved([one.detection], matrix)[0]


def _center(one: Sighting) -> NDArray[np.float64]:
    center = np.asarray(one.landmarks.points_xy, np.float64).mean(axis=0)
    return np.asarray(center)


def paired(
    expected: Sequence[Sequence[Detection]],
    lost: Sequence[float],
    found: Sequence[Detection],
) -> list[tuple[int, int]]:
    """Pair faces with what was found, the best fit first.

    What moves most of them, such as a shaken camera, is taken to move all.

    Args:
        expected: Where each should be: one place or several.
        lost: How many seconds ago each was seen first in its last frame.
        found: What a frame shows.

    Returns:
        Indices of both; each at most once.
    """
    if not expected or not found:
        return []
    owners = np.repeat(np.arange(len(expected)), [len(one) for one in expected])
    faces = np.array([spot(one) for places in expected for one in places])
    seen = np.array([spot(one) for one in found])
    ago = np.array(lost)[owners]
    is_held = ago > LOST_SECONDS
    far = np.where(is_held, AWAY_FAR, FAR + FAR_PER_SECOND * ago)
    log_size = np.where(is_held, AWAY_LOG_SIZE, LOG_SIZE)
    pairs = _nearest_pairs(faces, owners, seen, far, log_size)
    if len(pairs) >= MOVED_TOGETHER:
        ways = [seen[k, :2] - faces[row, :2] for row, k in pairs]
        faces[:, :2] += np.median(ways, axis=0)
        pairs = _nearest_pairs(faces, owners, seen, far, log_size)
    return [(int(owners[row]), k) for row, k in pairs]


def spot(one: Detection) -> tuple[float, float, float]:
    """Return the centre of a face's box, and its side."""
    return (*one.box.center_xy, side(one))


def _nearest_pairs(
    faces: NDArray[np.float64],
    owners: NDArray[np.int64],
    seen: NDArray[np.float64],
    far: NDArray[np.float64],
    log_size: NDArray[np.float64],
) -> list[tuple[int, int]]:
    """Pair ``(N, 3)`` centres and sizes with ``(M, 3)`` others, the nearest first.

    Of the rows of one owner at most one is paired.
    """
    away = np.linalg.norm(faces[:, None, :2] - seen[None, :, :2], axis=2)
    away /= (faces[:, None, 2] + seen[None, :, 2]) / 2
    larger = np.abs(np.log(faces[:, None, 2] / seen[None, :, 2]))
    unlike = (away > far[:, None]) | (larger > log_size[:, None])
    costs = np.where(unlike, np.inf, away + SIZE_WEIGHT * larger)
    pairs = []
    while np.isfinite(costs.min()):
        row, k = (int(one) for one in np.unravel_index(costs.argmin(), costs.shape))
        pairs.append((row, k))
        costs[owners == owners[row]] = costs[:, k] = np.inf
    return pairs


def joined(tracks: Sequence[Track]) -> list[Track]:
    """Join tracks of one face: one begins where the other should be by then.

    Args:
        tracks: In any order; they are changed.

    Returns:
        In the order in which they begin.
    """
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda one: one.course[0].frame):
        begin = track.course[0]
        ended = [
            one
            for one in kept
            if one.scene == track.scene
            and one.course[-1].frame < begin.frame
            and begin.seconds - one.course[-1].until <= LOST_SECONDS
        ]
        lost = [begin.seconds - one.course[-1].seconds for one in ended]
        places = [expected_at(one.course, begin.seconds) for one in ended]
        pairs = paired(places, lost, [begin.detection])
        if pairs:
            earlier = ended[pairs[0][0]]
            earlier.course += track.course
            earlier.confirmed |= track.confirmed
        else:
            kept.append(track)
    return kept


def came_back(tracks: Sequence[Track], size_wh: tuple[int, int]) -> list[Track]:
    """Join tracks of a face that something hid for long.

    Who left the picture, or was where somebody else is seen meanwhile, may be another
    one, whom `--skip` must not leave uncovered.

    Args:
        tracks: In the order in which they begin; they are changed.
        size_wh: Of the frames.
    """
    kept: list[Track] = []
    for track in tracks:
        begin = track.course[0]
        before = [
            one
            for one in kept
            if one.scene == track.scene
            and one.course[-1].frame < begin.frame
            and begin.seconds - one.course[-1].until <= AWAY_SECONDS
            and not any(
                is_at_edge(each.detection, size_wh) for each in (one.course[-1], begin)
            )
            and _is_same_place(one.course[-1].detection, begin.detection)
        ]
        if len(before) == 1 and not _is_taken(before[0], begin, tracks):
            before[0].course += track.course
            before[0].confirmed |= track.confirmed
        else:
            kept.append(track)
    return kept


def _is_same_place(before: Detection, after: Detection) -> bool:
    (x, y, was), (now_x, now_y, now) = spot(before), spot(after)
    is_near = math.dist((x, y), (now_x, now_y)) <= AWAY_FAR * min(was, now)
    return is_near and abs(math.log(now / was)) <= AWAY_LOG_SIZE


def _is_taken(gone: Track, begin: Sighting, tracks: Sequence[Track]) -> bool:
    """Tell whether somebody else was seen in the place of a face while it was gone."""
    x, y, reach = spot(begin.detection)
    return any(
        gone.course[-1].frame < one.frame < begin.frame
        and math.dist((x, y), one.detection.box.center_xy) <= reach
        for other in tracks
        if other is not gone
        for one in other.course
    )


def is_at_edge(one: Detection, size_wh: tuple[int, int]) -> bool:
    """Tell whether the edge of the picture cuts a face, or nearly."""
    margin, (width, height), box = EDGE_SHARE * side(one), size_wh, one.box
    return (
        min(box.x_min, box.y_min) <= margin
        or box.x_max >= width - margin
        or box.y_max >= height - margin
    )


def believed(track: Track, ends: Sequence[float]) -> Track | None:
    """Return a track as far as searches confirmed it; None for a brief mistake.

    Args:
        track: At least one search confirmed it.
        ends: Until when each frame is shown, seconds.
    """
    last = track.at(max(track.confirmed))
    until = math.inf if last is None else last.until + UNCONFIRMED_SECONDS
    kept = [one for one in track.course if one.seconds <= until]
    # All of a clip may be shorter than that, and repeat for ever.
    least = min(BRIEF_SECONDS, ends[-1])
    is_brief = ends[kept[-1].frame] - kept[0].seconds < least
    if is_brief and max(track.confirmed.values()) < BRIEF_CONFIDENCE:
        return None
    return replace(track, course=kept)


def _frame_of(one: Sighting) -> int:
    return one.frame


def _seconds_of(one: Sighting) -> float:
    return one.seconds
