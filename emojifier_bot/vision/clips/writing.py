"""Writes the painted frames of any clip as an animation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction

from emojifier_bot.vision.clips.ahead import ahead
from emojifier_bot.vision.clips.gif_writer import GifWriter
from emojifier_bot.vision.clips.headers import Header
from emojifier_bot.vision.clips.pillow_writer import (
    USUAL_QUALITY,
    Options,
    write_with_pillow,
)
from emojifier_bot.vision.clips.png_writer import PngWriter
from emojifier_bot.vision.clips.types import (
    Clip,
    ClipInfo,
    Frame,
    PaintedFrame,
    PaintFrame,
)


@contextmanager
def painted(
    clip: Clip, paint: PaintFrame, *, with_before: bool = False
) -> Iterator[Iterator[PaintedFrame]]:
    """Decode a clip and give its frames, each painted, while others are encoded.

    Once the block ends, however it ends, none is painted any more.
    """

    def paint_one(frame: Frame) -> PaintedFrame:
        before = frame.picture.canvas.pixels.copy() if with_before else None
        paint(frame)
        return PaintedFrame(frame.index, frame.picture, before)

    with closing(ahead(map(paint_one, clip.frames()))) as frames:
        yield frames


def write_animation(  # noqa: PLR0917 - each is one part of a file
    name: str,
    frames: Iterator[PaintedFrame],
    info: ClipInfo,
    delays_ms: Sequence[Fraction],
    options: Options,
    source: tuple[Header, bytes] | None = None,
) -> bytes:
    """Write an animation of a picture format.

    Args:
        name: ``"GIF"``, ``"PNG"``, ``"WEBP"`` or ``"AVIF"``.
        frames: The painted frames.
        info: Of the input.
        delays_ms: How long each frame is shown.
        options: For Pillow's own writers.
        source: The input, if it has the same format.
    """
    header, data = source or (None, b"")
    if name == "GIF":
        gif = GifWriter(info.size_wh, delays_ms, header.gif if header else None, data)
        return gif.write(frames, None if info.loops == 1 else max(info.loops - 1, 0))
    if name == "PNG":
        return PngWriter(delays_ms, info.loops, data).write(frames)
    if options["quality"] is None:
        options = {"quality": USUAL_QUALITY[name]}
    return write_with_pillow(name, frames, delays_ms, info.loops, options)
