from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.cli.compare import (
    COLORS,
    COLUMNS,
    GAP_PX,
    TILE_PX,
    cut_tile,
    draw_sheet,
)
from emojifier_bot.vision.decode import from_image
from tests.builders import make_face, make_landmarks
from tests.profiles import rgb_profile

#: One well inside, one at the very edge.
INSIDE, EDGE = (
    make_face(landmarks=make_landmarks(center_xy=at))
    for at in ((150.0, 150.0), (590.0, 295.0))
)


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 1])
@pytest.mark.parametrize("pair", [(INSIDE, None), (None, EDGE)], ids=["one", "other"])
def test_a_sheet_has_a_tile_for_each_difference(pair, count):
    tile = cut_tile(from_image(Image.new("RGBA", (600, 300), (90, 160, 90))), pair)

    sheet = draw_sheet(("one", "other"), [(tile, pair)] * count)

    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    assert (tile.mode, tile.size) == ("RGB", (TILE_PX, TILE_PX))
    assert sheet.width == columns * (TILE_PX + GAP_PX) + GAP_PX
    assert sheet.height > rows * TILE_PX
    pixels = np.asarray(sheet).reshape(-1, 3)
    for color in COLORS:
        assert (pixels == color).all(axis=1).any()


def test_a_tile_shows_a_pictures_colours():
    image = Image.new("RGB", (600, 300), (200, 100, 50))
    picture = replace(from_image(image), icc_profile=rgb_profile())

    red, green, blue = cut_tile(picture, (INSIDE, None)).getpixel((TILE_PX // 2,) * 2)

    assert red > 240
    assert green < 100
    assert blue < 60
