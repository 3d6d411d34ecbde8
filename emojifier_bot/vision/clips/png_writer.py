"""Writes animated PNGs: what changes from frame to frame, compressed by Pillow.

Each frame lies on the last as the input's does. A palette stays one: the colours of the
emoji take places that no pixel needs.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from PIL import Image

from emojifier_bot.vision.clips.pixels import (
    NO_COLOR,
    SHADES,
    Palette,
    Region,
    Words,
    bounds,
    make_palette,
)
from emojifier_bot.vision.clips.types import PaintedFrame
from emojifier_bot.vision.png import (
    CHUNK_START_BYTES,
    FRAME_CONTROL,
    SIGNATURE,
    SUM_BYTES,
    FrameControl,
    chunk,
    chunks,
    frame_controls,
    palette_words,
)

_COUNT, _NUMBER = struct.Struct(">2I"), struct.Struct(">I")
KEEP, CLEAR, RESTORE = 0, 1, 2
SOURCE, OVER = 0, 1
_OPAQUE = np.uint32(0xFF000000)
#: Largest number of a delay's fraction, above and below.
_MOST = 0xFFFF
#: Efforts of compression.
_QUICK, _USUAL = 1, 6


@dataclass(frozen=True, slots=True)
class _Written:
    region: Region
    disposal: int
    blend: int
    #: Its pixels as a PNG.
    packed: bytes


@dataclass(slots=True)
class PngWriter:
    """Writes the frames of one file."""

    delays_ms: Sequence[Fraction]
    #: 0 is for ever.
    loops: int
    #: The input, if it is an animated PNG.
    source: bytes = b""
    _frames: list[_Written] = field(default_factory=list)
    #: Of an input with a palette: how many pixels have which colour.
    _pixels: Counter[int] = field(default_factory=Counter)
    _palette: Palette = field(init=False)
    _profile: bytes | None = None

    def write(self, frames: Iterable[PaintedFrame]) -> bytes:
        """Return the file with these frames."""
        controls = frame_controls(self.source)
        palette = palette_words(self.source)
        mode, shown = "RGBA", None
        for frame in frames:
            picture = frame.picture
            wanted = picture.canvas.pixels.view(np.uint32)[..., 0].copy()
            if picture.image.mode == "RGB":
                wanted |= _OPAQUE
            if controls and palette is None:
                mode = picture.image.mode
            control = controls[frame.index] if controls else None
            shown = self._add(wanted, shown, control, mode, palette is not None)
            self._profile = picture.icc_profile
        if palette is not None:
            self._index(palette)
            mode = "P"
        return b"".join(self._file(mode))

    def _add(
        self,
        wanted: Words,
        shown: Words | None,
        control: FrameControl | None,
        mode: str,
        is_counted: bool,
    ) -> Words:
        """Pack a frame; return what a viewer shows before the next one."""
        is_first = shown is None
        shown = np.zeros_like(wanted) if shown is None else shown
        changed = wanted != shown
        disposal, blend = (control.disposal, control.blend) if control else (KEEP, OVER)
        if control and disposal != KEEP:
            changed[control.region] = True
        if is_first:
            changed[:] = True
            disposal = CLEAR if disposal == RESTORE else disposal
        region = bounds(changed)
        part, below = wanted[region], shown[region]
        # Only what is opaque replaces what it lies over.
        if ((part < _OPAQUE) & (below != NO_COLOR) & (part != below)).any():
            blend = SOURCE
        if blend == OVER and mode == "RGBA" and not is_first:
            part = np.where(part == below, np.uint32(NO_COLOR), part)
        if is_counted:
            words, counts = np.unique(part, return_counts=True)
            self._pixels.update(dict(zip(words.tolist(), counts.tolist(), strict=True)))
        packed = _packed(_image(part, mode), _QUICK if is_counted else _USUAL)
        self._frames.append(_Written(region, disposal, blend, packed))
        if disposal == RESTORE:
            return shown
        if disposal == CLEAR:
            wanted[region] = NO_COLOR
        return wanted

    def _index(self, theirs: Words) -> None:
        """Give all frames one palette."""
        words = np.array(sorted(self._pixels), np.uint32)
        counts = np.array([self._pixels[int(word)] for word in words])
        is_seen = words != NO_COLOR
        clear = np.flatnonzero(theirs[: int(np.count_nonzero(theirs)) + 1] == NO_COLOR)
        palette = make_palette(
            words[is_seen],
            counts[is_seen],
            theirs,
            np.zeros(SHADES, np.int64),
            int(clear[0]) if len(clear) else None,
            needs_clear=not is_seen.all(),
        )
        self._palette = palette
        for at, frame in enumerate(self._frames):
            with Image.open(io.BytesIO(frame.packed)) as image:
                part = np.asarray(image).view(np.uint32)[..., 0]
            words, inverse = np.unique(part, return_inverse=True)
            places = palette.places(words)
            if palette.transparent is not None:
                places[words == NO_COLOR] = palette.transparent
            indexed = Image.fromarray(places[inverse].reshape(part.shape))
            # Grey of eight bits is packed as indices are.
            self._frames[at] = replace(frame, packed=_packed(indexed, _USUAL))

    def _file(self, mode: str) -> Iterator[bytes]:
        height, width = (side.stop - side.start for side in self._frames[0].region)
        yield SIGNATURE
        kind = {"P": 3, "RGB": 2, "RGBA": 6}[mode]
        yield chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, kind, 0, 0, 0))
        if self._profile is not None:
            yield chunk(b"iCCP", b"profile\0\0" + zlib.compress(self._profile))
        yield chunk(b"acTL", _COUNT.pack(len(self._frames), self.loops))
        if mode == "P":
            yield chunk(b"PLTE", self._palette.colors)
            yield chunk(b"tRNS", self._palette.alphas)
        number = 0
        for at, frame in enumerate(self._frames):
            rows, columns = frame.region
            seconds = self.delays_ms[at] / 1000
            most = int(_MOST / seconds) if seconds > 1 else _MOST
            delay = seconds.limit_denominator(max(most, 1))
            control = FRAME_CONTROL.pack(
                number,
                columns.stop - columns.start,
                rows.stop - rows.start,
                columns.start,
                rows.start,
                min(delay.numerator, _MOST),
                delay.denominator,
                frame.disposal,
                frame.blend,
            )
            yield chunk(b"fcTL", control)
            number += 1
            for name, whole in chunks(frame.packed):
                content = bytes(whole[CHUNK_START_BYTES:-SUM_BYTES])
                if name == b"IDAT" and at:
                    yield chunk(b"fdAT", _NUMBER.pack(number) + content)
                    number += 1
                elif name == b"IDAT":
                    yield chunk(name, content)
        yield chunk(b"IEND", b"")


def _image(words: Words, mode: str) -> Image.Image:
    pixels = np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 4)
    return Image.fromarray(pixels if mode == "RGBA" else pixels[..., :3].copy())


def _packed(image: Image.Image, compress_level: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()
