"""Where a face is while nobody sees it: where its speed and the picture take it.

How the picture moves is what most other faces tell.
"""

from __future__ import annotations

import cmath
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

from emojifier_bot.vision.clips.common_motion import CommonMotion, PictureMotion
from emojifier_bot.vision.clips.smoothing import Course
from emojifier_bot.vision.clips.tracks import Sighting, is_at_edge

#: A face that is not seen any more comes to rest in about this time.
REST_SECONDS = 0.5
#: Its speed is that over this time, from so many sightings on. A frame that is shown
#: for longer counts as if it were shown for so long.
SPEED_SECONDS, SPEED_SIGHTINGS = 0.25, 3
#: One that the edge of the picture cuts is covered for so long.
EDGE_SECONDS = 1.5


def moving_times(seconds: Course) -> Course:
    """Return the times of frames by which faces move that nobody sees.

    Nothing moves while a frame is shown for long, and little from it to the next one.
    """
    shown = np.diff(seconds, prepend=seconds[0])
    return np.asarray(seconds - np.cumsum(np.maximum(shown - SPEED_SECONDS, 0)))


def everywhere(seconds: Course, values: Course, at: Course) -> Course:
    """Return courses at other times: between and beyond those at which they are known.

    Args:
        seconds: ``(N,)`` rising times.
        values: ``(N, 4)``; the last column, a turn, stays as it is beyond.
        at: ``(M,)`` rising times.
    """
    columns = [np.interp(at, seconds, column) for column in values.T]
    found = np.stack(columns, axis=1)
    for end, beyond in ((0, seconds[0] - at), (-1, at - seconds[-1])):
        near = np.abs(seconds - seconds[end]) <= SPEED_SECONDS
        if near.sum() < SPEED_SIGHTINGS:
            continue
        speeds = np.polyfit(seconds[near], values[near, :3], 1)[0]
        passed = REST_SECONDS * (1 - np.exp(-np.maximum(beyond, 0) / REST_SECONDS))
        found[:, :3] += np.outer(passed if end else -passed, speeds)
    return found


def kept_until(
    one: Sighting,
    beyond: range,
    shown: Sequence[tuple[float, float]],
    picture: PictureMotion,
    size_wh: tuple[int, int],
) -> float:
    """Return until, or from, when a face is covered that the edge cuts.

    No search is sure of it in each frame, so it is there as long as the common motion
    is known, which takes it out of the picture or does not.
    """
    is_after = beyond.step > 0
    kept = one.until if is_after else one.seconds
    if not is_at_edge(one.detection, size_wh):
        return kept
    for frame in beyond:
        begin, end = shown[frame]
        away = begin - one.until if is_after else one.seconds - end
        if away >= EDGE_SECONDS or picture.between(one.frame, frame) is None:
            break
        kept = end if is_after else begin
    return kept


def with_picture(
    course: Course,
    frames: Sequence[int],
    times: Course,
    known: Mapping[int, Course],
    picture: PictureMotion,
) -> Course:
    """Return a course that follows the picture where the face was not seen.

    Args:
        course: ``(M, 4)``: the motion in each frame.
        frames: ``M`` of them, in order.
        times: Of all frames, as `moving_times` returns them.
        known: The motion as it was seen, by the frame.
        picture: How all of it moves; where that is unknown the course stays.
    """
    seen, found = sorted(known), course.copy()
    row_of = dict(zip(frames, course, strict=True))
    speeds = {
        end: _own_speed(end, near, times, known, picture)
        for end, near in ((seen[0], seen), (seen[-1], seen))
    }
    for index, frame in enumerate(frames):
        if frame in known:
            continue
        at = bisect_left(seen, frame)
        sides = seen[max(at - 1, 0) : at + 1]
        motions = [picture.between(one, frame) for one in sides]
        if None in motions:
            continue
        rows = [row_of[one] for one in sides]
        if len(sides) == 1:
            (end,) = sides
            passed = times[frame] - times[end]
            rest = REST_SECONDS * (1 - math.exp(-abs(passed) / REST_SECONDS))
            rows[0] = rows[0] + math.copysign(rest, passed) * speeds[end]
        moved = [_moved(row, one) for row, one in zip(rows, motions, strict=True)]
        weights = np.abs(times[sides[::-1]] - times[frame]) if len(sides) > 1 else [1.0]
        found[index] = np.average(moved, axis=0, weights=weights)
    return found


def _own_speed(
    end: int,
    seen: Sequence[int],
    times: Course,
    known: Mapping[int, Course],
    picture: PictureMotion,
) -> Course:
    """Return the speed of a face beside that of the picture, its turn's as 0."""
    near = [one for one in seen if abs(times[one] - times[end]) <= SPEED_SECONDS]
    motions = [picture.between(end, one) for one in near]
    if len(near) < SPEED_SIGHTINGS or None in motions:
        return np.zeros(4)
    ways = [
        known[one] - _moved(known[end], motion)
        for one, motion in zip(near, motions, strict=True)
    ]
    speed = np.polyfit(times[near] - times[end], ways, 1)[0]
    return np.asarray(speed * (1, 1, 1, 0))


def _moved(motion: Course, common: CommonMotion | None) -> Course:
    """Return where the picture takes a face."""
    if common is None:
        return motion
    center = common(complex(*motion[:2]))
    turned = cmath.log(common.factor)
    return np.array(
        [center.real, center.imag, motion[2] + turned.real, motion[3] + turned.imag]
    )
