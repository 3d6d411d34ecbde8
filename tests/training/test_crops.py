from __future__ import annotations

import numpy as np
import pytest

from emojifier_training.crops import (
    BOX_SHARE,
    READ_PX,
    crop_detection,
    crop_picture,
    locate_crops,
)
from tests.fakes.faces import FakeLandmarker


@pytest.mark.parametrize("shape", [(1, 1), (48, 48), (200, 200), (48, 48, 3)])
def test_crops_are_read_at_one_size(shape):
    crop = np.full(shape, 77, np.uint8)

    picture = crop_picture(crop)

    assert picture.image.size == (READ_PX, READ_PX)
    assert picture.image.mode == "RGB"
    assert (np.asarray(picture.image) == 77).all()


def test_colours_keep_their_order():
    crop = np.full((8, 8, 3), (200, 100, 50), np.uint8)

    assert crop_picture(crop).image.getpixel((0, 0)) == (200, 100, 50)


def test_the_face_is_in_the_middle_of_its_crop():
    box = crop_detection().box

    assert box.center_xy == pytest.approx((READ_PX / 2, READ_PX / 2))
    assert box.width == box.height == pytest.approx(BOX_SHARE * READ_PX)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_crop_has_its_points(count):
    pictures = [crop_picture(np.zeros((48, 48), np.uint8))] * count

    found = locate_crops(FakeLandmarker(), pictures)

    assert len(found) == count
    for points in found:
        assert ((points.points_xy > 0) & (points.points_xy < READ_PX)).all()
