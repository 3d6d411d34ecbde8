"""Videos for tests, written by PyAV."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image

from emojifier_bot.vision.media_boxes import find_box

SOUND_RATE = 48_000
CODECS = {"mp4": ("libx264", "aac"), "mov": ("libx264", "aac")}
CODECS |= {"webm": ("libvpx-vp9", "libopus")}


def video(
    frames: Sequence[Image.Image],
    container: str = "mp4",
    *,
    rate: int = 30,
    ticks: Sequence[int] | None = None,
    rotation: float = 0.0,
    sound: bool = True,
    cover: bool = False,
    metadata: dict[str, str] | None = None,
    **of_codec: Any,
) -> bytes:
    """Return a video with a tone.

    Args:
        frames: RGB, of one size.
        container: ``"mp4"``, ``"mov"`` or ``"webm"``.
        rate: Frames a second.
        ticks: When each frame is shown, in 15360ths of a second; None: evenly.
        rotation: Degrees that players turn it by, counter-clockwise.
        sound: Whether there is the tone.
        cover: Whether a cover picture is in the file.
        metadata: Of the file.
        of_codec: Attributes of the encoder.
    """
    buffer, (codec, sound_codec) = io.BytesIO(), CODECS[container]
    out = av.open(buffer, "w", format=container)
    out.metadata.update(metadata or {})
    options = {"crf": "18", "preset": "veryfast", "cpu-used": "8"}
    stream = out.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height = frames[0].size
    stream.pix_fmt = "yuv420p"
    for name, value in of_codec.items():
        setattr(stream.codec_context, name, value)
    if rotation:
        stream.set_display_rotation(rotation)
    base = Fraction(1, 15360) if ticks else Fraction(1, rate)
    stream.codec_context.time_base = base
    tone = (
        out.add_stream(sound_codec, rate=SOUND_RATE, layout="mono") if sound else None
    )
    picture = None
    if cover:
        picture = out.add_stream("mjpeg", rate=1)
        picture.width, picture.height = 64, 64
        picture.pix_fmt = "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
    for index, image in enumerate(frames):
        frame = av.VideoFrame.from_image(image)
        frame.pts, frame.time_base = (ticks[index] if ticks else index), base
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
    if tone is not None:
        for frame in _tone(len(frames) / rate, sound_codec):
            out.mux(tone.encode(frame))
        out.mux(tone.encode(None))
    if picture is not None:
        blank = av.VideoFrame.from_image(Image.new("RGB", (64, 64), "red"))
        out.mux(picture.encode(blank))
        out.mux(picture.encode(None))
    out.close()
    return buffer.getvalue()


def with_matrix(mp4: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """Return an MP4 whose first track players turn and mirror by a matrix."""
    _, end = find_box(mp4, b"moov", b"trak", b"tkhd")
    numbers = [65536 * one for one in (a, b, 0, c, d, 0, 0, 0)]
    # Width and height follow it.
    matrix = struct.pack(">9i", *numbers, 1 << 30)
    return mp4[: end - 44] + matrix + mp4[end - 8 :]


def with_box(mp4: bytes, path: Sequence[bytes], box: bytes) -> bytes:
    """Return an MP4, its frames before its header, with a box in place of another."""
    changed, ends = bytearray(mp4), []
    for depth in range(1, len(path) + 1):
        found = find_box(mp4, *path[:depth])
        assert found, path[depth - 1]
        ends.append(found)
    start, end = ends[-1]
    changed[start - 8 : end] = box
    for parent, _ in ends[:-1]:
        (length,) = struct.unpack_from(">I", changed, parent - 8)
        longer = len(box) - (end - start + 8)
        struct.pack_into(">I", changed, parent - 8, length + longer)
    return bytes(changed)


def with_edits(mp4: bytes, *edits: tuple[int, int], rate: int = 1) -> bytes:
    """Return an MP4 that shows parts of itself.

    Args:
        mp4: A video that has an edit list.
        edits: How long each part is, in milliseconds, and where it begins, in ticks;
            -1 for a pause.
        rate: How fast all are shown.
    """
    path = (b"moov", b"trak", b"edts", b"elst")
    rows = b"".join(struct.pack(">Iihh", *edit, rate, 0) for edit in edits)
    head = struct.pack(">I4sII", 16 + len(rows), b"elst", 0, len(edits))
    return with_box(mp4, path, head + rows)


def with_times(mp4: bytes, ticks_a_second: int, *runs: tuple[int, int]) -> bytes:
    """Return an MP4 whose frames are shown so many ticks each: runs of (count, ticks).

    It is shown from its first frame on, and frames in the order in which they come.
    """
    media = (b"moov", b"trak", b"mdia")
    start, _ = find_box(mp4, *media, b"mdhd") or (0, 0)
    changed = bytearray(mp4)
    struct.pack_into(">I", changed, start + 12, ticks_a_second)
    rows = b"".join(struct.pack(">II", *run) for run in runs)
    head = struct.pack(">I4sII", 16 + len(rows), b"stts", 0, len(runs))
    mp4 = with_box(bytes(changed), (*media, b"minf", b"stbl", b"stts"), head + rows)
    # Nothing of FFmpeg's reads boxes of these names.
    return mp4.replace(b"ctts", b"free").replace(b"elst", b"free")


def _tone(seconds: float, codec: str) -> Any:
    samples = np.sin(np.arange(int(SOUND_RATE * seconds)) * 0.05).astype(np.float32)
    step, layout = (960, "flt") if codec == "libopus" else (1024, "fltp")
    for start in range(0, len(samples) - step, step):
        part = samples[None, start : start + step] / 4
        frame = av.AudioFrame.from_ndarray(part, format=layout, layout="mono")
        frame.rate, frame.pts, frame.time_base = (
            SOUND_RATE,
            start,
            Fraction(1, SOUND_RATE),
        )
        yield frame


def shown(data: bytes) -> list[tuple[float, np.ndarray]]:
    """Return when each frame is shown, and its pixels as stored."""
    with av.open(io.BytesIO(data)) as container:
        return [
            (frame.time, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(container.streams.video[0])
        ]


def sound_packets(data: bytes) -> list[tuple[float, bytes]]:
    """Return when each packet of sound is heard, and the packet."""
    with av.open(io.BytesIO(data)) as container:
        if not container.streams.audio:
            return []
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]


def facts(data: bytes) -> dict[str, Any]:
    """Return what a file says of itself."""
    with av.open(io.BytesIO(data)) as container:
        return {
            "metadata": dict(container.metadata),
            "streams": [
                (one.type, one.codec_context.name) for one in container.streams
            ],
            "seconds": container.duration / 1e6,
            "of streams": [dict(one.metadata) for one in container.streams],
        }
