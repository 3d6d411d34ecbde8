"""What the parts of `clips` exchange: a clip, its frames, and who is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.plan import Plan, PlannedFace
from emojifier_bot.vision.ports import Decoder
from emojifier_bot.vision.types import ImageArray


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """A clip as its header describes it, before a pixel is decoded."""

    #: Name of an entry of `formats.FORMATS` or `formats.VIDEOS`.
    format: str
    #: Upright.
    size_wh: tuple[int, int]
    #: How long each frame is shown. A damaged file may have fewer frames than this.
    durations_ms: tuple[float, ...]
    #: How often all is shown; 0 is for ever.
    loops: int = 0
    has_sound: bool = False
    #: Sentences about the clip for the asker.
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Return the number of frames."""
        return len(self.durations_ms)

    @property
    def times_ms(self) -> tuple[float, ...]:
        """Return when each frame is shown first; the first one at 0."""
        return tuple(accumulate(self.durations_ms[:-1], initial=0.0))

    @property
    def seconds(self) -> float:
        """Return how long all is shown once."""
        return sum(self.durations_ms) / 1000


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame, in memory of its own."""

    #: From 0.
    index: int
    #: When it is shown first.
    time_ms: float
    #: All that is seen at that time: upright, the same size for all frames.
    picture: DecodedImage


@dataclass(frozen=True, slots=True, eq=False)
class PaintedFrame:
    """A frame with its emoji, for whoever writes it."""

    #: From 0.
    index: int
    picture: DecodedImage
    #: ``(H, W, 4)``: the pixels of its canvas as they were decoded, for a writer that
    #: copies frames nobody painted on.
    before: ImageArray | None


#: Changes a frame's picture right after it is decoded.
FinishFrame = Callable[[DecodedImage], DecodedImage]


def as_decoded(picture: DecodedImage) -> DecodedImage:
    """Return a picture as it is."""
    return picture


#: Paints on a frame's canvas, in place.
PaintFrame = Callable[[Frame], None]


@dataclass(frozen=True, slots=True)
class Writing:
    """How a clip is encoded."""

    #: Of the format, as `formats.moving_format` gives it; None keeps it.
    name: str | None = None
    #: 1 to 100, for lossy formats; None matches the input's.
    quality: int | None = None
    #: How it is written depends on the painted frames alone: the input's palettes,
    #: regions and sizes, which what lies under the paint has a share in, do not count.
    afresh: bool = False


AS_READ = Writing()


class Clip(Protocol):
    """An opened clip, which can be decoded any number of times."""

    @property
    def info(self) -> ClipInfo:
        """Return what its header says."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Decode it from its first frame, one frame at a time.

        Raises:
            ImageError: It is damaged before its first frame ends, or passes a limit.
        """
        ...

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        """Decode it once more, have each frame painted, and encode it.

        Args:
            paint: Called with each frame, in order.
            how: Into which format, and how.

        Raises:
            ImageError: It cannot be decoded, or written in this format.
        """
        ...


class ClipDecoder(Decoder, Protocol):
    """A decoder of clips too."""

    def open_clip(self, data: bytes) -> AbstractContextManager[Clip | None]:
        """Open an animation or a video; None for a picture of one frame.

        Raises:
            ImageError: It cannot be opened, or exceeds a limit.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Who is seen in a clip, and what becomes of them in each frame."""

    #: Each person once, where they were read best. Its own frame, which a preview
    #: shows, is the one that shows most of them.
    plan: Plan
    #: What is painted on each frame: persons by their numbers, in no particular order.
    frames: tuple[tuple[PlannedFace, ...], ...]

    def at(self, index: int) -> Plan:
        """Return the plan of one frame; that of the last one if it was not followed."""
        faces = self.frames[min(index, len(self.frames) - 1)]
        ordered = sorted(faces, key=lambda face: face.number)
        return replace(self.plan, faces=tuple(ordered))


#: Finds the faces of a clip in all its frames, and decides what becomes of them.
Follow = Callable[[Clip], Followed]
