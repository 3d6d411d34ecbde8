"""From bytes to the result: decode, analyze, choose, place, composite, encode."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from emojifier_bot.clock import Clock
from emojifier_bot.vision.alt_text import alt_text
from emojifier_bot.vision.choose import choose, surprise
from emojifier_bot.vision.color import sprite_into_profile
from emojifier_bot.vision.composite import overlay, premultiplied
from emojifier_bot.vision.decode import DecodedImage, DecodeLimits, decode
from emojifier_bot.vision.encode import encode, output_format
from emojifier_bot.vision.formats import channel_format, format_named
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.place import paint_order, place, reading_order
from emojifier_bot.vision.ports import Decoder, EmojiSource, FaceAnalyzer
from emojifier_bot.vision.types import EmojifiedFace, Face, ImageArray, Result

#: For pictures that we wrote.
NO_LIMITS = DecodeLimits(max_bytes=sys.maxsize, max_pixels=sys.maxsize)


@dataclass(frozen=True, slots=True)
class EmojifyOptions:
    """Options of the user for one picture."""

    #: File extension of the output, for example ``".png"``; None keeps the format.
    extension: str | None = None
    #: 1 to 100, for lossy formats; None matches the input's quality.
    quality: int | None = None
    #: Chooses at random among the nearest emoji; None chooses the nearest.
    surprise_seed: int | None = None
    #: The date that the result says it was taken at, as EXIF writes it; None for none.
    exif_date: str | None = None
    #: Write one format that a channel shows, and nothing for a picture without faces.
    for_channel: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PaintedPicture:
    """Encodes a result for another file extension."""

    picture: DecodedImage
    #: What was written of it.
    encoded: bytes
    options: EmojifyOptions

    def __call__(self, extension: str) -> bytes:
        """Return the picture in the format of an extension."""
        output = output_format(self.picture, extension)
        image, options = self.picture.image, self.options
        return encode(self.picture, image, output, options.quality, options.exif_date)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was written instead of the pixels, which take many times more."""
        return partial, (_encode_again, self.encoded, self.options)


def _encode_again(encoded: bytes, options: EmojifyOptions, extension: str) -> bytes:
    picture = decode(encoded, NO_LIMITS)
    return PaintedPicture(picture, encoded, options)(extension)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Emojifies pictures with a decoder, a back end and a theme."""

    decoder: Decoder
    analyzer: FaceAnalyzer
    emoji: EmojiSource
    clock: Clock

    def run(self, data: bytes, options: EmojifyOptions) -> Result:
        """Emojify an encoded picture.

        Raises:
            ImageError: The picture cannot be decoded, exceeds a limit, or cannot be
                written in the requested format.
            BackendError: A local model failed.
            HostedApiError: The hosted back end failed, and there is no fallback.
        """
        times = _Stopwatch(self.clock)
        with times.stage("decode"):
            picture = self.decoder.decode(data)
        return self.run_decoded(picture, options, times)

    def run_decoded(
        self,
        picture: DecodedImage,
        options: EmojifyOptions,
        times: _Stopwatch | None = None,
    ) -> Result:
        """Emojify a decoded picture. The emoji are painted onto ``picture`` itself.

        Raises:
            ImageError: The picture cannot be written in the requested format.
            BackendError: A local model failed.
            HostedApiError: The hosted back end failed, and there is no fallback.
        """
        times = times or _Stopwatch(self.clock)
        output = output_format(picture, options.extension)
        if options.for_channel:
            output = channel_format(output).name
        with times.stage("analyze"):
            reading = self.analyzer.analyze(picture)
        with times.stage("choose"):
            chosen = self._choose(reading.faces, options)
        with times.stage("composite"):
            self._paint(picture, chosen)
        encoded = b""
        if chosen or not options.for_channel:
            with times.stage("encode"):
                encoded = encode(
                    picture, picture.image, output, options.quality, options.exif_date
                )
        return Result(
            width=picture.image.width,
            height=picture.image.height,
            faces=chosen,
            alt_text=alt_text(chosen),
            encoded=encoded,
            format=output,
            encode_for=PaintedPicture(picture, encoded, options),
            extensions=format_named(output).extensions,
            notes=picture.notes,
            backend=reading.backend,
            milliseconds=times.milliseconds,
        )

    def _choose(
        self, faces: Sequence[Face], options: EmojifyOptions
    ) -> tuple[EmojifiedFace, ...]:
        theme, seed = self.emoji.theme, options.surprise_seed
        placements = [place(face.landmarks) for face in faces]
        chosen: list[EmojifiedFace] = []
        for position, index in enumerate(reading_order(placements)):
            face = faces[index]
            if seed is None:
                measures = measure(face.landmarks.points_xy)
                one = choose(theme, face.scores, measures, confident=face.confident)
            else:
                one = surprise(theme, face.scores, f"{seed}/{position}")
            chosen.append(EmojifiedFace(face, one.emoji, one.sure, placements[index]))
        return tuple(chosen)

    def _paint(self, picture: DecodedImage, faces: tuple[EmojifiedFace, ...]) -> None:
        art_px = self.emoji.theme.art_size_px
        sprites: dict[tuple[str, int], ImageArray] = {}
        for index in paint_order([face.placement for face in faces]):
            face = faces[index]
            enlarged = face.placement.size_px / face.emoji.anchor.diameter_px
            sprite = self.emoji.sprite(face.emoji, round(art_px * enlarged))
            key = face.emoji.name, len(sprite)
            if key not in sprites:
                sprite = sprite_into_profile(sprite, picture.icc_profile)
                sprites[key] = premultiplied(sprite)
            overlay(
                picture.canvas,
                sprites[key],
                face.emoji.anchor,
                art_px,
                face.placement,
            )


@dataclass(slots=True)
class _Stopwatch:
    clock: Clock
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self.clock.monotonic()
        yield
        self.milliseconds[name] = (self.clock.monotonic() - began) * 1000
