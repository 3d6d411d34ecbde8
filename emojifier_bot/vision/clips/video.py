"""Short videos as clips, with PyAV, whose wheels bring FFmpeg.

Packets tell how many frames there are and when each is shown; nothing is decoded for
that. Frames are painted as RGB and encoded anew at the times that they had. Sound is
copied packet by packet. Nothing else is: no metadata, subtitles, cover pictures.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import Canvas, canvas_of, image_over
from emojifier_bot.vision.cicp import HDR_NOTE, Cicp, tone_mapped
from emojifier_bot.vision.clips.limits import ClipLimits, check_clip, check_decoded
from emojifier_bot.vision.clips.types import (
    Clip,
    ClipInfo,
    Frame,
    PaintedFrame,
    PaintFrame,
)
from emojifier_bot.vision.clips.writing import painted, write_animation
from emojifier_bot.vision.decode import (
    DAMAGE_ERRORS,
    DecodedImage,
    DecodeLimits,
    size_check,
)
from emojifier_bot.vision.formats import ANIMATED
from emojifier_bot.vision.media_boxes import boxes
from emojifier_bot.vision.types import ImageArray

if TYPE_CHECKING:
    from av.container import InputContainer

#: FFmpeg's readers and writers; no other reader is tried, and none opens other files.
_READERS = {"MP4": "mov", "MOV": "mov", "WEBM": "matroska"}
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
_THREADS = 2
_H264, _VP9 = "libx264", "libvpx-vp9"
#: The constant quality (the finer, the lower) that looks like the input, and those for
#: a quality of 100 and of 1.
_USUAL_CRF = {_H264: 20, _VP9: 28}
_CRF_RANGE = {_H264: (12, 42), _VP9: (15, 55)}
#: Most bits a second over the input's, and what is never too many.
_MOST_RATIO, _LEAST_BITS = 1.35, 200_000
#: Where a file does not say.
_USUAL_RATE = Fraction(25)
_MILLISECOND = Fraction(1, 1000)
#: The largest frame that FFmpeg decodes.
_MOST_PIXELS = 2**31 - 1
#: As FFmpeg numbers colours: of HD, of what is smaller; black at 16, or at 0.
_BT709, _BT601, _NARROW, _FULL = 1, 5, 1, 2
#: Those that its scaler knows by their numbers.
_SPACES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_HD_FROM_PX = 720
_BOX_BYTES = 8
#: FFmpeg's display matrix, row by row.
_MATRIX = struct.Struct("=9i")

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


@dataclass(frozen=True, slots=True)
class Turn:
    """How players bring the stored frames of a video upright."""

    #: Whether rows become columns; then, whether each side is mirrored.
    is_sideways: bool = False
    mirrors_x: bool = False
    mirrors_y: bool = False

    @classmethod
    def of(cls, frame: Any) -> Turn:
        """Read the display matrix of a frame, the nearest of quarter turns."""
        stated = frame.side_data.get("DISPLAYMATRIX")
        if stated is None:
            return cls()
        # A stored point (x, y) is shown at (a x + c y, b x + d y).
        a, b, _, c, d, *_ = _MATRIX.unpack(bytes(stated))
        if abs(a) + abs(d) < abs(b) + abs(c):
            return cls(True, mirrors_x=c < 0, mirrors_y=b < 0)
        return cls(False, mirrors_x=a < 0, mirrors_y=d < 0)

    def upright(self, pixels: ImageArray) -> ImageArray:
        """Return ``(H, W, 4)`` pixels as they are shown."""
        if self.is_sideways:
            pixels = pixels.swapaxes(0, 1)
        steps = [-1 if one else 1 for one in (self.mirrors_y, self.mirrors_x)]
        return np.ascontiguousarray(pixels[:: steps[0], :: steps[1]])


class Video(Clip):
    """A video.

    Args:
        data: The file.
        name: Of one of `formats.VIDEOS`.
        limits: Of one frame.
        clip_limits: Of all frames.

    Raises:
        ImageError: It cannot be opened, or passes a limit.
    """

    def __init__(
        self, data: bytes, name: str, limits: DecodeLimits, clip_limits: ClipLimits
    ) -> None:
        self._data, self._name, self._av = data, name, load_av()
        self._clip_limits = clip_limits
        #: FFmpeg counts padding too.
        self._max_pixels = min(2 * limits.max_pixels, _MOST_PIXELS)
        with self._opened() as container:
            video = _video_of(container)
            size_wh = self._stored_wh = (video.width, video.height)
            size_check(limits)(size_wh)
            check_clip(size_wh, 1, (container.duration or 0) / 1e6, clip_limits)
            times, self._video_bytes = _packets(container, video, clip_limits)
            ticks = [after - before for before, after in pairwise(times)]
            rate = video.average_rate or video.guessed_rate or _USUAL_RATE
            ticks.append(ticks[-1] if ticks else round(1 / (rate * video.time_base)))
            to_ms = 1000 * video.time_base
            durations = tuple(float(one * to_ms) for one in ticks)
            check_clip(size_wh, len(times), sum(durations) / 1000, clip_limits)
            has_sound = bool(container.streams.audio)
        with self._opened() as container:
            first = next(self._decoded(container, []))
        self._hdr = _hdr_of(first)
        self._turn = Turn.of(first)
        if self._turn.is_sideways:
            size_wh = size_wh[::-1]
        notes = (HDR_NOTE,) if self._hdr else ()
        self._info = ClipInfo(name, size_wh, durations, 1, has_sound, notes)

    @property
    def info(self) -> ClipInfo:
        """Return what the packets say."""
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Decode it from its first frame, as `Clip` says."""
        with self._opened() as container:
            frames = self._decoded(container, [])
            for index, time_ms in enumerate(self._info.times_ms):
                frame = next(frames, None)
                if frame is None:
                    return
                yield self._frame(frame, index, time_ms)

    def rewritten(
        self,
        paint: PaintFrame,
        name: str | None = None,
        quality: int | None = None,
        *,
        afresh: bool = False,
    ) -> bytes:
        """Encode it with painted frames, as `Clip` says."""
        name = name or self._name
        if name in ANIMATED:
            delays = [Fraction(one) for one in self._info.durations_ms]
            frames = painted(self, paint)
            options = {"quality": quality}
            return write_animation(name, frames, self._info, delays, options)
        with self._opened() as container:
            video = _video_of(container)
            bits = self._video_bytes * 8 / max(self._info.seconds, 0.001)
            bits = 0 if afresh else bits
            writer = VideoWriter(self._av, name, self._info.size_wh, bits, quality)
            # A sound that no codec is known for cannot be described anew.
            streams: list[Any] = list(container.streams.audio)
            sounds = [one for one in streams if one.codec_context is not None]
            is_hdr = self._hdr is not None
            writer.begin(video, sounds, self._turn, is_hdr=is_hdr)
            index = 0
            # Encoded while the next frame is decoded and painted.
            with ThreadPoolExecutor(1, thread_name_prefix="encoder") as encoder:
                done = encoder.submit(lambda: None)
                for one in self._decoded(container, sounds):
                    if isinstance(one, self._av.Packet):
                        done.result()
                        done = encoder.submit(writer.add_sound, one)
                        continue
                    if index == self._info.frames:
                        break
                    frame = self._frame(one, index, self._info.times_ms[index])
                    paint(frame)
                    pixels, colors = (
                        frame.picture.canvas.pixels,
                        _colors(one, self._hdr),
                    )
                    done.result()
                    done = encoder.submit(writer.add, pixels, one.pts, colors)
                    index += 1
                done.result()
            return writer.finish()

    @contextmanager
    def _opened(self) -> Iterator[InputContainer]:
        """Open the file; what is wrong with it becomes our error."""
        try:
            with self._av.open(
                io.BytesIO(self._data), format=_READERS[self._name]
            ) as container:
                yield container
        except (*DAMAGE_ERRORS, self._av.FFmpegError, StopIteration) as error:
            raise ImageError(
                "This video is damaged or cut off, and cannot be read. Copy it again, "
                "or save it anew as MP4.",
                kind=ErrorKind.BROKEN,
            ) from error

    def _decoded(
        self, container: InputContainer, sounds: Sequence[Any]
    ) -> Iterator[Any]:
        """Yield frames as they are shown, and packets of sound; damage ends them."""
        video, is_first, pixels = _video_of(container), True, 0
        frame: Any
        video.thread_type, video.codec_context.thread_count = "AUTO", _THREADS
        # Frames may be larger than the header says.
        video.codec_context.options = {"max_pixels": str(self._max_pixels)}
        try:
            for packet in container.demux([video, *sounds]):
                if packet.stream is not video:
                    if packet.dts is not None:
                        yield packet
                    continue
                for frame in packet.decode():
                    is_first = False
                    pixels += frame.width * frame.height
                    check_decoded(pixels, self._clip_limits)
                    yield frame
        except self._av.FFmpegError:
            if is_first:
                raise

    def _frame(self, frame: Any, index: int, time_ms: float) -> Frame:
        space, is_narrow = _colors(frame, None)
        # A stream may change its size; players show all frames in the first one's.
        width, height = self._stored_wh
        reformatted = frame.reformat(
            width,
            height,
            format="rgba",
            src_colorspace=space,
            src_color_range=_NARROW if is_narrow else _FULL,
            dst_color_range=_FULL,
        )
        pixels = self._turn.upright(reformatted.to_ndarray())
        canvas = Canvas(image_over(pixels, "RGB"), pixels)
        if self._hdr is not None:
            canvas = canvas_of(tone_mapped(canvas.image, self._hdr, steady=True))
        picture = DecodedImage(canvas, "PNG", None, None, lossless=True, frame=index)
        return Frame(index, time_ms, picture)


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
        self._options = {"crf": str(crf), "threads": str(_THREADS)}
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
        self._sounds: dict[int, Any] = {}
        self._resamplers: dict[int, Any] = {}

    def begin(
        self, video: Any, sounds: Sequence[Any], turn: Turn, *, is_hdr: bool
    ) -> None:
        """Make the streams."""
        rate = video.average_rate or video.guessed_rate or _USUAL_RATE
        stream = self.make_stream(rate, video.time_base)
        shape, context = video.sample_aspect_ratio, stream.codec_context
        if shape and shape != 1:
            context.sample_aspect_ratio = 1 / shape if turn.is_sideways else shape
        stated = video.codec_context
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            value = _NARROW if is_hdr else getattr(stated, name)
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
        stream: Any = self._out.add_stream(
            self._codec, rate=rate, options=self._options
        )
        stream.width, stream.height = (
            side + odd for side, odd in zip(self._size_wh, self._odd_wh, strict=True)
        )
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = time_base
        self._video, self._time_base = stream, time_base
        return stream

    def add(self, pixels: ImageArray, pts: int, colors: tuple[int, bool]) -> None:
        """Encode a frame that is shown from ``pts`` on."""
        if any(self._odd_wh):
            odd_x, odd_y = self._odd_wh
            pixels = np.pad(pixels, ((0, odd_y), (0, odd_x), (0, 0)), mode="edge")
        space, is_narrow = colors
        frame = self._av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(
            format="yuv420p",
            dst_colorspace=space,
            src_color_range=_FULL,
            dst_color_range=_NARROW if is_narrow else _FULL,
        )
        frame.pts, frame.time_base = pts, self._time_base
        self._out.mux(self._video.encode(frame))

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
        self._out.mux(self._video.encode(None))
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
    times = accumulate(delays_ms, initial=Fraction(0))
    for frame, time_ms in zip(frames, times, strict=False):
        image = frame.picture.image
        if image.mode == "RGBA":
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image)
        canvas = canvas_of(image.convert("RGB"))
        writer.add(canvas.pixels, round(time_ms), (_BT601, True))
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


def _video_of(container: InputContainer) -> Any:
    """Return the stream of the frames; cover pictures are none.

    Raises:
        ValueError: There is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & stream.disposition.attached_pic:
            return stream
    raise ValueError("there is no video in it")


def _packets(
    container: InputContainer, video: Any, limits: ClipLimits
) -> tuple[list[int], int]:
    """Return when each frame is shown, in ticks, and the bytes of all.

    Raises:
        ValueError: There is no frame.
    """
    packets = [
        (packet.pts, packet.size)
        for packet in islice(container.demux(video), limits.max_frames + 2)
        if packet.pts is not None and packet.size and not packet.is_discard
    ]
    if not packets:
        raise ValueError("there is no frame in it")
    return sorted(pts for pts, _ in packets), sum(size for _, size in packets)


def _hdr_of(frame: Any) -> Cicp | None:
    cicp = Cicp(int(frame.color_primaries), int(frame.color_trc))
    return cicp if cicp.is_hdr else None


def _colors(frame: Any, hdr: Cicp | None) -> tuple[int, bool]:
    """Return the numbers of a frame's colours for FFmpeg, and whether 16 is black."""
    if hdr is not None:
        return _BT709, True
    space = _SPACES.get(int(frame.colorspace))
    if space is None:
        space = _BT709 if frame.height >= _HD_FROM_PX else _BT601
    return space, int(frame.color_range) != _FULL
