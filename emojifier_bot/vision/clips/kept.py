"""Frames that are kept for a while, in less memory than those that are decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from emojifier_bot.vision.canvas import new_canvas
from emojifier_bot.vision.clips.types import Frame
from emojifier_bot.vision.decode import DecodedImage
from emojifier_bot.vision.types import ImageArray


@dataclass(frozen=True, slots=True, eq=False)
class PackedFrame:
    """A frame whose colours have half its size, as in most videos: 1.5 bytes a pixel.

    Transparency takes one more.
    """

    index: int
    time_ms: float
    size_wh: tuple[int, int]
    #: ``(1.5 H, W)`` uint8: all of its brightness, then its colours (I420); both sides
    #: are even.
    yuv: ImageArray
    #: ``(H, W)`` uint8, of a picture with transparency.
    alpha: ImageArray | None
    icc_profile: bytes | None

    @property
    def nbytes(self) -> int:
        """Return how much memory it takes."""
        return self.yuv.nbytes + (0 if self.alpha is None else self.alpha.nbytes)

    def unpacked(self) -> Frame:
        """Return the frame, for models: its colours are not exactly what they were."""
        mode = "RGB" if self.alpha is None else "RGBA"
        canvas = new_canvas(mode, self.size_wh)
        height, width = canvas.pixels.shape[:2]
        rgba = cv2.cvtColor(self.yuv, cv2.COLOR_YUV2RGBA_I420)
        canvas.pixels[:] = rgba[:height, :width]
        if self.alpha is not None:
            canvas.pixels[..., 3] = self.alpha
        picture = DecodedImage(
            canvas, "PNG", self.icc_profile, jpeg=None, lossless=False
        )
        return Frame(self.index, self.time_ms, picture)


def packed(frame: Frame) -> PackedFrame:
    """Return a copy of a frame in less memory."""
    picture = frame.picture
    pixels = picture.canvas.pixels
    height, width = pixels.shape[:2]
    even = pixels
    if height % 2 or width % 2:
        even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    yuv = np.asarray(cv2.cvtColor(even, cv2.COLOR_RGBA2YUV_I420), np.uint8)
    alpha = pixels[..., 3].copy() if picture.image.mode == "RGBA" else None
    return PackedFrame(
        frame.index, frame.time_ms, (width, height), yuv, alpha, picture.icc_profile
    )


class KeptFrames:
    """The last frames of a scene.

    Args:
        most: So many at most,
        most_bytes: and so many bytes of them, but one at least.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._frames: deque[PackedFrame] = deque(maxlen=most)
        self._most_bytes = most_bytes
        #: The last one as it was decoded.
        self.last: Frame | None = None

    def add(self, frame: Frame) -> None:
        """Keep one more frame, and drop the first ones if there are too many."""
        self._frames.append(packed(frame))
        self.last = frame
        size = self._frames[-1].nbytes
        while len(self._frames) > 1 and len(self._frames) * size > self._most_bytes:
            self._frames.popleft()

    def clear(self) -> None:
        """Drop all of them."""
        self._frames.clear()
        self.last = None

    def before(self, index: int) -> Iterator[PackedFrame]:
        """Yield those before a frame, the last one first."""
        return (one for one in reversed(self._frames) if one.index < index)
