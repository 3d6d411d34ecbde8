"""A clip of pictures that a test drew, in place of a decoded file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    #: The painted frames, in place of an encoded file.
    written: list[Image.Image] = field(default_factory=list)
    #: How often it was decoded.
    decoded: int = 0

    @property
    def info(self) -> ClipInfo:
        return ClipInfo("GIF", self.draw(0).size, (self.duration_ms,) * self.count)

    def frames(self) -> Iterator[Frame]:
        self.decoded += 1
        for index, time_ms in enumerate(self.info.times_ms):
            yield Frame(index, time_ms, from_image(self.draw(index)))

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        for frame in self.frames():
            paint(frame)
            self.written.append(frame.picture.image.copy())
        return f"clip of {len(self.written)} as {how.name or 'GIF'}".encode()
