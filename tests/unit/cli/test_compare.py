from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.cli.compare import (
    COLORS,
    COLUMNS,
    GAP_PX,
    TILE_PX,
    Difference,
    draw_sheet,
)
from tests.builders import make_face, make_landmarks


def face(center_xy):
    return make_face(landmarks=make_landmarks(center_xy=center_xy))


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 1])
def test_a_sheet_has_a_tile_for_each_difference(count):
    picture = Image.new("RGB", (600, 300), (90, 160, 90))
    tile = Difference.cut(picture, face((150.0, 150.0)), None)

    sheet = draw_sheet(("one", "other"), [tile] * count)

    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    assert sheet.width == columns * (TILE_PX + GAP_PX) + GAP_PX
    assert sheet.height > rows * TILE_PX
    pixels = np.asarray(sheet).reshape(-1, 3)
    first, second = (np.abs(pixels - color).max(axis=1).min() == 0 for color in COLORS)
    assert (first, second) == (True, True)


def test_a_face_at_the_very_edge_gets_a_tile():
    tile = Difference.cut(Image.new("RGBA", (160, 160)), None, face((150.0, 155.0)))

    assert tile.tile.size == (TILE_PX, TILE_PX)
    assert tile.tile.mode == "RGB"
