"""Where the disc over a face is in each frame, seen or not.

The disc is that of `place`, in two parts: the motion of the whole face, which most of
its points tell, is smoothed a little; where the disc lies on the face, which a few
outer points tell, is averaged over a longer time.

A face is covered from `LEAD_SECONDS` before it is first seen to `LEAD_SECONDS` after it
is last seen, through all gaps between, but never across a cut. There, and where a clip
begins or ends, its disc is there at once; elsewhere it grows and shrinks, outside of
the time in which the face is seen.
"""

from __future__ import annotations

import cmath
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emojifier_bot.vision.clips.common_motion import CommonMotion, PictureMotion
from emojifier_bot.vision.clips.smoothing import (
    Course,
    smooth,
    smoothstep,
    window_means,
)
from emojifier_bot.vision.clips.tracks import Sighting, is_at_edge
from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmarks import fit_similarity
from emojifier_bot.vision.place import place
from emojifier_bot.vision.types import FloatArray, Placement

#: So long before and after it is seen, a face is covered;
LEAD_SECONDS = 0.5
#: in this part of it, the farther one, the disc grows or shrinks.
EASE_SECONDS = 0.2
#: One that the edge of the picture cuts is covered for so long.
EDGE_SECONDS = 1.5
#: A face that is not seen any more comes to rest in about this time.
REST_SECONDS = 0.5
#: Its speed is that over this time, from so many sightings on.
SPEED_SECONDS, SPEED_SIGHTINGS = 0.25, 3
#: Standard deviation of the window over which a disc's place on a face is averaged.
SHAPE_SECONDS = 0.15
#: Points that a mouth which opens does not move: all but those of mouth and chin.
STEADY = [*range(5), *range(12, 48)]
#: A sighting whose size differs by more than this logarithm from the median of those
#: around it, so many on each side, shows a part of the face.
LOG_SIZE, NEAR_SIGHTINGS = 0.15, 8
#: A disc that grows or shrinks is none below this, pixels.
LEAST_DISC_PX = 1.0


def placements(
    seen: Sequence[Sighting],
    seconds: Sequence[float],
    scene: range,
    picture: PictureMotion,
    size_wh: tuple[int, int],
) -> dict[int, Placement]:
    """Return the disc over a face by the frame.

    Args:
        seen: Where it was seen, in the order of the frames; at least once.
        seconds: When each frame of the clip is shown.
        scene: The frames of the scene.
        picture: How all of it moves.
        size_wh: Of the frames.
    """
    times = np.array(seconds)
    own = np.array([one.seconds for one in seen])
    ends = (
        (seen[0], range(seen[0].frame - 1, scene[0] - 1, -1)),
        (seen[-1], range(seen[-1].frame + 1, scene[-1] + 1)),
    )
    first, last = (
        _kept_until(one, beyond, seconds, picture, size_wh) for one, beyond in ends
    )
    first, last = min(first, own[0] - LEAD_SECONDS), max(last, own[-1] + LEAD_SECONDS)
    frames = [frame for frame in scene if first <= seconds[frame] <= last]
    at = times[frames]
    motion = np.array([_motion(one.landmarks.points_xy) for one in seen])
    whole = _is_whole(motion[:, 2])
    seen = [one for one, is_whole in zip(seen, whole, strict=True) if is_whole]
    own, motion = own[whole], motion[whole]
    motion[:, 3] = np.unwrap(motion[:, 3])
    shapes = np.array([_shape(one, row) for one, row in zip(seen, motion, strict=True)])
    unit = np.array([math.exp(np.median(motion[:, 2]))] * 2 + [1.0, 1.0])
    course = _everywhere(own, smooth(own, motion / unit), at) * unit
    known = {one.frame: row for one, row in zip(seen, motion, strict=True)}
    course = _with_picture(course, frames, times, known, picture)
    shape = window_means(own, shapes, at, SHAPE_SECONDS)
    ease = [
        smoothstep((time - first) / EASE_SECONDS) if frames[0] > scene[0] else 1.0
        for time in at
    ]
    if frames[-1] < scene[-1]:
        ease = [
            size * smoothstep((last - time) / EASE_SECONDS)
            for size, time in zip(ease, at, strict=True)
        ]
    found = map(_placement, course, shape, ease)
    return {
        frame: one
        for frame, one, eased in zip(frames, found, ease, strict=True)
        if eased == 1 or one.size_px >= LEAST_DISC_PX
    }


def _is_whole(log_sizes: Course) -> NDArray[np.bool_]:
    """Tell which sightings are of the whole face, by ``(N,)`` logarithms of its size.

    A face that something comes in front of seems to shrink, and to jump aside.
    """
    padded = np.pad(log_sizes, NEAR_SIGHTINGS, constant_values=np.nan)
    # NaN is sorted last; numpy's own median without it imports another 40 ms.
    windows = np.sort(sliding_window_view(padded, 2 * NEAR_SIGHTINGS + 1), axis=1)
    middle = (np.isfinite(windows).sum(axis=1) - 1) // 2
    medians = windows[np.arange(len(windows)), middle]
    whole = np.abs(log_sizes - medians) <= LOG_SIZE
    return np.asarray(whole if whole.any() else ~whole)


def _motion(points_xy: FloatArray) -> tuple[float, float, float, float]:
    """Return centre, logarithm of the size, and turn in radians, clockwise."""
    steady_xy = points_xy[STEADY]
    matrix = fit_similarity(MEAN_FACE[STEADY], steady_xy)
    x, y = steady_xy.mean(axis=0, dtype=np.float64)
    cos, sin = matrix[0, 0], matrix[1, 0]
    return float(x), float(y), math.log(math.hypot(cos, sin)), math.atan2(sin, cos)


def _shape(one: Sighting, motion: Course) -> tuple[float, float, float, float]:
    """Return centre, diameter and roll of the disc in the frame of the mean face."""
    disc = place(one.landmarks)
    x, y, log_size, turn = motion
    center = (complex(*disc.center_xy) - complex(x, y)) / cmath.exp(
        complex(log_size, turn)
    )
    roll = math.remainder(math.radians(disc.roll_degrees) + turn, math.tau)
    return center.real, center.imag, disc.size_px / math.exp(log_size), roll


def _placement(motion: Course, shape: Course, ease: float) -> Placement:
    x, y, log_size, turn = motion.tolist()
    on_face_x, on_face_y, diameter, roll = shape.tolist()
    center = complex(x, y) + complex(on_face_x, on_face_y) * cmath.exp(
        complex(log_size, turn)
    )
    degrees = math.degrees(math.remainder(roll - turn, math.tau))
    size_px = diameter * math.exp(log_size) * ease
    return Placement((center.real, center.imag), size_px, degrees)


def _kept_until(
    one: Sighting,
    beyond: range,
    seconds: Sequence[float],
    picture: PictureMotion,
    size_wh: tuple[int, int],
) -> float:
    """Return until when a face is covered that the edge cuts.

    No search is sure of it in each frame, so it is there as long as the common motion
    is known, which takes it out of the picture or does not.
    """
    until = one.seconds
    if not is_at_edge(one.detection, size_wh):
        return until
    for frame in beyond:
        is_late = abs(seconds[frame] - one.seconds) > EDGE_SECONDS
        if is_late or picture.between(one.frame, frame) is None:
            break
        until = seconds[frame]
    return until


def _with_picture(
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
        times: Of all frames.
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


def _everywhere(seconds: Course, values: Course, at: Course) -> Course:
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
