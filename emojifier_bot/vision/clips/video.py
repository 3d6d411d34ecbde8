"""Short videos as clips, with PyAV, whose wheels bring FFmpeg.

Packets tell how many frames there are and when each is shown; nothing is decoded for
that. Frames are painted as RGB and encoded anew at the times that they had. Sound is
copied packet by packet. Nothing else is: no metadata, subtitles, cover pictures.
"""

from __future__ import annotations

import errno
import io
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.canvas import Canvas, canvas_of, image_over
from emojifier_bot.vision.cicp import HDR_NOTE, Cicp, tone_mapped
from emojifier_bot.vision.clips.limits import ClipLimits, check_clip, check_decoded
from emojifier_bot.vision.clips.types import (
    AS_READ,
    Clip,
    ClipInfo,
    Frame,
    PaintFrame,
    Writing,
)
from emojifier_bot.vision.clips.video_writer import (
    BT601,
    BT709,
    FULL,
    NARROW,
    THREADS,
    USUAL_RATE,
    VideoWriter,
    load_av,
)
from emojifier_bot.vision.clips.writing import painted, write_animation
from emojifier_bot.vision.decode import (
    DAMAGE_ERRORS,
    DecodedImage,
    DecodeLimits,
    damage_named,
    size_check,
)
from emojifier_bot.vision.formats import ANIMATED
from emojifier_bot.vision.types import ImageArray

if TYPE_CHECKING:
    from av.container import InputContainer

#: FFmpeg's readers; no other is tried, and none opens other files.
_READERS = {"MP4": "mov", "MOV": "mov", "WEBM": "matroska"}
#: The largest frame that FFmpeg decodes.
_MOST_PIXELS = 2**31 - 1
#: Those that its scaler knows by their numbers.
_SPACES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_HD_FROM_PX = 720
#: FFmpeg's display matrix, row by row.
_MATRIX = struct.Struct("=9i")


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
            # Times may begin anywhere.
            length = (container.duration or 0) - (container.start_time or 0)
            check_clip(size_wh, 1, length / 1e6, clip_limits)
            times, last, self._video_bytes = _packets(container, video, clip_limits)
            ticks = [after - before for before, after in pairwise(times)]
            rate = video.average_rate or video.guessed_rate or USUAL_RATE
            usual = ticks[-1] if ticks else round(1 / (rate * video.time_base))
            ticks.append(last or usual)
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

    def rewritten(self, paint: PaintFrame, how: Writing = AS_READ) -> bytes:
        """Encode it with painted frames, as `Clip` says."""
        name, quality = how.name or self._name, how.quality
        if name in ANIMATED:
            delays = [Fraction(one) for one in self._info.durations_ms]
            options = {"quality": quality}
            with damage_named(self._name), painted(self, paint) as frames:
                return write_animation(name, frames, self._info, delays, options)
        with self._opened() as container:
            video = _video_of(container)
            bits = self._video_bytes * 8 / max(self._info.seconds, 0.001)
            bits = 0 if how.afresh else bits
            writer = VideoWriter(self._av, name, self._info.size_wh, bits, quality)
            # A sound that no codec is known for cannot be described anew.
            streams: list[Any] = list(container.streams.audio)
            sounds = [one for one in streams if one.codec_context is not None]
            is_hdr = self._hdr is not None
            writer.begin(
                video, sounds, is_sideways=self._turn.is_sideways, is_hdr=is_hdr
            )
            # Encoded in a thread while the next frame is decoded and painted here; the
            # other way round the system gives memory anew for each frame.
            with ThreadPoolExecutor(1, thread_name_prefix="encoder") as encoder:
                done = encoder.submit(lambda: None)
                for add, *what in self._painted(container, sounds, paint, writer):
                    done.result()
                    done = encoder.submit(add, *what)
                done.result()
            return writer.finish()

    def _painted(
        self,
        container: InputContainer,
        sounds: Sequence[Any],
        paint: PaintFrame,
        writer: VideoWriter,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield a method of the writer and what it takes, frame by frame."""
        index = 0
        for one in self._decoded(container, sounds):
            if isinstance(one, self._av.Packet):
                yield writer.add_sound, one
                continue
            if index == self._info.frames:
                break
            frame = self._frame(one, index, self._info.times_ms[index])
            paint(frame)
            pixels = frame.picture.canvas.pixels
            yield writer.add, pixels, one.pts, one.duration, _colors(one, self._hdr)
            index += 1

    @contextmanager
    def _opened(self) -> Iterator[InputContainer]:
        """Open the file; what is wrong with it becomes our error."""
        try:
            with self._av.open(
                io.BytesIO(self._data), format=_READERS[self._name]
            ) as container:
                yield container
        except (
            *DAMAGE_ERRORS,
            self._av.FFmpegError,
            StopIteration,
            MemoryError,
        ) as error:
            if _lacks_memory(error):
                raise ImageError(
                    "This video needs more memory than there is. Use a smaller one.",
                    kind=ErrorKind.TOO_MANY_PIXELS,
                ) from error
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
        video.thread_type, video.codec_context.thread_count = "AUTO", THREADS
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
        except self._av.FFmpegError as error:
            if is_first or _lacks_memory(error):
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
            src_color_range=NARROW if is_narrow else FULL,
            dst_color_range=FULL,
        )
        pixels = self._turn.upright(reformatted.to_ndarray())
        canvas = Canvas(image_over(pixels, "RGB"), pixels)
        if self._hdr is not None:
            canvas = canvas_of(tone_mapped(canvas.image, self._hdr, steady=True))
        picture = DecodedImage(canvas, "PNG", None, None, lossless=True, frame=index)
        return Frame(index, time_ms, picture)


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
) -> tuple[list[int], int, int]:
    """Return when each frame is shown and for how long the last, and the bytes of all.

    Times are in ticks; 0 where the file does not say it.

    Raises:
        ValueError: There is no frame.
    """
    packets = [
        (packet.pts, packet.duration or 0, packet.size)
        for packet in islice(container.demux(video), limits.max_frames + 2)
        if packet.pts is not None and packet.size and not packet.is_discard
    ]
    if not packets:
        raise ValueError("there is no frame in it")
    packets.sort()
    _, last, _ = packets[-1]
    return [pts for pts, *_ in packets], last, sum(size for *_, size in packets)


def _lacks_memory(error: Exception) -> bool:
    """Tell whether there was no room, be it for the stack of a thread."""
    number = getattr(error, "errno", None)
    return isinstance(error, MemoryError) or number in {errno.ENOMEM, errno.EAGAIN}


def _hdr_of(frame: Any) -> Cicp | None:
    cicp = Cicp(int(frame.color_primaries), int(frame.color_trc))
    return cicp if cicp.is_hdr else None


def _colors(frame: Any, hdr: Cicp | None) -> tuple[int, bool]:
    """Return the numbers of a frame's colours for FFmpeg, and whether 16 is black."""
    if hdr is not None:
        return BT709, True
    space = _SPACES.get(int(frame.colorspace))
    if space is None:
        space = BT709 if frame.height >= _HD_FROM_PX else BT601
    return space, int(frame.color_range) != FULL
