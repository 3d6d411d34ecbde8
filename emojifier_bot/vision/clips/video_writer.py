"""Writes videos with PyAV, whose wheels bring FFmpeg."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.clips.types import ClipInfo, PaintedFrame
from emojifier_bot.vision.media_boxes import boxes
from emojifier_bot.vision.types import ImageArray

#: FFmpeg's names of the containers.
_WRITERS = {"MP4": "mp4", "MOV": "mov", "WEBM": "webm"}
#: Sound that each of them takes as it is.
_SOUND = {
    "MP4": frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}),
    "MOV": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"}),
    "WEBM": frozenset({"opus", "vorbis"}),
}
#: What other sound becomes there, the samples of one of its packets and in a second.
_OTHER_SOUND = {"MP4": "aac", "MOV": "aac", "WEBM": "libopus"}
_SOUND_FRAME, _SOUND_RATE = {"aac": 1024, "libopus": 960}, 48_000
THREADS = 2
_H264, _VP9 = "libx264", "libvpx-vp9"
#: The constant quality (the finer, the lower) that looks like the input, and those for
#: a quality of 100 and of 1.
_USUAL_CRF = {_H264: 20, _VP9: 28}
_CRF_RANGE = {_H264: (12, 42), _VP9: (15, 55)}
#: Most bits a second over the input's, and what is never too many.
_MOST_RATIO, _LEAST_BITS = 1.35, 200_000
#: Where a file does not say.
USUAL_RATE = Fraction(25)
_MILLISECOND = Fraction(1, 1000)
#: As FFmpeg numbers colours: of HD, of what is smaller; black at 16, or at 0.
BT709, BT601, NARROW, FULL = 1, 5, 1, 2
_BOX_BYTES = 8

_MISSING = (
    "Videos need the extra `video` (PyAV): docs/python.md says how to install it."
)


def load_av() -> Any:
    """Import PyAV.

    Raises:
        ImageError: It is not installed (``unsupported``).
    """
    try:
        import av  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise ImageError(_MISSING, kind=ErrorKind.UNSUPPORTED) from error
    return av


class VideoWriter:
    """Encodes painted frames, and copies sound.

    Args:
        av: The library.
        name: Of one of `formats.VIDEOS`.
        size_wh: Of the upright frames.
        bits: Of the input's frames, a second; 0 sets no limit.
        quality: 1 to 100; None matches the input's.
    """

    def __init__(
        self,
        av: Any,
        name: str,
        size_wh: tuple[int, int],
        bits: float,
        quality: int | None,
    ) -> None:
        self._av, self._name, self._buffer = av, name, io.BytesIO()
        self._codec = _VP9 if name == "WEBM" else _H264
        # H.264 wants even sides: the last row and column are shown twice.
        self._odd_wh = (0, 0) if name == "WEBM" else (size_wh[0] % 2, size_wh[1] % 2)
        self._size_wh = size_wh
        finest, coarsest = _CRF_RANGE[self._codec]
        crf = _USUAL_CRF[self._codec]
        if quality is not None:
            crf = round(coarsest + (finest - coarsest) * quality / 100)
        most = round(max(bits * _MOST_RATIO, _LEAST_BITS))
        self._options = {"crf": str(crf), "threads": str(THREADS)}
        if self._codec == _H264:
            # With B-frames it is not the same from run to run.
            self._options |= {"preset": "veryfast", "bf": "0"}
            if quality is None and bits:
                self._options |= {"maxrate": str(most), "bufsize": str(2 * most)}
        else:
            rate = most if quality is None and bits else 0
            self._options |= {"deadline": "realtime", "cpu-used": "7", "row-mt": "1"}
            self._options |= {"b": str(rate)}
        self._out: Any = av.open(
            self._buffer, "w", format=_WRITERS[name], options={"fflags": "+bitexact"}
        )
        #: When the next frame can be shown, in ticks.
        self._next_pts: int | None = None
        #: How long frames are shown that are not encoded yet, by their times.
        self._ticks: dict[int, int] = {}
        self._sounds: dict[int, Any] = {}
        self._resamplers: dict[int, Any] = {}

    def begin(
        self, video: Any, sounds: Sequence[Any], *, is_sideways: bool, is_hdr: bool
    ) -> None:
        """Make the streams."""
        rate = video.average_rate or video.guessed_rate or USUAL_RATE
        stream = self.make_stream(rate, video.time_base)
        shape, context = video.sample_aspect_ratio, stream.codec_context
        if shape and shape != 1:
            context.sample_aspect_ratio = 1 / shape if is_sideways else shape
        stated = video.codec_context
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            value = NARROW if is_hdr else getattr(stated, name)
            setattr(context, name, value)
        for sound in sounds:
            self._sounds[sound.index] = self._sound(sound)

    def _sound(self, sound: Any) -> Any:
        """Make a stream for a sound: a copy, or what this container takes."""
        if sound.codec_context.name in _SOUND[self._name]:
            copied = self._out.add_stream_from_template(sound)
            copied.metadata.clear()
            return copied
        codec, layout, of_codec = _OTHER_SOUND[self._name], sound.layout, "fltp"
        if codec == "libopus":
            of_codec = "flt"
        encoder: Any = self._out.add_stream(codec, rate=_SOUND_RATE, layout=layout)
        self._resamplers[sound.index] = self._av.AudioResampler(
            of_codec, layout, _SOUND_RATE, frame_size=_SOUND_FRAME[codec]
        )
        return encoder

    def make_stream(self, rate: Fraction, time_base: Fraction) -> Any:
        """Make the stream of the frames, whose times count in ``time_base``."""
        # More frames than ticks a second cannot be told apart.
        stream: Any = self._out.add_stream(
            self._codec, rate=min(rate, 1 / time_base), options=self._options
        )
        stream.width, stream.height = (
            side + odd for side, odd in zip(self._size_wh, self._odd_wh, strict=True)
        )
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = time_base
        self._video, self._time_base = stream, time_base
        return stream

    def add(
        self, pixels: ImageArray, pts: int | None, ticks: int, colors: tuple[int, bool]
    ) -> None:
        """Encode a frame that is shown from ``pts`` on.

        Where that is not known, or not after the frame before, the next tick will do.
        How many ticks it is shown counts for the last one alone.
        """
        if pts is None or (self._next_pts is not None and pts < self._next_pts):
            pts = self._next_pts or 0
        self._next_pts = pts + 1
        if any(self._odd_wh):
            odd_x, odd_y = self._odd_wh
            pixels = np.pad(pixels, ((0, odd_y), (0, odd_x), (0, 0)), mode="edge")
        space, is_narrow = colors
        frame = self._av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(
            format="yuv420p",
            dst_colorspace=space,
            src_color_range=FULL,
            dst_color_range=NARROW if is_narrow else FULL,
        )
        frame.pts, frame.time_base = pts, self._time_base
        self._ticks[pts] = ticks
        self._mux(self._video.encode(frame))

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            # The encoders of FFmpeg do not pass it on.
            packet.duration = self._ticks.pop(packet.pts, 0)
        self._out.mux(packets)

    def add_sound(self, packet: Any) -> None:
        """Copy a packet of sound, or encode what it holds."""
        index = packet.stream.index
        stream, resampler = self._sounds[index], self._resamplers.get(index)
        if resampler is None:
            packet.stream = stream
            self._out.mux(packet)
            return
        for frame in packet.decode():
            for one in resampler.resample(frame):
                self._out.mux(stream.encode(one))

    def finish(self) -> bytes:
        """Return the file."""
        self._mux(self._video.encode(None))
        for index, resampler in self._resamplers.items():
            stream = self._sounds[index]
            for one in (*resampler.resample(None), None):
                self._out.mux(stream.encode(one))
        self._out.close()
        encoded = self._buffer.getvalue()
        return encoded if self._name == "WEBM" else with_header_first(encoded)


def write_video(
    name: str,
    frames: Iterator[PaintedFrame],
    info: ClipInfo,
    delays_ms: Sequence[Fraction],
    quality: int | None,
) -> bytes:
    """Write frames of an animation as a video, over white where they are transparent.

    Raises:
        ImageError: PyAV is not installed (``unsupported``).
    """
    writer = VideoWriter(load_av(), name, info.size_wh, 0, quality)
    rate = Fraction(1000 * len(delays_ms)) / (sum(delays_ms, Fraction(0)) or 1)
    writer.make_stream(rate.limit_denominator(1000), _MILLISECOND)
    times = map(round, accumulate(delays_ms, initial=Fraction(0)))
    for frame, (begin, end) in zip(frames, pairwise(times), strict=False):
        image = frame.picture.image
        if image.mode == "RGBA":
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image)
        canvas = canvas_of(image.convert("RGB"))
        writer.add(canvas.pixels, begin, end - begin, (BT601, True))
    return writer.finish()


def with_header_first(mp4: bytes) -> bytes:
    """Return a file whose header stands before its frames: it is shown at once."""
    parts = {name: (start, end) for name, start, end in boxes(mp4, 0, len(mp4))}
    (start, end), (frames, _) = parts[b"moov"], parts[b"mdat"]
    if start < frames:
        return mp4
    length = end - start + _BOX_BYTES
    header = bytearray(mp4[start - _BOX_BYTES : end])
    for name, first, _ in _offset_tables(bytes(header), _BOX_BYTES, len(header)):
        layout = ">Q" if name == b"co64" else ">I"
        (count,) = struct.unpack_from(">I", header, first + 4)
        size = struct.calcsize(layout)
        for at in range(first + 8, first + 8 + count * size, size):
            (offset,) = struct.unpack_from(layout, header, at)
            struct.pack_into(layout, header, at, offset + length)
    before = parts[b"ftyp"][1]
    rest = mp4[before : start - _BOX_BYTES] + mp4[end:]
    return mp4[:before] + bytes(header) + rest


def _offset_tables(
    data: bytes, start: int, end: int
) -> Iterator[tuple[bytes, int, int]]:
    for name, first, last in boxes(data, start, end):
        if name in {b"stco", b"co64"}:
            yield name, first, last
        elif name in {b"trak", b"mdia", b"minf", b"stbl"}:
            yield from _offset_tables(data, first, last)
