"""What the headers of animations say of their frames, before a pixel is decoded.

Damage is no matter here: what cannot be read of a header makes the file a picture of
one frame, which `decode` then reads or refuses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat

from emojifier_bot.vision.gif import GifFile, read_gif
from emojifier_bot.vision.loaders import webp_header
from emojifier_bot.vision.media_boxes import boxes, coded_header, find_box
from emojifier_bot.vision.png import (
    CHUNK_START_BYTES,
    chunks,
    frame_controls,
    read_png,
)

#: Frames are counted up to here; whoever has a limit has a lower one.
MOST_COUNTED = 20_000
#: Delays up to this are shown as the usual one by every browser.
MOST_IGNORED_MS, _USUAL_DELAY_MS = 10, 100
_RIFF_START, _RIFF_CHUNK = 12, struct.Struct("<4sI")
#: PNG: width and height; the number of frames and how often all is shown.
_PNG_SIZE_AT, _ANIMATION_CONTROL = 16, struct.Struct(">2I")
#: AVIF: where numbers lie in boxes of versions 0 and 1, behind version and flags.
_TIMESCALE_AT, _TRACK_DURATION_AT = {0: 12, 1: 20}, {0: 20, 1: 28}
_REPEATED, _EDIT_AT = 1, 8
_SHORT, _LONG = ">I", ">Q"
_TRACK = (b"moov", b"trak")


@dataclass(frozen=True, slots=True)
class Header:
    """An animation of several frames."""

    #: `PictureFormat.name`.
    format: str
    #: As stored.
    size_wh: tuple[int, int]
    #: How long each frame is to be shown, in milliseconds, as the file says it.
    delays_ms: tuple[Fraction, ...]
    #: How often all is shown; 0 is for ever.
    loops: int
    gif: GifFile | None = None
    #: Pixels that frames have outside of what is shown: of GIF and AVIF.
    hidden_pixels: int = 0
    #: Bytes of each frame, where a writer needs to know: of WebP and AVIF.
    sizes: tuple[int, ...] = ()
    #: Whether all frames were compressed without loss, and whether only some were.
    lossless: bool = True
    is_mixed: bool = False

    @property
    def durations_ms(self) -> tuple[float, ...]:
        """Return how long viewers show each frame."""
        return tuple(
            float(one if one > MOST_IGNORED_MS else _USUAL_DELAY_MS)
            for one in self.delays_ms
        )


def read_header(name: str, data: bytes) -> Header | None:
    """Return the header of an animation; None for a picture of one frame.

    Args:
        name: What `formats.sniff` said.
        data: The file.
    """
    reader = _READERS.get(name)
    try:
        header = reader(data) if reader else None
    except (struct.error, IndexError, ValueError, ZeroDivisionError):
        return None
    return header if header and len(header.delays_ms) > 1 else None


def _gif(data: bytes) -> Header:
    gif = read_gif(data, MOST_COUNTED)
    delays = tuple(Fraction(frame.delay_cs * 10) for frame in gif.frames)
    shown = gif.size_wh[0] * gif.size_wh[1]
    areas = (frame.place[2] * frame.place[3] for frame in gif.frames)
    hidden = sum(max(area - shown, 0) for area in areas)
    return Header("GIF", gif.size_wh, delays, gif.loops, gif, hidden)


def _png(data: bytes) -> Header | None:
    animated = read_png(data).animated
    if animated is None:
        return None
    control = next(whole for name, whole in chunks(animated) if name == b"acTL")
    count, loops = _ANIMATION_CONTROL.unpack_from(control, CHUNK_START_BYTES)
    delays = [one.delay_ms for one in frame_controls(animated)]
    # Of frames that are cut off nothing else is known than that there are some.
    count = min(count, MOST_COUNTED)
    delays = (delays + delays[-1:] * (count - len(delays)))[:count]
    size_wh = struct.unpack_from(">2I", data, _PNG_SIZE_AT)
    return Header("PNG", size_wh, tuple(delays), loops)


def _webp(data: bytes) -> Header:
    size_wh, _ = webp_header(data)
    loops, at = 0, _RIFF_START
    delays: list[Fraction] = []
    sizes: list[int] = []
    kinds: set[bytes] = set()
    while at + _RIFF_CHUNK.size <= len(data) and len(delays) < MOST_COUNTED:
        name, length = _RIFF_CHUNK.unpack_from(data, at)
        at += _RIFF_CHUNK.size
        if name == b"ANIM":
            loops = int.from_bytes(data[at + 4 : at + 6], "little")
        elif name == b"ANMF":
            delays.append(Fraction(int.from_bytes(data[at + 12 : at + 15], "little")))
            sizes.append(length)
            kinds.add(data[at + 16 : at + 20])
        at += length + length % 2
    return Header(
        "WEBP",
        size_wh,
        tuple(delays),
        loops,
        sizes=tuple(sizes),
        lossless=kinds == {b"VP8L"},
        is_mixed=b"VP8L" in kinds and len(kinds) > 1,
    )


def _avif(data: bytes) -> Header | None:
    if data[8:12] != b"avis" or not (at := find_box(data, *_TRACK, b"tkhd")):
        return None
    width, height = struct.unpack_from(">2I", data, at[1] - 8)
    media, times = (
        find_box(data, *_TRACK, b"mdia", *path)
        for path in ((b"mdhd",), (b"minf", b"stbl", b"stts"))
    )
    if not (media and times):
        return None
    (scale,) = struct.unpack_from(">I", data, media[0] + _TIMESCALE_AT[data[media[0]]])
    (runs,) = struct.unpack_from(">I", data, times[0] + 4)
    delays: list[Fraction] = []
    for run in range(min(runs, MOST_COUNTED)):
        count, ticks = struct.unpack_from(">2I", data, times[0] + 8 + 8 * run)
        delay = Fraction(1000 * ticks, scale)
        delays += repeat(delay, min(count, MOST_COUNTED - len(delays)))
    sizes = find_box(data, *_TRACK, b"mdia", b"minf", b"stbl", b"stsz")
    return Header(
        "AVIF",
        (width >> 16, height >> 16),
        tuple(delays),
        _avif_loops(data),
        hidden_pixels=_hidden_in(data, (width >> 16) * (height >> 16)) * len(delays),
        sizes=_avif_sizes(data, *sizes, len(delays)) if sizes else (),
        lossless=False,
    )


def _hidden_in(avif: bytes, shown_pixels: int) -> int:
    """Return the pixels that its frames may have beyond those that are shown."""
    coded = coded_header(avif)
    width, height = coded.size_wh if coded else (0, 0)
    return max(width * height - shown_pixels, 0)


def _avif_sizes(data: bytes, start: int, _end: int, frames: int) -> tuple[int, ...]:
    same, count = struct.unpack_from(">2I", data, start + 4)
    if same:
        return (same,) * frames
    return struct.unpack_from(f">{min(count, frames)}I", data, start + 12)


def with_loops(avif: bytes, loops: int) -> bytes:
    """Return an animation that is shown so often; Pillow's are shown for ever."""
    if loops == 0:
        return avif
    changed = bytearray(avif)
    movie = find_box(avif, b"moov")
    edits = find_box(avif, *_TRACK, b"edts", b"elst")
    if movie and edits:
        once, _ = _number(avif, edits[0] + _EDIT_AT, edits[0])
        for name, start, end in boxes(avif, *movie):
            head = find_box(avif[start:end], b"tkhd") if name == b"trak" else None
            if head:
                box = start + head[0]
                at = box + _TRACK_DURATION_AT[avif[box]]
                struct.pack_into(_layout(avif, box), changed, at, once * loops)
    return bytes(changed)


def _avif_loops(data: bytes) -> int:
    """Return how often a track is shown: its duration over that of what it repeats."""
    track = find_box(data, *_TRACK, b"tkhd")
    edits = find_box(data, *_TRACK, b"edts", b"elst")
    if not (track and edits) or not data[edits[0] + 3] & _REPEATED:
        return 1
    at = track[0] + _TRACK_DURATION_AT[data[track[0]]]
    shown, for_ever = _number(data, at, track[0])
    once, _ = _number(data, edits[0] + _EDIT_AT, edits[0])
    return 0 if for_ever else -(-shown // once)


def _number(data: bytes, at: int, box: int) -> tuple[int, bool]:
    """Return a number of a box of either version, and whether all its bits are set."""
    layout = _layout(data, box)
    (number,) = struct.unpack_from(layout, data, at)
    return number, number == (1 << 8 * struct.calcsize(layout)) - 1


def _layout(data: bytes, box: int) -> str:
    return _LONG if data[box] else _SHORT


_READERS: dict[str, Callable[[bytes], Header | None]] = {
    "GIF": _gif,
    "PNG": _png,
    "WEBP": _webp,
    "AVIF": _avif,
}
