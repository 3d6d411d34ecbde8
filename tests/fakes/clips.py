"""A clip of pictures that a test drew, in place of a decoded file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from PIL import Image

from emojifier_bot.vision.clips.types import (
    AS_READ,
    ClipInfo,
    Frame,
    PaintFrame,
    Writing,
)
from emojifier_bot.vision.decode import from_image


@dataclass
class FakeClip:
    """A `Clip` whose frames are drawn when they are asked for."""

    draw: Callable[[int], Image.Image]
    count: int
    duration_ms: float = 40.0
    #: How long frames are shown instead, by their index.
    held_ms: Mapping[int, float] = field(default_factory=dict)
    #: The painted frames, in place of an encoded file.
    written: list[Image.Image] = field(default_factory=list)
    #: How often it was decoded.
    decoded: int = 0

    @property
    def info(self) -> ClipInfo:
        durations_ms = tuple(
            self.held_ms.get(index, self.duration_ms) for index in range(self.count)
        )
        return ClipInfo("GIF", self.draw(0).size, durations_ms)

    def frames(self) -> Iterator[Frame]:
        self.decoded += 1
        for index, time_ms in enumerate(self.info.times_ms):
            yield Frame(index, time_ms, from_image(self.draw(index)))

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        for frame in self.frames():
            paint(frame)
            self.written.append(frame.picture.image.copy())
        return f"clip of {len(self.written)} as {how.name or 'GIF'}".encode()
