"""The memory of a picture: one array, which Pillow has as an image too.

numpy asks for large pages of memory. In Pillow's own small ones, a picture of 12
megapixels costs 12,000 page faults, which can take half as long as its decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from emojifier_bot.vision.types import ImageArray

#: Pillow's names for four bytes a pixel, by the picture's mode.
RAW_MODES = {"RGB": "RGBX", "RGBA": "RGBA"}
BYTES_PER_PIXEL = 4
#: Less opaque than this, colours hardly show, but whoever has the file restores them.
_FAINT_ALPHA = 128
#: A face needs a square of this side, in pixels; the soft edge of a figure has none.
_BLOCK_PX = 8
#: Columns that are written at once where a picture is turned.
_BAND_PX = 128


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A picture of its own memory, which is painted in place."""

    #: RGB or RGBA. For Pillow it is read-only: its methods change a copy.
    image: Image.Image
    #: ``(H, W, 4)`` uint8, the same memory. RGB has a fourth channel without meaning.
    pixels: ImageArray

    def clear_hidden(self) -> None:
        """Set the colours of fully transparent pixels to 0: nobody sees them."""
        if self.image.mode == "RGBA":
            words = self.pixels.view(np.uint32)[..., 0]
            words *= self.pixels[..., 3] > 0

    @property
    def hides_faces(self) -> bool:
        """Tell whether a face may lie where it is hardly seen, but is in the file."""
        if self.image.mode != "RGBA":
            return False
        height, width = (side - side % _BLOCK_PX for side in self.pixels.shape[:2])
        for top in range(0, height, _BLOCK_PX):
            alpha = self.pixels[top : top + _BLOCK_PX, :width, 3]
            is_faint = (alpha > 0) & (alpha < _FAINT_ALPHA)
            if is_faint.all(axis=0).reshape(-1, _BLOCK_PX).all(axis=1).any():
                return True
        return False

    def turned(self, orientation: int) -> Canvas:
        """Return an upright copy of a picture that lies as EXIF's orientation says."""
        words = self.pixels.view(np.uint32)[..., 0]
        upright = {
            2: words[:, ::-1],
            3: words[::-1, ::-1],
            4: words[::-1],
            5: words.T,
            6: words[::-1].T,
            7: words[::-1, ::-1].T,
            8: words[:, ::-1].T,
        }[orientation]
        turned = new_canvas(self.image.mode, upright.shape[::-1])
        target = turned.pixels.view(np.uint32)[..., 0]
        # By bands: they stay in the processor's cache.
        for left in range(0, upright.shape[1], _BAND_PX):
            band = slice(left, left + _BAND_PX)
            target[:, band] = upright[:, band]
        return turned

    def opaque(self) -> Canvas:
        """Return the same memory as a picture without transparency."""
        return Canvas(image_over(self.pixels, "RGB"), self.pixels)

    def fill(self, image: Image.Image) -> None:
        """Take over the pixels of an image of the same mode and size."""
        image.load()
        self.image.im.paste(image.im, (0, 0, *image.size))


def new_canvas(mode: str, size_wh: tuple[int, int]) -> Canvas:
    """Return a canvas whose pixels are not set yet."""
    width, height = size_wh
    pixels = np.empty((height, width, BYTES_PER_PIXEL), np.uint8)
    return Canvas(image_over(pixels, mode), pixels)


def image_over(pixels: ImageArray, mode: str) -> Image.Image:
    """Return an image whose memory is a contiguous ``(H, W, 4)`` uint8 array."""
    size_wh, raw = pixels.shape[1::-1], RAW_MODES[mode]
    image = Image.frombuffer(raw, size_wh, pixels, "raw", raw, 0, 1)
    return image if mode == raw else Image.fromarrow(image, mode, size_wh)


def canvas_of(image: Image.Image) -> Canvas:
    """Return a canvas with the pixels of an RGB or RGBA image, without its metadata."""
    canvas = new_canvas(image.mode, image.size)
    canvas.fill(image)
    return canvas
