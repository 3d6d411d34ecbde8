"""Colours as numbers, palettes of them, and where two pictures differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojifier_bot.vision.types import ImageArray

#: Pixels as one number of 32 bits each: red, green, blue and alpha; 0 is no colour.
Words = NDArray[np.uint32]
Counts = NDArray[np.int64]
#: Rows and columns.
Region = tuple[slice, slice]
Mask = NDArray[np.bool_]

#: Places of a palette.
SHADES = 256
NO_COLOR = 0
_OPAQUE_WORD, _ALPHA_SHIFT = np.uint32(0xFF000000), 24
#: From this opacity on a pixel is seen, where there is nothing between.
_SEEN_ALPHA = 128
#: Places that new colours get at least.
_LEAST_PLACES = 48
#: Of a palette that is used again: the mean difference of pixels from their colours,
#: and the share of them that do not have their own.
_CLOSE_ENOUGH, _MOST_CHANGED = 7.5, 0.005
_NO_DITHER = Image.Dither.NONE


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Colours by their places; one place may stand for no colour."""

    #: ``(256,)`` uint32: red, green, blue and 255, or 0 for a place that is free.
    words: Words
    #: The place of no colour; None where all are taken.
    transparent: int | None
    #: Those that the input does not have.
    new: Words | None = None

    @property
    def colors(self) -> bytes:
        """Return three bytes a colour, as many as there must be in a file."""
        last = int(np.flatnonzero(self.words).max(initial=0))
        last = max(last, self.transparent or 0, 1)
        count = 1 << last.bit_length()
        return channels(self.words[:count]).tobytes()

    @property
    def alphas(self) -> bytes:
        """Return the opacity of each colour."""
        count = len(self.colors) // 3
        return (self.words[:count] >> _ALPHA_SHIFT).astype(np.uint8).tobytes()

    def places(self, words: Words) -> NDArray[np.uint8]:
        """Return the place of each colour, or of the one nearest to it."""
        taken = np.flatnonzero(self.words)
        if not len(taken) or not len(words):
            return np.zeros(len(words), np.uint8)
        ordered = taken[np.argsort(self.words[taken], kind="stable")]
        at = np.searchsorted(self.words[ordered], words).clip(max=len(ordered) - 1)
        places: NDArray[np.uint8] = ordered[at].astype(np.uint8)
        other = np.flatnonzero(self.words[places] != words)
        if len(other):
            near = Image.new("P", (1, 1))
            near.putpalette(channels(self.words[taken]).tobytes())
            strip = _strip(words[other]).quantize(palette=near, dither=_NO_DITHER)
            found = np.asarray(strip).ravel().clip(max=len(taken) - 1)
            places[other] = taken[found]
        return places

    def suits(self, words: Words, counts: Counts, theirs: Words, used: Counts) -> bool:
        """Tell whether a frame may be shown in these colours.

        Args:
            words: New colours of its pixels, each once.
            counts: How many pixels have each.
            theirs: The input's colours by their places.
            used: How many pixels have which of them.
        """
        changed = used[self.words != theirs].sum()
        if changed > _MOST_CHANGED * (used.sum() + counts.sum()):
            return False
        return _is_close(self, words, counts)


def make_palette(
    words: Words,
    counts: Counts,
    theirs: Words,
    used: Counts,
    transparent: int | None = None,
    *,
    needs_clear: bool,
    most_new: int = SHADES,
    last_new: Words | None = None,
) -> Palette:
    """Return a palette for some colours, the input's in the places that they have.

    Args:
        words: Colours of pixels, each once.
        counts: How many pixels have each.
        theirs: ``(256,)``: the input's colours by their places, 0 for none.
        used: ``(256,)``: how many further pixels have which place.
        transparent: The input's place of no colour; None for none.
        needs_clear: Whether there must be one.
        most_new: Places that colours get which the input does not have.
        last_new: What they were last time: they stay, where they suit.
    """
    is_new = ~np.isin(words, theirs)
    used = used.copy()
    for word, count in zip(words[~is_new], counts[~is_new], strict=True):
        used[np.flatnonzero(theirs == word)[0]] += count
    fresh, weights = words[is_new], counts[is_new]
    palette = np.where(used > 0, theirs, np.uint32(NO_COLOR))
    # First the places that the input leaves empty, then those that no pixel needs.
    free = np.flatnonzero(palette == NO_COLOR)
    free = free[np.argsort(theirs[free] != NO_COLOR, kind="stable")]
    free = free[free != (-1 if transparent is None else transparent)]
    missing = min(len(fresh), _LEAST_PLACES) - len(free)
    if transparent is None and needs_clear:
        missing = max(missing, 0) + 1
    if missing > 0:
        taken = np.flatnonzero(palette)
        rarest = taken[np.argsort(used[taken], kind="stable")][:missing]
        palette[rarest] = NO_COLOR
        free = np.concatenate([free, rarest])
    if transparent is None and (needs_clear or len(free) > len(fresh)):
        transparent, free = int(free[-1]), free[:-1]
    most = min(len(free), most_new)
    if len(fresh) > most:
        if (
            last_new is not None
            and 0 < len(last_new) <= most
            and _is_close(Palette(last_new, None), fresh, weights)
        ):
            fresh = last_new
        else:
            fresh = _fewer(fresh, weights, most)
    palette[free[: len(fresh)]] = fresh
    # What is left over keeps its colour: a later frame may need it.
    palette = np.where(palette == NO_COLOR, theirs, palette)
    if transparent is not None:
        palette[transparent] = NO_COLOR
    return Palette(palette, transparent, fresh)


def _is_close(palette: Palette, words: Words, counts: Counts) -> bool:
    """Tell whether pixels look the same in the colours of a palette."""
    if not len(words):
        return True
    off = channels(palette.words[palette.places(words)]).astype(np.float32)
    squares = ((off - channels(words)) ** 2).mean(axis=1)
    return float(np.sqrt((squares * counts).sum() / counts.sum())) <= _CLOSE_ENOUGH


def _fewer(words: Words, counts: Counts, most: int) -> Words:
    """Return at most so many colours that stand for all of them."""
    if most < 1:
        return words[:0]
    weights = np.ceil(np.sqrt(counts)).astype(int)
    strip = _strip(np.repeat(words, weights))
    reduced = strip.quantize(most, Image.Quantize.MEDIANCUT, kmeans=1)
    colors = np.array(reduced.getpalette("RGB"), np.uint8).reshape(-1, 3)[:most]
    full = np.full((len(colors), 4), 255, np.uint8)
    full[:, :3] = colors
    return np.unique(full.view(np.uint32)[:, 0])


def words_of(pixels: ImageArray, mode: str) -> Words:
    """Return pixels as numbers: opaque ones, and 0 for those that are not seen."""
    words = pixels.view(np.uint32)[..., 0]
    opaque = words | _OPAQUE_WORD
    if mode == "RGB":
        return opaque
    return np.where(words >> _ALPHA_SHIFT >= _SEEN_ALPHA, opaque, np.uint32(0))


def _strip(words: Words) -> Image.Image:
    """Return colours as a picture of one row."""
    return Image.fromarray(channels(words)[None])


def channels(words: Words) -> ImageArray:
    """Return the ``(N, 3)`` red, green and blue of colours."""
    pixels = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(pixels[:, :3])


def bounds(changed: Mask) -> Region:
    """Return the smallest region with all that is set; one pixel if nothing is."""
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return (
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )
