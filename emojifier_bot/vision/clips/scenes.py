"""Where a clip is cut: frames that have nothing in common with the one before.

Small grey copies of two frames are compared by their correlation, after one was shifted
onto the other. So neither a flash nor a pan is a cut. Nor is a blank frame, or nearly:
what follows is compared with the last frame that showed more.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from emojifier_bot.vision.decode import DecodedImage

#: Size of the copies, width and height.
COPY_WH = (64, 36)
#: So many pixels of the frame count for one of its copy, along each side, or all.
SAMPLES = 4
#: A frame whose grey levels have a smaller standard deviation shows too little to be
#: compared; nothing at all, if they also lie within the second number: a face of
#: 24 pixels on a plain wall of 720p is a pixel or two of the copy.
BLANK_LEVELS, NOTHING_LEVELS = 3.0, 16.0
#: Frames whose copies correlate less than the first number are of two scenes, unless
#: all frames of the scene do: it must be less than usual by the second.
SAME_SCENE, UNUSUAL = 0.5, 0.25
#: Weight of the next frame in the usual correlation of a scene.
USUAL_WEIGHT = 0.2
#: The least share of the width and the height that is compared.
LEAST_COMPARED = 0.5
_WINDOW = cv2.createHanningWindow(COPY_WH, cv2.CV_32F)

GreyCopy = NDArray[np.float32]


class SceneCounter:
    """Counts the scenes of a clip, frame by frame."""

    def __init__(self) -> None:
        #: Of the last frame, from 0.
        self.scene = 0
        self._last: GreyCopy | None = None
        self._usual = 1.0

    def is_blank(self, picture: DecodedImage) -> bool:
        """Take the next frame into account.

        Returns:
            Whether it shows nothing at all.
        """
        copy = grey_copy(picture)
        if float(copy.std()) < BLANK_LEVELS:
            return float(np.ptp(copy)) < NOTHING_LEVELS
        if self._last is not None:
            alike = correlation(self._last, copy)
            if alike < min(SAME_SCENE, self._usual - UNUSUAL):
                self.scene += 1
                self._usual = 1.0
            else:
                self._usual += USUAL_WEIGHT * (alike - self._usual)
        self._last = copy
        return False


def grey_copy(picture: DecodedImage) -> GreyCopy:
    """Return a frame in the size in which frames are compared, ``(H, W)`` float32."""
    pixels = picture.canvas.pixels
    sides = zip(pixels.shape[1::-1], COPY_WH, strict=True)
    step = max(min(side // (small * SAMPLES) for side, small in sides), 1)
    pixels = np.ascontiguousarray(pixels[::step, ::step])
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGBA2GRAY)
    small = cv2.resize(grey, COPY_WH, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def correlation(first: GreyCopy, second: GreyCopy) -> float:
    """Return how much two copies have in common, as they are or shifted: -1 to 1."""
    # Of copies: OpenCV 5 multiplies what it gets by the window.
    (x, y), _ = cv2.phaseCorrelate(first.copy(), second.copy(), _WINDOW)
    return max(_correlation(first, second, *shift) for shift in ((0, 0), _whole(x, y)))


def _whole(x: float, y: float) -> tuple[int, int]:
    most_x, most_y = (int(side * (1 - LEAST_COMPARED)) for side in COPY_WH)
    return int(np.clip(round(x), -most_x, most_x)), int(
        np.clip(round(y), -most_y, most_y)
    )


def _correlation(first: GreyCopy, second: GreyCopy, x: int, y: int) -> float:
    """Return the correlation where the second is shifted by whole pixels."""
    width, height = COPY_WH
    of_first = first[max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)]
    of_second = second[max(y, 0) : height - max(-y, 0), max(x, 0) : width - max(-x, 0)]
    a, b = of_first - of_first.mean(), of_second - of_second.mean()
    power = float((a * a).sum() * (b * b).sum())
    return float((a * b).sum()) / power**0.5 if power else 0.0
