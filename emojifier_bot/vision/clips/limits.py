"""The bounds of clips: checked before a pixel is decoded, and as frames come."""

from __future__ import annotations

from dataclasses import dataclass

from emojifier_bot.errors import ErrorKind, ImageError


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """How much of a clip is accepted, beside what `DecodeLimits` says of its frames."""

    max_seconds: float = 30.0
    max_frames: int = 1800
    #: Of all frames together.
    max_pixels: int = 2_000_000_000
    #: Of the result, where a process of its own writes it.
    max_result_bytes: int = 100_000_000


DEFAULT_CLIP_LIMITS = ClipLimits()


def check_clip(
    size_wh: tuple[int, int],
    frames: int,
    seconds: float,
    limits: ClipLimits,
    hidden_pixels: int = 0,
) -> None:
    """Refuse a clip by what its header says.

    Args:
        size_wh: Of what is shown.
        frames: How many there are.
        seconds: How long they are shown.
        limits: What is accepted.
        hidden_pixels: That must be unpacked and are not shown.

    Raises:
        ImageError: Of kind ``clip_too_long``.
    """
    width, height = size_wh
    pixels = width * height * frames + hidden_pixels
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


def check_decoded(pixels: int, limits: ClipLimits) -> None:
    """Refuse a clip whose frames are larger than its header said, as they come.

    Raises:
        ImageError: Of kind ``clip_too_long``.
    """
    if pixels > limits.max_pixels:
        raise _too_long(
            f"The frames of this clip have {pixels / 1e6:.1f} megapixels so far; at "
            f"most {limits.max_pixels / 1e6:g}",
            "EMOJIFIER_MAX_CLIP_PIXELS",
        )


def check_result(encoded: bytes, limits: ClipLimits) -> None:
    """Refuse a result that is too large to be handed on.

    Raises:
        ImageError: Of kind ``clip_too_long``.
    """
    if len(encoded) > limits.max_result_bytes:
        raise ImageError(
            f"The result of this clip would have {len(encoded) / 1e6:.1f} MB; at most "
            f"{limits.max_result_bytes / 1e6:g} are sent. Use a shorter or smaller "
            "clip, or one in a format that packs better, such as MP4.",
            kind=ErrorKind.CLIP_TOO_LONG,
        )


def _too_long(what: str, variable: str) -> ImageError:
    return ImageError(
        f"{what} are read. Use a shorter or smaller one, or raise {variable}.",
        kind=ErrorKind.CLIP_TOO_LONG,
    )
