"""From a clip to the people in it, and what becomes of them in each frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.analyzers.registry import LOCAL
from emojifier_bot.vision.choose import Choice, choose, nearest, surprise, unread
from emojifier_bot.vision.clips.common_motion import PictureMotion
from emojifier_bot.vision.clips.expressions import (
    Expression,
    averages,
    most_frequent,
    steady_choices,
)
from emojifier_bot.vision.clips.motion import placements
from emojifier_bot.vision.clips.tracker import Tracker
from emojifier_bot.vision.clips.tracks import Sighting, Track, Tracked
from emojifier_bot.vision.clips.types import Clip, Followed
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.place import place, reading_order
from emojifier_bot.vision.plan import DrawEmoji, Plan, PlannedFace
from emojifier_bot.vision.shapes import visible
from emojifier_bot.vision.types import (
    UNREAD,
    Emoji,
    EmojiTheme,
    Face,
    Landmarks,
    Placement,
)

#: Discs whose centres are nearer than this, in diameters, cover the same face.
SAME_PLACE = 0.4
#: Confidences that differ by less are about the same: those of searches of whole frames
#: are higher than those of close-ups by up to 0.07.
ABOUT = 0.1

#: How many faces a frame shows, and the sum of their confidences.
Together = tuple[int, float]

#: Changes the plan of a clip, such as by `edits.apply`; the numbers stay.
Decide = Callable[[Plan], Plan]


def as_read(plan: Plan) -> Plan:
    """Leave a plan as it is."""
    return plan


@dataclass(frozen=True, slots=True, eq=False)
class FaceFollower:
    """Finds the faces of clips, and decides what becomes of them: a `Follow`.

    A face that `decide` leaves to the reader has in each frame the emoji of its
    expression there; what somebody decided holds for all frames.
    """

    #: Find and read the faces.
    models: LocalAnalyzer
    #: Where the emoji are chosen from.
    theme: EmojiTheme
    #: Chooses at random among the nearest emoji; None the nearest.
    surprise_seed: int | None = None
    decide: Decide = as_read

    def __call__(self, clip: Clip) -> Followed:
        """Follow every face through a clip, which is decoded once."""
        tracked = Tracker(self.models).run(clip)
        tracks = in_order(tracked.tracks)
        picture, size_wh = PictureMotion(tracks), clip.info.size_wh
        discs = without_doubles(
            tracks, [_discs(one, tracked, picture, size_wh) for one in tracks]
        )
        together = seen_together(tracks)
        chosen = [
            self._chosen(index, track, tracked, sorted(discs[index]))
            for index, track in enumerate(tracks)
        ]
        people = [
            self._person(index + 1, track, together, discs[index], chosen[index])
            for index, track in enumerate(tracks)
        ]
        plan = Plan(
            *clip.info.size_wh,
            theme=self.theme.name,
            backend=LOCAL,
            faces=tuple(people),
            frame=max(
                (one.frame for one in people),
                key=lambda frame: (together[frame], -frame),
                default=0,
            ),
            frames=clip.info.frames,
        )
        decided = self.decide(plan)
        frames: list[list[PlannedFace]] = [[] for _ in tracked.seconds]
        for was, now, own, choices in zip(
            people, decided.faces, discs, chosen, strict=True
        ):
            is_read = (was.decision, was.chosen_by) == (now.decision, now.chosen_by)
            for frame, disc in own.items():
                emoji = DrawEmoji(choices[frame].emoji.name)
                decision = emoji if is_read else now.decision
                one = replace(now, placement=disc, decision=decision, face=None)
                frames[frame].append(one)
        return Followed(decided, tuple(map(tuple, frames)))

    def _person(
        self,
        number: int,
        track: Track,
        together: Mapping[int, Together],
        discs: Mapping[int, Placement],
        chosen: Mapping[int, Choice],
    ) -> PlannedFace:
        """Return a face with the emoji that it has mostly, as one frame shows it.

        Of the frames in which it has that emoji by itself, and is seen about as surely
        as in any of them, it is the one that shows most of the others too.
        """
        usual = most_frequent(list(chosen.values()))
        read = [one for one in track.course if one.scores] or track.course
        agreeing = [one for one in read if self._emoji_alone(one) == usual.emoji]
        agreeing = agreeing or read
        surest = max(one.detection.confidence for one in agreeing)
        seen = max(
            (one for one in agreeing if one.detection.confidence >= surest - ABOUT),
            key=lambda one: (together[one.frame], -one.frame),
        )
        scores = averages(self._read(track), np.array([seen.seconds]))[0].scores
        return PlannedFace(
            number,
            seen.detection.box,
            discs[seen.frame],
            DrawEmoji(usual.emoji.name),
            sure=usual.sure,
            nearest=tuple(one.name for one in nearest(self.theme, scores)),
            shapes=self._shapes(seen.landmarks),
            frame=seen.frame,
            face=Face(seen.detection, seen.landmarks, scores, usual.sure),
        )

    def _emoji_alone(self, seen: Sighting) -> Emoji | None:
        """Return the emoji that a face would have if this frame were a picture."""
        classifier = self.models.classifier
        if classifier is None or seen.scores is None:
            return None
        measures = measure(seen.landmarks.points_xy)
        sure = seen.scores.top_probability >= classifier.sure_threshold
        return choose(self.theme, seen.scores, measures, confident=sure).emoji

    def _shapes(self, landmarks: Landmarks) -> str:
        is_read = self.models.classifier is not None
        return ", ".join(visible(landmarks.points_xy)) if is_read else ""

    def _chosen(
        self,
        index: int,
        track: Track,
        tracked: Tracked,
        frames: Sequence[int],
    ) -> dict[int, Choice]:
        """Return the choice for a face by the frame."""
        seed = self.surprise_seed
        own_seed = None if seed is None else f"{seed}/{index}"
        if self.models.classifier is None:
            return dict.fromkeys(frames, unread(self.theme, own_seed))
        read = self._read(track)
        at = np.array([tracked.seconds[frame] for frame in frames])
        if own_seed is None:
            until = tracked.ends[frames[-1]]
            choices = steady_choices(self.theme, read, at, until)
            return dict(zip(frames, choices, strict=True))
        scores = averages(read, at[len(at) // 2 :][:1])[0].scores
        one = surprise(self.theme, scores, own_seed)
        return dict.fromkeys(frames, one)

    def _read(self, track: Track) -> list[Expression]:
        """Return what was read of a face; without a classifier, one look at it."""
        classifier = self.models.classifier
        sure = math.inf if classifier is None else classifier.sure_threshold
        read = [one for one in track.course if one.scores] or track.course[:1]
        scores = [one.scores or UNREAD for one in read]
        return [
            Expression(
                one.seconds,
                found,
                measure(one.landmarks.points_xy),
                float(found.top_probability >= sure),
            )
            for one, found in zip(read, scores, strict=True)
        ]


def in_order(tracks: Sequence[Track]) -> list[Track]:
    """Return the faces of a clip in the order in which they appear.

    Those that appear in the same frame are in reading order.
    """
    first: dict[int, list[Track]] = {}
    for one in tracks:
        first.setdefault(one.course[0].frame, []).append(one)
    ordered = []
    for frame in sorted(first):
        discs = [place(one.course[0].landmarks) for one in first[frame]]
        ordered += [first[frame][index] for index in reading_order(discs)]
    return ordered


def seen_together(tracks: Sequence[Track]) -> dict[int, Together]:
    """Return for each frame how many faces it shows, and how surely."""
    found: dict[int, Together] = {}
    for track in tracks:
        for one in track.course:
            faces, confidence = found.get(one.frame, (0, 0.0))
            found[one.frame] = faces + 1, confidence + one.detection.confidence
    return found


def without_doubles(
    tracks: Sequence[Track], places: Sequence[Mapping[int, Placement]]
) -> list[dict[int, Placement]]:
    """Drop discs of faces that are not seen yet, or no more, where another is seen.

    A face that was lost for too long is another one when it is found again.
    """

    def is_double(own: int, frame: int, disc: Placement) -> bool:
        course = tracks[own].course
        if course[0].frame <= frame <= course[-1].frame:
            return False
        return any(
            frame in others
            and tracks[other].at(frame) is not None
            and math.dist(disc.center_xy, others[frame].center_xy)
            < SAME_PLACE * others[frame].size_px
            for other, others in enumerate(places)
            if other != own
        )

    return [
        {
            frame: disc
            for frame, disc in discs.items()
            if not is_double(own, frame, disc)
        }
        for own, discs in enumerate(places)
    ]


def _discs(
    track: Track, tracked: Tracked, picture: PictureMotion, size_wh: tuple[int, int]
) -> dict[int, Placement]:
    first = tracked.scenes.index(track.scene)
    scene = range(first, first + tracked.scenes.count(track.scene))
    shown = list(zip(tracked.seconds, tracked.ends, strict=True))
    discs: dict[int, Placement] = {}
    for part in track.parts():
        discs |= placements(part, shown, scene, picture, size_wh)
    return discs
