from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.copies import (
    LOW_CONTRAST,
    MAX_TILES,
    MOST_STRETCH,
    contrast_levels,
    stretched,
    tiles,
    turned_copy,
    uncut,
)
from emojifier_bot.vision.detector import moved
from emojifier_bot.vision.types import BoundingBox, Detection
from tests.fakes.faces import FakeDetector, picture_with_faces


def detection(x=0.0, y=0.0, width=10.0, height=10.0, confidence=0.9) -> Detection:
    return Detection(BoundingBox(x, y, x + width, y + height), confidence)


class TestTurnedCopy:
    @given(st.integers(0, 359), st.integers(2, 60), st.integers(2, 60))
    def test_all_of_the_picture_is_inside(self, degrees, width, height):
        image = np.zeros((height, width, 3), np.uint8)

        turned, back = turned_copy(image, degrees)

        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)
        there = (corners - back[:, 2]) @ np.linalg.inv(back[:, :2]).T
        assert (there >= -1e-6).all()
        assert (there <= np.array(turned.shape[1::-1]) + 1e-6).all()

    @pytest.mark.parametrize("degrees", [0, 90, 180, 270, 45, 135])
    def test_a_patch_moves_back_to_its_place(self, degrees):
        image = np.asarray(picture_with_faces((80, 60), [(25, 18, 45, 38)]))

        turned, back = turned_copy(image, degrees)
        (found,) = moved(FakeDetector().detect(turned), back)

        assert found.box.center_xy == pytest.approx((35, 28), abs=0.6)


class TestContrast:
    def ramp(self, low, high):
        row = np.linspace(low, high, 256).round().astype(np.uint8)
        return np.repeat(np.tile(row, (16, 1))[..., None], 3, axis=2)

    def test_a_picture_of_enough_contrast_stays_as_it_is(self):
        image = self.ramp(100, 100 + LOW_CONTRAST * 1.1)

        assert stretched(image, contrast_levels(image)) is image

    def test_haze_is_stretched_to_the_whole_range(self):
        image = self.ramp(150, 190)

        clear = stretched(image, contrast_levels(image))

        assert (clear.min(), clear.max()) == (0, 255)

    @pytest.mark.parametrize("level", [0, 130, 255])
    def test_a_blank_page_stays_blank(self, level):
        image = self.ramp(level, level)

        assert np.ptp(stretched(image, contrast_levels(image))) == 0

    def test_noise_is_not_made_a_picture(self):
        image = self.ramp(130, 133)

        assert np.ptp(stretched(image, contrast_levels(image))) <= 3 * MOST_STRETCH


SIDES_PX = st.integers(1, 20_000)


class TestTiles:
    @pytest.mark.parametrize(
        ("size_wh", "count"),
        [
            pytest.param((640, 480), 0, id="photo"),
            pytest.param((1080, 2400), 0, id="telephone"),
            pytest.param((10, 300), 0, id="small"),
            pytest.param((1080, 6000), 6, id="chat"),
            pytest.param((8000, 1000), 8, id="panorama"),
            pytest.param((60_000, 100), MAX_TILES, id="no-end-of-them"),
        ],
    )
    def test_only_long_and_wide_pictures_have_any(self, size_wh, count):
        assert len(tiles(size_wh)) == count

    @given(SIDES_PX, SIDES_PX)
    def test_they_cover_the_picture_and_overlap(self, width, height):
        found = tiles((width, height))

        assert len(found) <= MAX_TILES
        along = 0 if width >= height else 1
        for before, after in itertools.pairwise(found):
            assert before[along] < after[along] < before[along + 2]
            assert before[along + 2] < after[along + 2]
        if found:
            assert found[0][:2] == (0, 0)
            assert found[-1][2:] == (width, height)
            assert {one[1 - along] for one in found} == {0}

    def test_what_an_edge_cuts_is_left_to_the_neighbour(self):
        cut, whole = detection(0, 50, 30, 40), detection(40, 50, 30, 40)

        assert uncut([cut, whole], (500, 0, 900, 200), (2000, 200)) == [whole]
        assert uncut([cut, whole], (0, 0, 900, 200), (2000, 200)) == [cut, whole]
