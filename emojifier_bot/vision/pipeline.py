"""From bytes to the result: decode, analyze, choose, place, composite, encode."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from emojifier_bot.clock import Clock
from emojifier_bot.errors import ImageError
from emojifier_bot.vision.alt_text import alt_text
from emojifier_bot.vision.choose import choose, surprise
from emojifier_bot.vision.color import sprite_into_profile
from emojifier_bot.vision.composite import overlay, premultiplied
from emojifier_bot.vision.decode import DecodedImage, DecodeLimits, decode
from emojifier_bot.vision.detector import box_iou
from emojifier_bot.vision.encode import encode, output_format
from emojifier_bot.vision.formats import channel_format, format_named
from emojifier_bot.vision.landmarks import measure
from emojifier_bot.vision.place import paint_order, place, reading_order
from emojifier_bot.vision.ports import Decoder, EmojiSource, FaceAnalyzer
from emojifier_bot.vision.types import EmojifiedFace, Face, ImageArray, Reading, Result

#: Frames of an animation without a face in its first one that are looked at, and the
#: pixels of all together.
MOST_FRAMES_SEEN, MOST_PIXELS_SEEN = 12, 120_000_000
#: Faces whose boxes overlap so much are one.
SAME_FACE_IOU = 0.3

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
        output_format(picture, options.extension)
        with times.stage("analyze"):
            reading = self._read(picture)
            if not reading.faces:
                picture, reading = self._best_frame(data, picture, reading)
        return self._draw(picture, reading, options, times)

    def run_decoded(self, picture: DecodedImage, options: EmojifyOptions) -> Result:
        """Emojify a decoded picture. The emoji are painted onto ``picture`` itself.

        Raises:
            ImageError: The picture cannot be written in the requested format.
            BackendError: A local model failed.
            HostedApiError: The hosted back end failed, and there is no fallback.
        """
        times = _Stopwatch(self.clock)
        output_format(picture, options.extension)
        with times.stage("analyze"):
            reading = self._read(picture)
        return self._draw(picture, reading, options, times)

    def _read(self, picture: DecodedImage) -> Reading:
        """Find faces, also where the picture is too transparent to show them well."""
        reading = self.analyzer.analyze(picture)
        if not picture.canvas.hides_faces:
            return reading
        opaque = replace(picture, canvas=picture.canvas.opaque())
        known = np.array([one.box.xyxy for one in reading], np.float32).reshape(-1, 4)
        hidden = [
            one
            for one in self.analyzer.analyze(opaque)
            if not (box_iou(np.array([one.box.xyxy]), known) >= SAME_FACE_IOU).any()
        ]
        return replace(reading, faces=(*reading.faces, *hidden))

    def _best_frame(
        self, data: bytes, picture: DecodedImage, reading: Reading
    ) -> tuple[DecodedImage, Reading]:
        """Return the frame that shows most faces, of some; the given one if none.

        Of frames with as many faces it is the one where they are surest.
        """
        width, height = picture.image.size
        count = min(MOST_FRAMES_SEEN, MOST_PIXELS_SEEN // (width * height))
        for frame in spread_frames(picture.frames, count):
            try:
                other = self.decoder.decode(data, frame)
            except ImageError:
                break
            found = self._read(other)
            if _visibility(found) > _visibility(reading):
                picture, reading = other, found
        return picture, reading

    def _draw(
        self,
        picture: DecodedImage,
        reading: Reading,
        options: EmojifyOptions,
        times: _Stopwatch,
    ) -> Result:
        output = output_format(picture, options.extension)
        if options.for_channel:
            output = channel_format(output).name
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
            frame=picture.frame,
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


def _visibility(reading: Reading) -> tuple[int, float]:
    return len(reading), sum(one.detection.confidence for one in reading)


def spread_frames(frames: int, count: int) -> list[int]:
    """Return some of the frames after the first one, spread evenly, the last included.

    >>> spread_frames(100, 3)
    [33, 66, 99]
    """
    last = frames - 1
    count = min(count, last)
    return [last * number // count for number in range(1, count + 1)]


@dataclass(slots=True)
class _Stopwatch:
    clock: Clock
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self.clock.monotonic()
        yield
        self.milliseconds[name] = (self.clock.monotonic() - began) * 1000
