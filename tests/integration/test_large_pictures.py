"""Pictures beyond the default limits, which a setting can raise."""

from __future__ import annotations

import numpy as np
from PIL import Image

from emojifier_bot.vision.decode import DecodeLimits, decode
from emojifier_bot.vision.encode import encode
from tests.images import encoded, opened


def test_a_jpeg_of_81_megapixels_comes_out_as_it_came_in():
    # Full chroma: eight intervals of its halves would pass what libjpeg allows.
    side = 9_000
    column = (np.arange(side) // 50 % 256).astype(np.uint8)[:, None]
    grey = Image.fromarray(np.ascontiguousarray(np.broadcast_to(column, (side, side))))
    data = encoded(grey.convert("RGB"), "JPEG", quality=90, subsampling=0)
    decoded = decode(data, DecodeLimits(max_pixels=side * side))

    result = opened(encode(decoded, decoded.image))

    differences = np.asarray(result)[::25, 5, 1].astype(int) - column[::25, 0]
    assert np.abs(differences).max() <= 4
