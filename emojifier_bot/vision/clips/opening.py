"""Tells whether a file is a clip, and checks its bounds, before a pixel is decoded."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.clips.limits import (
    DEFAULT_CLIP_LIMITS,
    ClipLimits,
    check_clip,
)
from emojifier_bot.vision.clips.types import Clip, FinishFrame, as_decoded
from emojifier_bot.vision.decode import (
    DecodedImage,
    DecodeLimits,
    check_length,
    decode,
)
from emojifier_bot.vision.formats import ANIMATED, sniff, video_format


@dataclass(frozen=True, slots=True)
class InProcessDecoder:
    """A `Decoder` that works in this process: for pictures of one's own."""

    limits: DecodeLimits = field(default_factory=DecodeLimits)
    clip_limits: ClipLimits = DEFAULT_CLIP_LIMITS

    def open_clip(self, data: bytes) -> AbstractContextManager[Clip | None]:
        """Open a clip within the limits, as `open_clip` does."""
        return nullcontext(open_clip(data, self.limits, self.clip_limits))

    def decode(self, data: bytes, frame: int = 0) -> DecodedImage:
        """Decode one picture within the limits.

        Raises:
            ImageError: It cannot be decoded, or passes a limit.
        """
        return decode(data, self.limits, frame)


def may_move(data: bytes) -> bool:
    """Tell whether a file may be a clip, by a look at its first bytes."""
    if video_format(data):
        return True
    try:
        name = sniff(data).name
    except ImageError:
        return False
    return name in ANIMATED and (name != "PNG" or b"acTL" in data)


def open_clip(
    data: bytes,
    limits: DecodeLimits,
    clip_limits: ClipLimits = DEFAULT_CLIP_LIMITS,
    finish: FinishFrame = as_decoded,
) -> Clip | None:
    """Return a clip; None for a picture of one frame.

    Args:
        data: The file.
        limits: Of the file and of one frame.
        clip_limits: Of all frames.
        finish: Changes each decoded frame.

    Raises:
        ImageError: It is no picture and no video that is read, or passes a limit.
    """
    check_length(data, limits)
    if not may_move(data):
        return None
    # Pictures need none of what reads clips.
    from emojifier_bot.vision.clips.animation import Animation  # noqa: PLC0415
    from emojifier_bot.vision.clips.headers import read_header  # noqa: PLC0415

    if kind := video_format(data):
        from emojifier_bot.vision.clips.video import Video  # noqa: PLC0415

        return Video(data, kind.name, limits, clip_limits)

    header = read_header(sniff(data).name, data)
    if header is None:
        return None
    check_clip(
        header.size_wh,
        len(header.delays_ms),
        sum(header.durations_ms) / 1000,
        clip_limits,
        header.hidden_pixels,
    )
    return Animation(data, header, limits, finish)
