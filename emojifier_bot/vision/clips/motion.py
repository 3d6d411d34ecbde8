"""Where the disc over a face is in each frame, seen or not.

The disc is that of `place`, in two parts: the motion of the whole face, which most of
its points tell, is smoothed a little; where the disc lies on the face, which a few
outer points tell, is averaged over a longer time.

A face is covered from `LEAD_SECONDS` before it is first seen to `LEAD_SECONDS` after it
is last seen, through all gaps between, but never across a cut. There, and where a clip
begins or ends, its disc is there at once; elsewhere it grows and shrinks, outside of
the time in which the face is seen. What counts of a frame is the end that is nearer to
the face: it may be shown for long.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emojifier_bot.vision.clips.common_motion import PictureMotion
from emojifier_bot.vision.clips.smoothing import (
    Course,
    smooth,
    smoothstep,
    window_means,
)
from emojifier_bot.vision.clips.tracks import HIDDEN_SECONDS, Sighting
from emojifier_bot.vision.clips.unseen import (
    everywhere,
    kept_until,
    moving_times,
    with_picture,
)
from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmarks import fit_similarity
from emojifier_bot.vision.place import place
from emojifier_bot.vision.types import FloatArray, Placement

#: So long before and after it is seen, a face is covered;
LEAD_SECONDS = 0.5
#: in this part of it, the farther one, the disc grows or shrinks.
EASE_SECONDS = 0.2
#: Standard deviation of the window over which a disc's place on a face is averaged.
SHAPE_SECONDS = 0.15
#: Points that a mouth which opens does not move: all but those of mouth and chin.
STEADY = [*range(5), *range(12, 48)]
#: A sighting whose size differs by more than this logarithm from the median of those
#: around it, so many on each side and not farther away, shows a part of the face;
LOG_SIZE, NEAR_SIGHTINGS, NEAR_SECONDS = 0.15, 8, 0.35
#: but fewer than so many say nothing of each other.
LEAST_SIGHTINGS = 3
#: Where a face may have been hidden, and parts of it were seen just before or after,
#: what is seen within this time of a part may be one too.
DOUBTED_SECONDS = 0.07
#: A disc that grows or shrinks is none below this, pixels.
LEAST_DISC_PX = 1.0


def placements(
    seen: Sequence[Sighting],
    shown: Sequence[tuple[float, float]],
    scene: range,
    picture: PictureMotion,
    size_wh: tuple[int, int],
) -> dict[int, Placement]:
    """Return the disc over a face by the frame.

    Args:
        seen: Where it was seen, in the order of the frames; at least once.
        shown: From when and until when each frame of the clip is, seconds.
        scene: The frames of the scene.
        picture: How all of it moves.
        size_wh: Of the frames.
    """
    times = np.array([begin for begin, _ in shown])
    own = np.array([one.seconds for one in seen])
    ends = (
        (seen[0], range(seen[0].frame - 1, scene[0] - 1, -1)),
        (seen[-1], range(seen[-1].frame + 1, scene[-1] + 1)),
    )
    first, last = (
        kept_until(one, beyond, shown, picture, size_wh) for one, beyond in ends
    )
    first = min(first, seen[0].seconds - LEAD_SECONDS)
    last = max(last, seen[-1].until + LEAD_SECONDS)
    frames = [one for one in scene if shown[one][1] >= first and times[one] <= last]
    at = times[frames]
    motion = np.array([_motion(one.landmarks.points_xy) for one in seen])
    whole = _is_whole(own, motion[:, 2])
    seen = [one for one, is_whole in zip(seen, whole, strict=True) if is_whole]
    own, motion = own[whole], motion[whole]
    motion[:, 3] = np.unwrap(motion[:, 3])
    shapes = np.array([_shape(one, row) for one, row in zip(seen, motion, strict=True)])
    unit = np.array([math.exp(np.median(motion[:, 2]))] * 2 + [1.0, 1.0])
    moving = moving_times(times)
    known_at = moving[[one.frame for one in seen]]
    course = everywhere(known_at, smooth(own, motion / unit), moving[frames]) * unit
    known = {one.frame: row for one, row in zip(seen, motion, strict=True)}
    course = with_picture(course, frames, moving, known, picture)
    shape = window_means(own, shapes, at, SHAPE_SECONDS)
    ease = [
        smoothstep((shown[one][1] - first) / EASE_SECONDS)
        if frames[0] > scene[0]
        else 1.0
        for one in frames
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


def _is_whole(seconds: Course, log_sizes: Course) -> NDArray[np.bool_]:
    """Tell which sightings are of the whole face, by ``(N,)`` times and log sizes.

    A face that something comes in front of seems to shrink, and to jump aside.
    """
    times, sizes = _windows(seconds, np.nan), _windows(log_sizes, np.nan)
    away = np.abs(times - seconds[:, None])
    is_near = away <= NEAR_SECONDS
    # NaN is sorted last; numpy's own median without it imports another 40 ms.
    windows = np.sort(np.where(is_near, sizes, np.nan), axis=1)
    counts = is_near.sum(axis=1)
    medians = windows[np.arange(len(windows)), (counts - 1) // 2]
    whole = np.abs(log_sizes - medians) <= LOG_SIZE
    whole |= counts < LEAST_SIGHTINGS
    gone = np.diff(seconds) > HIDDEN_SECONDS
    edges = np.concatenate([seconds[:-1][gone], seconds[1:][gone]])
    hiding = (np.abs(seconds[:, None] - edges) <= NEAR_SECONDS).any(axis=1) & ~whole
    doubted = (away <= DOUBTED_SECONDS) & _windows(hiding, fill=False)
    sure = whole & ~doubted.any(axis=1)
    return next((kept for kept in (sure, whole) if kept.any()), ~whole)


def _windows(values: NDArray[Any], fill: float) -> NDArray[Any]:
    """Return each of ``(N,)`` values among those around it, a row each."""
    padded = np.pad(values, NEAR_SIGHTINGS, constant_values=fill)
    return sliding_window_view(padded, 2 * NEAR_SIGHTINGS + 1)


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
