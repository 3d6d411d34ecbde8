"""The first pass over a clip: which face of a frame is which of the frame before.

All of a frame is searched on key frames: at a cut, about every third of a second, and
when a face was lost. In the frames between, a face is looked for around the place where
its speed takes it; from a key frame on which it is new, also backwards. Faces are told
apart by place, size and speed alone: nothing recognises a person.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.clips.scenes import SceneCounter
from emojifier_bot.vision.clips.types import Frame
from emojifier_bot.vision.detector import moved
from emojifier_bot.vision.fusion import merge, side, surer_than
from emojifier_bot.vision.types import Detection, EmotionScores, Landmarks

#: A frame is a key frame this long after the last one, or so many frames.
KEY_SECONDS, KEY_FRAMES = 0.34, 10
#: A lost face asks for a key frame if the last one is so many frames ago.
LOST_KEY_FRAMES = 3
#: What a search must be sure of to confirm a face that is known already: as far below
#: what it must be for a new one.
CONFIRMED_SHARE = 0.5
#: A face that is not seen for longer is another one when it is seen again.
LOST_SECONDS = 1.5
#: So long it is looked for around its place in each frame; later on key frames only.
FOLLOWED_SECONDS = 0.4
#: How far a face may be from where it should be, in sides of its box, at once and more
#: for each second in which it was not seen;
FAR, FAR_PER_SECOND = 0.8, 0.8
#: and how much larger or smaller, as a logarithm.
LOG_SIZE = 0.5
#: Weight of that logarithm beside the distance.
SIZE_WEIGHT = 0.5
#: So many faces tell how all of a frame moves.
MOVED_TOGETHER = 3
#: The speed of a face is that over its last sightings, so many and not older.
SPEED_SIGHTINGS, SPEED_SECONDS = 6, 0.3
#: That of one which was not seen for longer is over more of them.
HIDDEN_SECONDS, HIDDEN_SIGHTINGS, HIDDEN_SPEED_SECONDS = 0.1, 20, 0.7
#: Expressions are read at least so long after each other.
EXPRESSION_SECONDS = 0.095
#: Frames that are kept to follow a new face backwards, and their bytes.
KEPT_FRAMES, KEPT_BYTES = 12, 48_000_000
#: What no search confirms is followed no longer than this.
UNCONFIRMED_SECONDS = 1.0
#: A face that was seen for a shorter time counts if a search was as sure as this.
BRIEF_SECONDS, BRIEF_CONFIDENCE = 0.2, 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face in one frame."""

    frame: int
    seconds: float
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
    #: Of each frame.
    seconds: tuple[float, ...]
    scenes: tuple[int, ...]


#: A track and where it is seen in the frame at hand.
Seen = tuple[Track, Detection]


class Tracker:
    """Follows the faces of one clip.

    Args:
        models: Find faces, in a whole frame or around a place, and read them.
    """

    def __init__(self, models: LocalAnalyzer) -> None:
        self._models = models
        #: Finds what confirms a face that is known already.
        self._search = replace(
            models, min_confidence=models.min_confidence * CONFIRMED_SHARE
        )
        self._tracks: list[Track] = []
        self._kept: deque[Frame] = deque(maxlen=KEPT_FRAMES)
        self._last_key: Frame | None = None

    def run(self, frames: Iterable[Frame]) -> Tracked:
        """Follow every face through all frames."""
        counter = SceneCounter()
        seconds: list[float] = []
        scenes: list[int] = []
        for frame in frames:
            is_blank = counter.is_blank(frame.picture)
            if scenes and counter.scene != scenes[-1]:
                self._kept.clear()
                self._last_key = None
            seconds.append(frame.time_ms / 1000)
            scenes.append(counter.scene)
            if not is_blank:
                self._add(frame, counter.scene)
        tracks = tuple(filter(None, map(believed, self._tracks)))
        return Tracked(tracks, tuple(seconds), tuple(scenes))

    def _add(self, frame: Frame, scene: int) -> None:
        now = frame.time_ms / 1000
        live = [
            one
            for one in self._tracks
            if one.scene == scene and now - one.course[-1].seconds <= LOST_SECONDS
        ]
        seen = self._followed(frame, live)
        if self._is_key(frame, live, seen):
            self._last_key = frame
            seen += self._searched(frame, scene, live, seen)
        self._sight(frame, seen)
        for track, _ in seen:
            self._follow_back(track)
        self._keep(frame)

    def _followed(self, frame: Frame, live: Sequence[Track]) -> list[Seen]:
        """Look for faces where they should be."""
        now = frame.time_ms / 1000
        recent = [
            one for one in live if now - one.course[-1].seconds <= FOLLOWED_SECONDS
        ]
        expected = [expected_at(one.course, now) for one in recent]
        return _matched(recent, self._models.follow(frame.picture, expected), now)

    def _is_key(
        self, frame: Frame, live: Sequence[Track], seen: Sequence[Seen]
    ) -> bool:
        last = self._last_key
        if last is None:
            return True
        passed = frame.index - last.index
        if passed >= KEY_FRAMES or frame.time_ms - last.time_ms >= KEY_SECONDS * 1000:
            return True
        seen_now = {id(track) for track, _ in seen}
        is_lost = any(
            one.at(frame.index - 1) and id(one) not in seen_now for one in live
        )
        return is_lost and passed >= LOST_KEY_FRAMES

    def _searched(
        self, frame: Frame, scene: int, live: Sequence[Track], seen: Sequence[Seen]
    ) -> list[Seen]:
        """Search a whole frame; confirm what was seen, and return what was not."""
        found = self._search.detect(frame.picture)
        left = []
        for one in found:
            known = [
                t for t, detection in seen if len(merge([[one], [detection]])) == 1
            ]
            for track in known:
                sure = max(one.confidence, track.confirmed.get(frame.index, 0.0))
                track.confirmed[frame.index] = sure
            if not known:
                left.append(one)
        seen_now = {id(track) for track, _ in seen}
        unseen = [one for one in live if id(one) not in seen_now]
        again = _matched(unseen, left, frame.time_ms / 1000)
        taken = {id(detection) for _, detection in again}
        new = [
            (Track(scene), one)
            for one in surer_than(self._models.min_confidence, left)
            if id(one) not in taken
        ]
        self._tracks += [track for track, _ in new]
        for track, detection in again + new:
            track.confirmed[frame.index] = detection.confidence
        return again + new

    def _sight(self, frame: Frame, seen: Sequence[Seen]) -> None:
        """Read faces and add them to their tracks."""
        if not seen:
            return
        now, models = frame.time_ms / 1000, self._models
        points = models.landmarker.locate(frame.picture, [one for _, one in seen])
        scores: dict[int, EmotionScores] = {}
        if models.classifier is not None:
            due = [k for k, (track, _) in enumerate(seen) if not track.is_read(now)]
            read = models.classifier.classify(frame.picture, [points[k] for k in due])
            scores = dict(zip(due, read, strict=True))
        for k, (track, detection) in enumerate(seen):
            track.add(Sighting(frame.index, now, detection, points[k], scores.get(k)))

    def _follow_back(self, track: Track) -> None:
        """Follow a face that was just found to where it came from."""
        for frame in reversed(self._kept):
            if track.at(frame.index):
                return
            expected = expected_at(track.after(frame.index), frame.time_ms / 1000)
            found = self._models.follow(frame.picture, [expected])
            seen = [track.at(frame.index) for track in self._tracks]
            others = [one.detection for one in seen if one]
            free = [
                one
                for one in found
                if len(merge([others, [one]])) > len(merge([others]))
            ]
            matched = paired([expected], [0.0], free)
            if not matched:
                return
            self._sight(frame, [(track, free[matched[0][1]])])

    def _keep(self, frame: Frame) -> None:
        """Keep a copy of a frame: its memory is used again."""
        canvas = canvas_of(frame.picture.image)
        picture = replace(frame.picture, canvas=canvas)
        self._kept.append(replace(frame, picture=picture))
        while len(self._kept) > 1 and (
            len(self._kept) * canvas.pixels.nbytes > KEPT_BYTES
        ):
            self._kept.popleft()


def expected_at(course: Sequence[Sighting], seconds: float) -> Detection:
    """Return where a face should be by its speed.

    Args:
        course: Its sightings, the one that is nearest in time last.
        seconds: When; before the last of them if the course is backwards.
    """
    last = course[-1]
    if abs(seconds - last.seconds) > HIDDEN_SECONDS:
        return _hidden_at(course, seconds)
    first = next(
        one
        for one in course[-SPEED_SIGHTINGS:]
        if abs(one.seconds - last.seconds) <= SPEED_SECONDS
    )
    way = (_center(last) - _center(first)) * (seconds - last.seconds)
    return _shifted(last, way / ((last.seconds - first.seconds) or 1.0))


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
    expected: Sequence[Detection], lost: Sequence[float], found: Sequence[Detection]
) -> list[tuple[int, int]]:
    """Pair faces with what was found, the best fit first.

    What moves most of them, such as a shaken camera, is taken to move all.

    Args:
        expected: Where each should be.
        lost: For how many seconds each was not seen.
        found: What a frame shows.

    Returns:
        Indices of both; each at most once.
    """
    if not expected or not found:
        return []
    faces, seen = (np.array([_spot(one) for one in all_]) for all_ in (expected, found))
    far = FAR + FAR_PER_SECOND * np.array(lost)
    pairs = _nearest_pairs(faces, seen, far)
    if len(pairs) >= MOVED_TOGETHER:
        ways = [seen[k, :2] - faces[i, :2] for i, k in pairs]
        faces[:, :2] += np.median(ways, axis=0)
        pairs = _nearest_pairs(faces, seen, far)
    return pairs


def _spot(one: Detection) -> tuple[float, float, float]:
    return (*one.box.center_xy, side(one))


def _nearest_pairs(
    faces: NDArray[np.float64], seen: NDArray[np.float64], far: NDArray[np.float64]
) -> list[tuple[int, int]]:
    """Pair ``(N, 3)`` centres and sizes with ``(M, 3)`` others, the nearest first."""
    away = np.linalg.norm(faces[:, None, :2] - seen[None, :, :2], axis=2)
    away /= faces[:, None, 2]
    larger = np.abs(np.log(faces[:, None, 2] / seen[None, :, 2]))
    unlike = (away > far[:, None]) | (larger > LOG_SIZE)
    costs = np.where(unlike, np.inf, away + SIZE_WEIGHT * larger)
    pairs = []
    while np.isfinite(costs.min()):
        i, k = (int(one) for one in np.unravel_index(costs.argmin(), costs.shape))
        pairs.append((i, k))
        costs[i, :] = costs[:, k] = np.inf
    return pairs


def believed(track: Track) -> Track | None:
    """Return a track as far as searches confirmed it; None for a brief mistake."""
    last = track.at(max(track.confirmed))
    until = math.inf if last is None else last.seconds + UNCONFIRMED_SECONDS
    kept = [one for one in track.course if one.seconds <= until]
    is_brief = kept[-1].seconds - kept[0].seconds < BRIEF_SECONDS
    if is_brief and max(track.confirmed.values()) < BRIEF_CONFIDENCE:
        return None
    return replace(track, course=kept)


def _matched(
    tracks: Sequence[Track], found: Sequence[Detection], now: float
) -> list[Seen]:
    expected = [expected_at(one.course, now) for one in tracks]
    lost = [now - one.course[-1].seconds for one in tracks]
    return [(tracks[i], found[k]) for i, k in paired(expected, lost, found)]


def _frame_of(one: Sighting) -> int:
    return one.frame


def _seconds_of(one: Sighting) -> float:
    return one.seconds
