"""How all of a picture moves, such as under a shaken camera: as most faces in it do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.clips.tracks import MOVED_TOGETHER, Track, spot

#: Faces move with the picture if they are no farther from where it takes them, in sides
#: of their boxes; first by its shift alone, then by its roll and zoom too.
SHIFTED_FAR, MOVED_FAR = 0.5, 0.15
#: So large a share of them must.
MOST_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class CommonMotion:
    """Brings a point ``x + iy`` to ``factor * point + shift``."""

    factor: complex
    shift: complex

    def __call__(self, point: complex) -> complex:
        """Return where the picture takes a point."""
        return self.factor * point + self.shift

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Return it as a ``(2, 3)`` matrix."""
        cos, sin = self.factor.real, self.factor.imag
        return np.array([[cos, -sin, self.shift.real], [sin, cos, self.shift.imag]])


def common_motion(
    before: Sequence[tuple[float, float, float]],
    after: Sequence[tuple[float, float, float]],
) -> CommonMotion | None:
    """Return the motion of most faces; None where they do not move as one.

    Args:
        before: Centre and side of each face.
        after: The same faces, in another frame.
    """
    if len(before) < MOVED_TOGETHER:
        return None
    first, then = (np.array(one) for one in (before, after))
    p, q = (one[:, 0] + 1j * one[:, 1] for one in (first, then))
    ways = q - p
    found = CommonMotion(1, complex(np.median(ways.real), np.median(ways.imag)))
    for far in (SHIFTED_FAR, MOVED_FAR):
        near = np.abs(q - (found.factor * p + found.shift)) <= far * then[:, 2]
        if near.sum() < max(MOVED_TOGETHER, MOST_SHARE * len(p)):
            return None
        found = _fitted(p[near], q[near])
    return found


def _fitted(p: NDArray[np.complex128], q: NDArray[np.complex128]) -> CommonMotion:
    """Return the similarity that brings points nearest to others."""
    centred = p - p.mean()
    power = np.vdot(centred, centred).real
    factor = np.vdot(centred, q - q.mean()) / power if power else 1.0
    return CommonMotion(complex(factor), complex(q.mean() - factor * p.mean()))


class PictureMotion:
    """The common motion between any two frames of a clip."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._seen: dict[int, dict[int, tuple[float, float, float]]] = {}
        for number, track in enumerate(tracks):
            for one in track.course:
                self._seen.setdefault(one.frame, {})[number] = spot(one.detection)

    def between(self, before: int, after: int) -> CommonMotion | None:
        """Return the motion from one frame to another, if most faces tell it."""
        first, then = (self._seen.get(one, {}) for one in (before, after))
        both = first.keys() & then.keys()
        return common_motion([first[k] for k in both], [then[k] for k in both])
