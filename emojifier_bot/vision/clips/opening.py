"""Tells whether a file is a clip, and checks its bounds, before a pixel is decoded."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.clips.types import Clip, FinishFrame, as_decoded
from emojifier_bot.vision.decode import (
    DecodedImage,
    DecodeLimits,
    check_length,
    decode,
)
from emojifier_bot.vision.formats import ANIMATED, sniff, video_format


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """How much of a clip is accepted, beside what `DecodeLimits` says of its frames."""

    max_seconds: float = 30.0
    max_frames: int = 1800
    #: Of all frames together.
    max_pixels: int = 2_000_000_000


DEFAULT_CLIP_LIMITS = ClipLimits()


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

    header = read_header(sniff(data).name, data)
    if header is None:
        return None
    check_clip(
        header.size_wh,
        len(header.delays_ms),
        sum(header.durations_ms) / 1000,
        clip_limits,
    )
    return Animation(data, header, limits, finish)


def check_clip(
    size_wh: tuple[int, int], frames: int, seconds: float, limits: ClipLimits
) -> None:
    """Refuse a clip by what its header says.

    Raises:
        ImageError: Of kind ``too_long``.
    """
    width, height = size_wh
    pixels = width * height * frames
    if seconds > limits.max_seconds:
        raise _too_long(
            f"This clip lasts {seconds:.1f} seconds; at most {limits.max_seconds:g}",
            "EMOJIFIER_MAX_SECONDS",
        )
    if frames > limits.max_frames:
        raise _too_long(
            f"This clip has {frames} frames; at most {limits.max_frames}",
            "EMOJIFIER_MAX_FRAMES",
        )
    if pixels > limits.max_pixels:
        raise _too_long(
            f"This clip has {frames} frames of {width} x {height} pixels, together "
            f"{pixels / 1e6:.1f} megapixels; at most {limits.max_pixels / 1e6:g}",
            "EMOJIFIER_MAX_CLIP_PIXELS",
        )


def _too_long(what: str, variable: str) -> ImageError:
    return ImageError(
        f"{what} are read. Use a shorter or smaller one, or raise {variable}.",
        kind=ErrorKind.CLIP_TOO_LONG,
    )
