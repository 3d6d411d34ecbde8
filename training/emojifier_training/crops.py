"""How a labelled face crop enters the pipeline: as if its detector's box were known."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from emojifier_bot.vision.decode import DecodedImage, from_image
from emojifier_bot.vision.types import BoundingBox, Detection, ImageArray

#: A FER crop of 48 pixels is cut closely around the head; the box of a detector on the
#: same photo would be this share of the crop's side, in its middle.
BOX_SHARE = 0.92
#: Crops are enlarged to this side before they are read, as a face in a photo would be.
READ_PX = 144


def crop_picture(crop: ImageArray) -> DecodedImage:
    """Make a decoded picture of an ``(H, W)`` grey or ``(H, W, 3)`` RGB crop."""
    enlarged = cv2.resize(crop, (READ_PX, READ_PX), interpolation=cv2.INTER_CUBIC)
    return from_image(Image.fromarray(np.asarray(enlarged, np.uint8)))


def crop_detection() -> Detection:
    """Return the detection that stands for the face of any crop."""
    margin = READ_PX * (1 - BOX_SHARE) / 2
    return Detection(
        BoundingBox(margin, margin, READ_PX - margin, READ_PX - margin), 1.0
    )
