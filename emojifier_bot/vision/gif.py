"""GIF files: their blocks, and what a viewer shows of them, frame by frame.

Pillow unpacks the pixels of each frame; how frames lie over each other is done here, as
browsers do it: what nobody drew on is transparent, and so is what a frame clears.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin

from emojifier_bot.vision.types import ImageArray

#: Signature, size, flags, background, shape of pixels.
SCREEN = struct.Struct("<6s2H3B")
#: Left, top, width, height, flags.
PLACE = struct.Struct("<4HB")
#: Flags, delay, transparent index.
CONTROL = struct.Struct("<BHB")
#: Which of its extensions it is, and how often all is repeated.
_LOOP = struct.Struct("<BH")
IMAGE, EXTENSION, END = b",", b"!", b";"
CONTROL_LABEL, APPLICATION_LABEL = 0xF9, 0xFF
LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
HAS_PALETTE, _SIZE_BITS, INTERLACED = 0x80, 0x07, 0x40
#: What a frame leaves: itself; nothing in its place; what was there before it.
KEEP, CLEAR, RESTORE = 1, 2, 3
#: Delays below are shown as this by every browser.
_LEAST_DELAY_CS, _USUAL_DELAY_CS = 2, 10
#: Four bytes a pixel: red, green, blue, and 255 where it is opaque.
_OPAQUE = 255
#: Rows of a frame that are drawn at a time.
_STRIP_ROWS = 64


@dataclass(frozen=True, slots=True)
class GifFrame:
    """One frame: where it goes and where its pixels lie in the file."""

    #: Left, top, width, height.
    place: tuple[int, int, int, int]
    #: Three bytes a colour; empty where the file has none.
    palette: bytes
    #: Index of no colour; None where all have one.
    transparent: int | None
    #: As the file says: 0 to 7.
    disposal: int
    delay_cs: int
    is_interlaced: bool
    #: Of the packed pixels: the size of their codes, then parts after their lengths.
    data: slice

    @property
    def duration_ms(self) -> float:
        """Return how long viewers show it."""
        shown = self.delay_cs if self.delay_cs >= _LEAST_DELAY_CS else _USUAL_DELAY_CS
        return shown * 10.0

    def region(self, size_wh: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of a canvas that it covers."""
        left, top, width, height = self.place
        return (
            slice(min(top, size_wh[1]), min(top + height, size_wh[1])),
            slice(min(left, size_wh[0]), min(left + width, size_wh[0])),
        )


@dataclass(frozen=True, slots=True)
class GifFile:
    """The blocks of a GIF, as far as they are whole."""

    size_wh: tuple[int, int]
    #: What the file says about repeating: None once, 0 for ever, else so often again.
    repeats: int | None
    frames: tuple[GifFrame, ...]

    @property
    def loops(self) -> int:
        """Return how often all is shown; 0 is for ever."""
        return 1 if self.repeats is None else self.repeats and self.repeats + 1


def read_gif(data: bytes, most_frames: int) -> GifFile:
    """Read the blocks of a GIF, at most so many frames; no pixel is unpacked.

    What is damaged or cut off ends the file; there may be no frame at all.
    """
    _, width, height, flags, _, _ = SCREEN.unpack_from(data.ljust(SCREEN.size, b"\0"))
    shared, at = _palette(data, SCREEN.size, flags)
    repeats: int | None = None
    control: tuple[int, ...] = (0, 0, 0)
    frames: list[GifFrame] = []
    while len(frames) < most_frames:
        block, at = data[at : at + 1], at + 1
        if block == IMAGE and at + PLACE.size <= len(data):
            *place, flags = PLACE.unpack_from(data, at)
            own, start = _palette(data, at + PLACE.size, flags)
            at = _end_of_parts(data, start + 1)
            bits, delay, transparent = control
            frames.append(
                GifFrame(
                    place=(place[0], place[1], place[2], place[3]),
                    palette=own or shared,
                    transparent=transparent if bits & 1 else None,
                    disposal=bits >> 2 & 7,
                    delay_cs=delay,
                    is_interlaced=bool(flags & INTERLACED),
                    data=slice(start, at),
                )
            )
            control = (0, 0, 0)
        elif block == EXTENSION and at < len(data):
            first, second = _two_parts(data, at + 1)
            if data[at] == CONTROL_LABEL and len(first) >= CONTROL.size:
                control = CONTROL.unpack_from(first)
            elif data[at] == APPLICATION_LABEL and first in LOOPING:
                kind, number = _LOOP.unpack(second[: _LOOP.size].ljust(_LOOP.size))
                repeats = number if kind == 1 else repeats
            at = _end_of_parts(data, at + 1)
        else:
            break
    if frames:
        # As browsers do: a first frame that is too large makes room for itself.
        left, top, wide, high = frames[0].place
        width, height = max(width, left + wide), max(height, top + high)
    return GifFile((width, height), repeats, tuple(frames))


def unpacked(data: bytes, frame: GifFrame) -> ImageArray:
    """Return the ``(h, w)`` uint8 indices of a frame's pixels.

    Raises:
        OSError: They are damaged or cut off; or another error of Pillow's.
    """
    _, _, width, height = frame.place
    alone = b"".join(
        (
            SCREEN.pack(b"GIF89a", width, height, 0, 0, 0),
            IMAGE,
            PLACE.pack(0, 0, width, height, frame.is_interlaced * INTERLACED),
            data[frame.data],
            END,
        )
    )
    # Without a palette, Pillow gives the indices as grey.
    with GifImagePlugin.GifImageFile(io.BytesIO(alone)) as image:
        return np.array(image)


def colors_of(frame: GifFrame) -> NDArray[np.uint32]:
    """Return the colours of a frame's indices, ``(256,)``; 0 is no colour."""
    colors = np.zeros((256, 4), np.uint8)
    colors[:, 3] = _OPAQUE
    if frame.palette:
        own = np.frombuffer(frame.palette, np.uint8).reshape(-1, 3)
        colors[: len(own), :3] = own
    else:
        colors[:, :3] = np.arange(256)[:, None]
    if frame.transparent is not None:
        colors[frame.transparent] = 0
    return colors.view(np.uint32)[:, 0]


def shown_frames(data: bytes, gif: GifFile) -> Iterator[ImageArray]:
    """Yield what a viewer shows of each frame.

    It is ``(H, W, 4)`` uint8 RGBA, and changes with the next frame.
    """
    width, height = gif.size_wh
    pixels = np.zeros((height, width, 4), np.uint8)
    shown = pixels.view(np.uint32)[..., 0]
    for frame in gif.frames:
        part = shown[frame.region(gif.size_wh)]
        rows, columns = part.shape
        colors, indices = colors_of(frame), unpacked(data, frame)[:rows, :columns]
        before = part.copy() if frame.disposal == RESTORE else None
        # A strip at a time: indices of all pixels, as numpy makes them, have 8 bytes.
        for top in range(0, rows, _STRIP_ROWS):
            strip = slice(top, top + _STRIP_ROWS)
            drawn = colors.take(indices[strip])
            np.copyto(part[strip], drawn, where=drawn > 0)
        yield pixels
        if frame.disposal == CLEAR:
            part[:] = 0
        elif before is not None:
            part[:] = before


def _palette(data: bytes, at: int, flags: int) -> tuple[bytes, int]:
    if not flags & HAS_PALETTE:
        return b"", at
    end = at + (6 << (flags & _SIZE_BITS))
    colors = data[at:end]
    return colors[: len(colors) // 3 * 3], end


def _two_parts(data: bytes, at: int) -> tuple[bytes, bytes]:
    """Return the first parts of an extension, each of which follows its length."""
    length = int.from_bytes(data[at : at + 1])
    middle = at + 1 + length
    next_length = int.from_bytes(data[middle : middle + 1]) if length else 0
    return data[at + 1 : middle], data[middle + 1 : middle + 1 + next_length]


def _end_of_parts(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
