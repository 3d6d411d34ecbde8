"""Animated GIFs, PNGs, WebPs and AVIFs, as clips."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

from emojifier_bot.vision.clips.headers import Header
from emojifier_bot.vision.clips.pillow_writer import Options, choose_quality
from emojifier_bot.vision.clips.types import (
    AS_READ,
    Clip,
    ClipInfo,
    FinishFrame,
    Frame,
    PaintFrame,
    Writing,
    as_decoded,
)
from emojifier_bot.vision.clips.writing import painted, write_animation
from emojifier_bot.vision.decode import DecodeLimits, damage_named, decode_frames
from emojifier_bot.vision.formats import VIDEOS

_VIDEOS = frozenset(one.name for one in VIDEOS)
#: Frames whose size in the input says how finely it was compressed.
_SAMPLED_FRAMES = 6
#: How lossless WebPs are written, as stills are.
_LOSSLESS: Options = {"lossless": True, "method": 0, "quality": 20}


class Animation(Clip):
    """An animation of a picture format.

    Args:
        data: The file.
        header: What its header says.
        limits: Of one frame.
        finish: Changes each decoded frame.
    """

    def __init__(
        self,
        data: bytes,
        header: Header,
        limits: DecodeLimits,
        finish: FinishFrame = as_decoded,
    ) -> None:
        self._data, self._header, self._limits = data, header, limits
        self._finish = finish
        self._info: ClipInfo | None = None
        #: Frames that could be decoded; None while that is not known.
        self._whole: int | None = None

    @property
    def info(self) -> ClipInfo:
        """Return what the header says."""
        if self._info is None:
            first = next(self.frames())
            self._info = ClipInfo(
                self._header.format,
                first.picture.image.size,
                self._header.durations_ms,
                self._header.loops,
            )
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Decode it from its first frame, as `Clip` says."""
        time_ms = 0.0
        index = -1
        pairs = zip(
            decode_frames(self._data, self._limits),
            self._header.durations_ms,
            strict=False,
        )
        for index, (picture, duration_ms) in enumerate(pairs):
            yield Frame(index, time_ms, self._finish(picture))
            time_ms += duration_ms
        self._whole = index + 1

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        """Encode it with painted frames, as `Clip` says."""
        name, quality, header = how.name, how.quality, self._header
        is_same = name in (None, header.format)
        delays = header.delays_ms
        if not is_same:
            delays = tuple(Fraction(one) for one in header.durations_ms)
        if name in _VIDEOS:
            # The library for videos is an extra.
            from emojifier_bot.vision.clips.video_writer import (  # noqa: PLC0415
                write_video,
            )

            with damage_named(header.format), painted(self, paint) as frames:
                return write_video(
                    name, frames, self.info, delays[: self._whole], quality
                )
        is_measured = is_same and (header.lossless or not how.afresh)
        options: Options = {"quality": quality}
        with damage_named(header.format):
            if is_measured:
                options = self._options(paint, quality)
            source = (header, self._data) if is_same and not how.afresh else None
            is_gif = bool(source) and header.gif is not None
            with painted(self, paint, with_before=is_gif) as frames:
                return write_animation(
                    name or header.format,
                    frames,
                    self.info,
                    delays[: self._whole],
                    options,
                    source,
                )

    def _options(self, paint: PaintFrame, quality: int | None) -> Options:
        """Return what Pillow needs to compress it as it was compressed."""
        header = self._header
        if not header.sizes:
            return {"quality": None}
        if header.lossless and quality is None:
            return _LOSSLESS
        if quality is None:
            with painted(self, paint) as frames:
                first = islice(frames, _SAMPLED_FRAMES)
                sample = [one.picture.image.copy() for one in first]
            budget = sum(header.sizes[: len(sample)])
            quality = choose_quality(header.format, sample, budget)
        options: Options = {"quality": quality}
        return {**options, "allow_mixed": True} if header.is_mixed else options
