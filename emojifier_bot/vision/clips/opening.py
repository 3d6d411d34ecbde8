"""Tells whether a file is a clip, and checks its bounds, before a pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.clips.animation import Animation
from emojifier_bot.vision.clips.headers import read_header
from emojifier_bot.vision.clips.types import Clip
from emojifier_bot.vision.decode import DecodeLimits, check_length
from emojifier_bot.vision.formats import sniff


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """How much of a clip is accepted, beside what `DecodeLimits` says of its frames."""

    max_seconds: float = 30.0
    max_frames: int = 1800
    #: Of all frames together.
    max_pixels: int = 2_000_000_000


DEFAULT_CLIP_LIMITS = ClipLimits()


def open_clip(
    data: bytes,
    limits: DecodeLimits,
    clip_limits: ClipLimits = DEFAULT_CLIP_LIMITS,
) -> Clip | None:
    """Return a clip; None for a picture of one frame.

    Raises:
        ImageError: It is no picture and no video that is read, or passes a limit.
    """
    check_length(data, limits)
    header = read_header(sniff(data).name, data)
    if header is None:
        return None
    check_clip(
        header.size_wh,
        len(header.delays_ms),
        sum(header.durations_ms) / 1000,
        clip_limits,
    )
    return Animation(data, header, limits)


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
