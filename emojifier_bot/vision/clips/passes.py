"""A clip whose passes are counted, and a result that is converted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.clips.limits import ClipLimits
from emojifier_bot.vision.clips.opening import open_clip
from emojifier_bot.vision.clips.types import (
    AS_READ,
    Clip,
    ClipInfo,
    Frame,
    PaintFrame,
    Writing,
)
from emojifier_bot.vision.decode import NO_LIMITS, DecodedImage
from emojifier_bot.vision.formats import moving_format

#: Takes how many frames are done, and how many there are: each is decoded twice.
Progress = Callable[[int, int], None]


def no_progress(_done: int, _total: int) -> None:
    """Tell nobody how far it is."""


@dataclass(slots=True)
class CountedClip(Clip):
    """A clip that tells how many of its frames are done, in both of its passes."""

    clip: Clip
    progress: Progress
    _done: int = 0

    @property
    def info(self) -> ClipInfo:
        """Return what the header says."""
        return self.clip.info

    def frames(self) -> Iterator[Frame]:
        """Decode it, as `Clip` says."""
        for frame in self.clip.frames():
            yield frame
            self._count()

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        """Encode it with painted frames, as `Clip` says."""

        def paint_and_count(frame: Frame) -> None:
            paint(frame)
            self._count()

        return self.clip.rewritten(paint_and_count, how)

    def _count(self) -> None:
        total = 2 * self.info.frames
        self._done = min(self._done + 1, total)
        self.progress(self._done, total)


@dataclass(frozen=True, slots=True)
class ConvertedClip:
    """Encodes a result that moves for another file extension."""

    encoded: bytes

    def __call__(self, extension: str) -> bytes:
        """Return the clip in the format of an extension.

        Raises:
            ImageError: It is that of no format that moves (``output_format``).
        """
        clip = open_clip(self.encoded, NO_LIMITS, NO_CLIP_LIMITS)
        output = moving_format("", extension)
        if clip is None or output is None:
            raise ImageError(
                f'Animations and videos cannot be written as "{extension}".',
                kind=ErrorKind.OUTPUT_FORMAT,
            )
        return clip.rewritten(lambda _frame: None, Writing(output.name))


#: For clips that we wrote.
NO_CLIP_LIMITS = ClipLimits(float("inf"), 1 << 62, 1 << 62)


def pictures_at(clip: Clip, numbers: Collection[int]) -> Iterator[DecodedImage]:
    """Decode a clip up to the last of some of its frames, and yield these."""
    last = max(numbers, default=-1)
    for frame in clip.frames() if numbers else ():
        if frame.index in numbers:
            yield frame.picture
        if frame.index >= last:
            return


def cut_off_notes(info: ClipInfo, frames: int) -> tuple[str, ...]:
    """Return a sentence about a clip that has fewer frames than its header says."""
    if frames >= info.frames:
        return ()
    note = (
        f"It is damaged or cut off: of its {info.frames} frames, only the first "
        f"{frames} could be read."
    )
    return (note,)
