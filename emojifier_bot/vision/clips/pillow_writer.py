"""Writes animated WebPs and AVIFs, which Pillow's own writers pack frame by frame."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

from PIL import Image

from emojifier_bot.vision.clips.headers import with_loops
from emojifier_bot.vision.clips.types import PaintedFrame

Options = dict[str, Any]

#: Qualities that are tried, the coarsest first, and the one that suits most pictures.
_QUALITIES = {
    "WEBP": (40, 50, 60, 68, 75, 80, 85, 90, 95),
    "AVIF": (25, 35, 45, 52, 60, 68, 76, 84, 92),
}
USUAL_QUALITY = {"WEBP": 80, "AVIF": 65}
_EFFORT: dict[str, Options] = {"WEBP": {"method": 3}, "AVIF": {"speed": 9}}
#: What the frames of a sample may take over what they took in the input.
_SIZE_RATIO = 1.25


class _Frames(Image.Image):
    """Frames as an image that Pillow seeks through, one of them in memory.

    Pillow's writers take one image of many frames, or a list of all.
    """

    is_animated = True

    def __init__(self, frames: Iterable[Image.Image], count: int) -> None:
        super().__init__()
        self._frames, self._at, self.n_frames = iter(frames), -1, count
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go on to a frame; none comes again."""
        if frame >= self.n_frames:
            raise EOFError
        while self._at < frame:
            image = next(self._frames)
            self.im, self._mode, self._size = image.im, image.mode, image.size
            self._at += 1

    def tell(self) -> int:
        """Return the number of the frame."""
        return self._at


def write_with_pillow(
    name: str,
    frames: Iterable[PaintedFrame],
    delays_ms: Sequence[Fraction],
    loops: int,
    options: Options,
) -> bytes:
    """Return an animation in a format that Pillow writes frame by frame.

    Args:
        name: ``"WEBP"`` or ``"AVIF"``.
        frames: The painted frames, as many as there are delays.
        delays_ms: How long each is shown.
        loops: How often all is shown; 0 is for ever.
        options: For Pillow, beside the usual effort.
    """
    icc_profile: bytes | None = None

    def images() -> Iterable[Image.Image]:
        nonlocal icc_profile
        for frame in frames:
            icc_profile = frame.picture.icc_profile
            yield frame.picture.image

    image = _Frames(images(), len(delays_ms))
    options = {"icc_profile": icc_profile, **options}
    encoded = _encoded(name, image, delays_ms, loops, options)
    return with_loops(encoded, loops) if name == "AVIF" else encoded


def choose_quality(name: str, sample: Sequence[Image.Image], budget_bytes: int) -> int:
    """Return the finest quality in which a sample takes about what the input's did.

    Args:
        name: ``"WEBP"`` or ``"AVIF"``.
        sample: The first frames of the input.
        budget_bytes: What they took there; 0 if that is unknown.
    """
    if not budget_bytes:
        return USUAL_QUALITY[name]
    qualities = _QUALITIES[name]
    low, high = 0, len(qualities) - 1
    while low < high:
        middle = (low + high + 1) // 2
        frames = _Frames(sample, len(sample))
        delays = [Fraction(40)] * len(sample)
        options = {"quality": qualities[middle]}
        if len(_encoded(name, frames, delays, 0, options)) > budget_bytes * _SIZE_RATIO:
            high = middle - 1
        else:
            low = middle
    return qualities[low]


def _encoded(
    name: str,
    image: _Frames,
    delays_ms: Sequence[Fraction],
    loops: int,
    options: Options,
) -> bytes:
    # Rounded so that the differences do not add up.
    times = [round(one) for one in accumulate(delays_ms, initial=Fraction(0))]
    durations = [after - before for before, after in pairwise(times)]
    buffer = io.BytesIO()
    image.save(
        buffer,
        name,
        save_all=True,
        duration=durations,
        loop=loops,
        **(_EFFORT[name] | options),
    )
    return buffer.getvalue()
