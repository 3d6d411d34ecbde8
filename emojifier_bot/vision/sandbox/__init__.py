"""Decoders: where a picture's bytes are turned into pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

from emojifier_bot.vision.decode import DecodedImage, DecodeLimits, decode

__all__ = ["InProcessDecoder"]


@dataclass(frozen=True, slots=True)
class InProcessDecoder:
    """A `Decoder` that works in this process: for pictures of one's own."""

    limits: DecodeLimits = field(default_factory=DecodeLimits)

    def decode(self, data: bytes) -> DecodedImage:
        """Decode one picture within the limits.

        Raises:
            ImageError: It cannot be decoded, or passes a limit.
        """
        return decode(data, self.limits)
