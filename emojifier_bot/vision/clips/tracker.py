"""The first pass over a clip: which face of a frame is which of the frame before.

All of a frame is searched on key frames: at both ends of a scene, every half second,
where one is shown for as long, and when a face was lost. In the frames between, a face
is looked for around the place where its speed takes it; from a key frame on which it is
new, also backwards. Faces are told apart by place, size and speed alone: nothing
recognises a person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.clips.ahead import ahead
from emojifier_bot.vision.clips.common_motion import MOVED_FAR, common_motion
from emojifier_bot.vision.clips.kept import KeptFrames
from emojifier_bot.vision.clips.scenes import SceneCounter
from emojifier_bot.vision.clips.tracks import (
    LOST_SECONDS,
    Sighting,
    Track,
    Tracked,
    believed,
    came_back,
    expected_at,
    joined,
    paired,
    spot,
)
from emojifier_bot.vision.clips.types import Clip, Frame
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.detector import moved
from emojifier_bot.vision.fusion import merge, side, surer_than
from emojifier_bot.vision.models import in_batches
from emojifier_bot.vision.types import Detection, EmotionScores

#: A frame is a key frame this long after the last one, or if it is shown for so long,
#: or so many frames after it: an odd number, so what every second frame shows is in one
#: of two key frames.
KEY_SECONDS, KEY_FRAMES = 0.5, 15
#: What a search must be sure of to confirm a face that is known already: so much of
#: what it must be for a new one.
CONFIRMED_SHARE = 0.5
#: So long a face that is not seen is looked for around its place in each frame; later
#: on key frames only.
FOLLOWED_SECONDS = 0.4
#: Frames that are kept to follow a new face backwards, and their bytes: up to 1.3
#: megapixels that is all of them, or 0.8 with transparency.
KEPT_FRAMES, KEPT_BYTES = 2 * KEY_FRAMES, 60_000_000
#: Frames follow each other by at least this, seconds.
LEAST_SECONDS = 0.001

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
        self._kept = KeptFrames(KEPT_FRAMES, KEPT_BYTES)
        #: The index of the last key frame, and when it is shown first, milliseconds.
        self._last_key: tuple[int, float] | None = None
        #: Until when each frame is shown, seconds.
        self._ends: list[float] = []

    def run(self, clip: Clip) -> Tracked:
        """Follow every face through all frames, which are decoded once."""
        counter = SceneCounter()
        seconds: list[float] = []
        scenes: list[int] = []
        # A damaged clip has fewer frames than its header says.
        shown = zip(ahead(clip.frames()), clip.info.durations_ms, strict=False)
        for found, duration_ms in shown:
            least = seconds[-1] + LEAST_SECONDS if seconds else 0.0
            frame = replace(
                found,
                time_ms=max(found.time_ms, 1000 * least),
                picture=_as_file_has_it(found.picture),
            )
            is_blank = counter.is_blank(frame.picture)
            if scenes and counter.scene != scenes[-1]:
                self._end_scene(scenes[-1])
            seconds.append(frame.time_ms / 1000)
            self._ends.append((frame.time_ms + duration_ms) / 1000)
            scenes.append(counter.scene)
            if not is_blank:
                self._add(frame, counter.scene)
        if scenes:
            self._end_scene(scenes[-1])
        ends = tuple(self._ends)
        faces = (believed(one, ends) for one in joined(self._tracks))
        tracks = list(filter(None, faces))
        together = tuple(came_back(tracks, clip.info.size_wh))
        return Tracked(together, tuple(seconds), ends, tuple(scenes))

    def _add(self, frame: Frame, scene: int) -> None:
        live = self._live(frame, scene)
        seen = self._followed(frame, live)
        is_key = self._is_key(frame)
        if is_key:
            self._last_key = frame.index, frame.time_ms
        # Of the frames between that show nothing at all, none is kept.
        before = self._kept.last
        if is_key or (before is not None and _has_lost(before, live, seen)):
            seen += self._searched(frame, scene, live, seen)
        self._sight(frame, seen)
        for track, _ in seen:
            self._follow_back(track, frame)
        self._kept.add(frame)

    def _end_scene(self, scene: int) -> None:
        """Search its last frame, for those who came after the last key frame."""
        frame = self._kept.last
        if frame is not None and (frame.index, frame.time_ms) != self._last_key:
            live = self._live(frame, scene)
            sighted = [(track, track.at(frame.index)) for track in live]
            seen = [(track, one.detection) for track, one in sighted if one]
            found = self._searched(frame, scene, live, seen)
            self._sight(frame, found)
            for track, _ in found:
                self._follow_back(track, frame)
        self._kept.clear()
        self._last_key = None

    def _live(self, frame: Frame, scene: int) -> list[Track]:
        now = frame.time_ms / 1000
        return [
            one
            for one in self._tracks
            if one.scene == scene and now - one.course[-1].until <= LOST_SECONDS
        ]

    def _followed(self, frame: Frame, live: Sequence[Track]) -> list[Seen]:
        """Look for faces where they should be."""
        now = frame.time_ms / 1000
        recent = [one for one in live if now - one.course[-1].until <= FOLLOWED_SECONDS]
        places = [one for each in recent for one in expected_at(each.course, now)]
        seen = _matched(recent, self._models.follow(frame.picture, places), now)
        return self._with_common_motion(frame, recent, seen)

    def _with_common_motion(
        self, frame: Frame, recent: Sequence[Track], seen: Sequence[Seen]
    ) -> list[Seen]:
        """Look again for faces that are not where the motion of most takes them."""
        fresh = [one for one in recent if one.course[-1].frame == frame.index - 1]
        found = {id(track): detection for track, detection in seen}
        both = [one for one in fresh if id(one) in found]
        motion = common_motion(
            [spot(one.course[-1].detection) for one in both],
            [spot(found[id(one)]) for one in both],
        )
        if motion is None:
            return list(seen)
        places = moved([one.course[-1].detection for one in fresh], motion.matrix)
        lost = {
            id(one): (one, place)
            for one, place in zip(fresh, places, strict=True)
            if id(one) not in found or not _is_near(found[id(one)], place)
        }
        sure = [detection for track, detection in seen if id(track) not in lost]
        tracks, places = (
            [one for one, _ in lost.values()],
            [p for _, p in lost.values()],
        )
        free = _others(self._models.follow(frame.picture, places), sure)
        pairs = paired([[one] for one in places], [0.0] * len(places), free)
        again = {id(tracks[i]): (tracks[i], free[k]) for i, k in pairs}
        return list(({id(one[0]): one for one in seen} | again).values())

    def _is_key(self, frame: Frame) -> bool:
        last = self._last_key
        shown = self._ends[frame.index] - frame.time_ms / 1000
        if last is None or round(1000 * shown) >= KEY_SECONDS * 1000:
            return True
        passed, passed_ms = frame.index - last[0], frame.time_ms - last[1]
        if passed % 2:
            # The next one would be an even number of frames after the last.
            passed_ms *= (passed + 1) / passed
        return passed >= KEY_FRAMES or round(passed_ms) >= KEY_SECONDS * 1000

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
        until = self._ends[frame.index]
        locate = partial(models.landmarker.locate, frame.picture)
        batches = in_batches([one for _, one in seen])
        points = list(chain.from_iterable(models.side_by_side(locate, batches)))
        scores: dict[int, EmotionScores] = {}
        if models.classifier is not None:
            due = [k for k, (track, _) in enumerate(seen) if not track.is_read(now)]
            read = models.classifier.classify(frame.picture, [points[k] for k in due])
            scores = dict(zip(due, read, strict=True))
        for k, (track, detection) in enumerate(seen):
            track.add(
                Sighting(frame.index, now, until, detection, points[k], scores.get(k))
            )

    def _follow_back(self, track: Track, found_in: Frame) -> None:
        """Follow a face that was just found to where it came from."""
        missed, after = 0, found_in.index
        for kept in self._kept.before(found_in.index):
            if after - kept.index > 1:
                # Frames that show nothing at all may each have hidden it.
                missed = 0
            after = kept.index
            if track.at(kept.index):
                return
            frame = kept.unpacked()
            later = track.after(frame.index)
            expected = expected_at(later, frame.time_ms / 1000)
            found = self._models.follow(frame.picture, expected)
            seen = [track.at(frame.index) for track in self._tracks]
            others = [one.detection for one in seen if one]
            free = _others(found, others)
            matched = paired([expected], [0.0], free)
            missed = 0 if matched else missed + 1
            if matched:
                self._sight(frame, [(track, free[matched[0][1]])])
            elif missed > 1:
                # In every second frame is a face, in fewer a mistake.
                return


def _as_file_has_it(picture: DecodedImage) -> DecodedImage:
    """Return a frame with the faces that are too transparent to be seen well."""
    if not picture.canvas.hides_faces:
        return picture
    return replace(picture, canvas=picture.canvas.opaque())


def _has_lost(before: Frame, live: Sequence[Track], seen: Sequence[Seen]) -> bool:
    """Tell whether a face that the frame before shows is not seen."""
    seen_now = {id(track) for track, _ in seen}
    return any(one.at(before.index) and id(one) not in seen_now for one in live)


def _others(found: Sequence[Detection], known: Sequence[Detection]) -> list[Detection]:
    """Return what was found and is none of the faces that are known."""
    count = len(merge([known]))
    return [one for one in found if len(merge([known, [one]])) > count]


def _is_near(found: Detection, expected: Detection) -> bool:
    away = math.dist(found.box.center_xy, expected.box.center_xy)
    return away <= MOVED_FAR * side(expected)


def _matched(
    tracks: Sequence[Track], found: Sequence[Detection], now: float
) -> list[Seen]:
    expected = [expected_at(one.course, now) for one in tracks]
    lost = [now - one.course[-1].seconds for one in tracks]
    return [(tracks[i], found[k]) for i, k in paired(expected, lost, found)]
