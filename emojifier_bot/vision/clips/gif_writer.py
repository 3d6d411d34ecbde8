"""Writes animated GIFs: what changes from frame to frame, in the input's own colours.

A frame that nobody painted on is copied as it is. Of the others each pixel keeps its
colour and, where that can be, its place in the palette; the colours of the emoji take
places that no pixel of the frame needs. Pillow packs the pixels.
"""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.vision.clips.ahead import ahead
from emojifier_bot.vision.clips.headers import MOST_IGNORED_MS
from emojifier_bot.vision.clips.pixels import (
    NO_COLOR,
    SHADES,
    Counts,
    Palette,
    Region,
    Words,
    bounds,
    make_palette,
    words_of,
)
from emojifier_bot.vision.clips.types import PaintedFrame
from emojifier_bot.vision.gif import (
    APPLICATION_LABEL,
    CLEAR,
    CONTROL,
    CONTROL_LABEL,
    END,
    EXTENSION,
    HAS_PALETTE,
    IMAGE,
    INTERLACED,
    KEEP,
    LOOPING,
    PLACE,
    RESTORE,
    SCREEN,
    GifFile,
    GifFrame,
    colors_of,
    read_gif,
    unpacked,
)

#: The shortest that browsers keep.
_LEAST_DELAY_CS, _MOST_DELAY_CS = 2, 0xFFFF
#: Places that new colours get while a later frame may need the input's.
_MOST_PLACES = 64
_RGB_BITS, _RGB = 24, np.uint32(0xFFFFFF)
_GREY = bytes(np.repeat(np.arange(256, dtype=np.uint8), 3))


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A painted frame, and the input's of the same number, if that is a GIF."""

    index: int
    #: ``(H, W)``.
    wanted: Words
    is_painted: bool
    source: GifFrame | None
    #: ``(H, W)``: the input's indices.
    places: NDArray[np.uint8]


@dataclass(slots=True)
class _Written:
    """One frame without its palette, which may become that of the whole file."""

    place: tuple[int, int, int, int]
    control: bytes
    flags: int
    colors: bytes
    data: bytes


@dataclass(slots=True)
class GifWriter:
    """Writes the frames of one file, each of which knows the next."""

    size_wh: tuple[int, int]
    delays_ms: Sequence[Fraction]
    #: The input, if it is a GIF, and its bytes.
    source: GifFile | None = None
    data: bytes = b""
    #: ``(H, W)``: what a viewer shows before the next frame.
    _shown: Words = field(init=False)
    #: Places of the colours of the frame at hand, by their red, green and blue.
    _place_of: NDArray[np.uint8] = field(init=False)
    #: When each frame begins, and the last one ends.
    _times_ms: list[Fraction] = field(init=False)
    #: Whether that is what the input shows at this place.
    _as_input: bool = True
    _palette: Palette | None = None
    #: Colours of the input that `_palette` was made of.
    _made_of: bytes | None = None
    _frames: list[_Written] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shown = np.zeros(self.size_wh[::-1], np.uint32)
        self._place_of = np.zeros(1 << _RGB_BITS, np.uint8)
        self._times_ms = list(accumulate(self.delays_ms, initial=Fraction(0)))

    def write(self, frames: Iterable[PaintedFrame], repeats: int | None) -> bytes:
        """Return the file with these frames."""
        held: _Read | None = None
        for frame in ahead(map(self._read, frames)):
            if held is not None:
                self._add(held, frame.wanted)
            held = frame
        if held is not None:
            self._add(held, None)
        return self._file(repeats)

    def _read(self, frame: PaintedFrame) -> _Read:
        wanted = words_of(frame.picture.canvas.pixels, frame.picture.image.mode)
        is_painted = frame.before is None or not np.array_equal(
            wanted, words_of(frame.before, frame.picture.image.mode)
        )
        source = self.source.frames[frame.index] if self.source else None
        return _Read(
            frame.index,
            wanted,
            is_painted,
            source,
            self._own_places(source),
        )

    def _add(self, frame: _Read, following: Words | None) -> None:
        wanted, source = frame.wanted, frame.source
        delay_cs = self._delay_cs(frame.index)
        if source and self._as_input and not frame.is_painted:
            self._copy(source, wanted, delay_cs)
            return
        disposal = source.disposal if source else KEEP
        changed = wanted != self._shown
        # All of the first frame, for programs that do not know what nobody drew.
        changed |= source is None and frame.index == 0
        if source and disposal in (CLEAR, RESTORE):
            changed[source.region(self.size_wh)] = True
        if following is not None:
            # Nothing but a frame's own end makes a pixel transparent again.
            left = self._shown if disposal == RESTORE else wanted.copy()
            if disposal == CLEAR:
                left[bounds(changed)] = 0
            cleared = (following == NO_COLOR) & (left != NO_COLOR)
            if cleared.any():
                disposal = CLEAR
                changed |= cleared
        region = bounds(changed)
        self._frames.append(self._packed(frame, region, disposal, delay_cs))
        if disposal != RESTORE:
            self._shown = wanted.copy()
        if disposal == CLEAR:
            self._shown[region] = 0
        same = source and not frame.is_painted and disposal == source.disposal
        self._as_input = bool(same) and disposal in (0, KEEP)

    def _copy(self, source: GifFrame, wanted: Words, delay_cs: int) -> None:
        """Take a frame over as it is."""
        flags = source.is_interlaced * INTERLACED
        data = self.data[source.data]
        control = _control(source.disposal, source.transparent, delay_cs)
        self._frames.append(
            _Written(source.place, control, flags, source.palette or _GREY, data)
        )
        if source.disposal != RESTORE:
            self._shown = wanted.copy()
        if source.disposal == CLEAR:
            self._shown[source.region(self.size_wh)] = 0

    def _packed(
        self, frame: _Read, region: Region, disposal: int, delay_cs: int
    ) -> _Written:
        target, theirs = frame.wanted[region], frame.places[region]
        is_left = target == self._shown[region]
        is_seen = target != NO_COLOR
        words = _source_words(frame.source)
        is_kept = (words[theirs] == target) & is_seen
        palette = self._suiting(
            target[is_seen & ~is_left & ~is_kept],
            np.bincount(theirs[is_kept], minlength=SHADES),
            frame.source,
            needs_clear=not is_seen.all(),
        )
        is_kept &= palette.words[theirs] == target
        is_drawn = is_seen & ~is_kept
        if palette.transparent is not None:
            is_drawn &= ~is_left
        indices = np.full(target.shape, palette.transparent or 0, np.uint8)
        drawn = target[is_drawn] & _RGB
        new = np.unique(drawn)
        self._place_of[new] = palette.places(new | ~_RGB)
        indices[is_drawn] = self._place_of[drawn]
        data = _pack(np.where(is_kept, theirs, indices))
        if palette.transparent is not None and (is_kept & is_left).any():
            # What did not change is left out, or repeated as the input does: packing
            # shows which is shorter.
            other = _pack(np.where(is_kept & ~is_left, theirs, indices))
            data = min(data, other, key=len)
        rows, columns = region
        corner, size = (columns.start, rows.start), target.shape[::-1]
        control = _control(disposal, palette.transparent, delay_cs)
        return _Written((*corner, *size), control, 0, palette.colors, data)

    def _own_places(self, source: GifFrame | None) -> NDArray[np.uint8]:
        """Return the input's indices, where it has any."""
        nothing = (source.transparent if source else None) or 0
        places = np.full(self.size_wh[::-1], nothing, np.uint8)
        if source is not None:
            part = source.region(self.size_wh)
            rows, columns = places[part].shape
            places[part] = unpacked(self.data, source)[:rows, :columns]
        return places

    def _suiting(
        self, pixels: Words, used: Counts, source: GifFrame | None, *, needs_clear: bool
    ) -> Palette:
        """Return the last palette if it suits a frame, else one made for it.

        Args:
            pixels: Those that the input has no place for.
            used: ``(256,)``: how many pixels have which place of the input's.
            source: The input's frame.
            needs_clear: Whether there must be a place of no colour.
        """
        words, counts = np.unique(pixels, return_counts=True)
        own, theirs = source.palette if source else b"", _source_words(source)
        last = self._palette
        if (
            last is not None
            and own == self._made_of
            and not (needs_clear and last.transparent is None)
            and last.suits(words, counts, theirs, used)
        ):
            return last
        self._made_of = own
        self._palette = make_palette(
            words,
            counts,
            theirs,
            used,
            source.transparent if source else None,
            needs_clear=needs_clear,
            most_new=_MOST_PLACES if source else SHADES,
            last_new=last.new if last else None,
        )
        return self._palette

    def _delay_cs(self, index: int) -> int:
        """Return a delay in hundredths of a second; what is rounded does not add up.

        But one that counts in other formats does not become one that browsers ignore.
        """
        start, end = (round(one / 10) for one in self._times_ms[index : index + 2])
        least = _LEAST_DELAY_CS if self.delays_ms[index] > MOST_IGNORED_MS else 0
        return min(max(end - start, least), _MOST_DELAY_CS)

    def _file(self, repeats: int | None) -> bytes:
        usual = Counter(frame.colors for frame in self._frames).most_common(1)
        shared = usual[0][0] if usual else b""
        flags, shared = _table(shared)
        parts = [SCREEN.pack(b"GIF89a", *self.size_wh, flags, 0, 0), shared]
        if repeats is not None:
            parts += [
                EXTENSION + bytes((APPLICATION_LABEL, len(LOOPING[0]))) + LOOPING[0],
                struct.pack("<2BHB", 3, 1, repeats, 0),
            ]
        for frame in self._frames:
            flags, own = _table(frame.colors)
            if own == shared:
                flags, own = 0, b""
            place = PLACE.pack(*frame.place, flags | frame.flags)
            parts += [frame.control, IMAGE, place, own, frame.data]
        return b"".join([*parts, END])


def _source_words(source: GifFrame | None) -> Words:
    """Return the input's colours by their places, 0 where it has none."""
    if source is None:
        return np.zeros(SHADES, np.uint32)
    words = colors_of(source)
    if source.palette:
        words[len(source.palette) // 3 :] = NO_COLOR
    return words


def _control(disposal: int, transparent: int | None, delay_cs: int) -> bytes:
    flags = disposal << 2 | (transparent is not None)
    packed = CONTROL.pack(flags, delay_cs, transparent or 0)
    return EXTENSION + bytes((CONTROL_LABEL, len(packed))) + packed + b"\0"


def _pack(indices: NDArray[np.uint8]) -> bytes:
    """Return the pixels of a frame as a file has them."""
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(indices))
    image.save(buffer, "GIF", optimize=False, interlace=0)
    alone = buffer.getvalue()
    (frame,) = read_gif(alone, 1).frames
    return alone[frame.data]


def _table(colors: bytes) -> tuple[int, bytes]:
    """Return the flags and the bytes of a palette, which has 2, 4, … 256 colours."""
    if not colors:
        return 0, b""
    bits = max((len(colors) // 3 - 1).bit_length(), 1)
    return HAS_PALETTE | bits - 1, colors.ljust(3 << bits, b"\0")
