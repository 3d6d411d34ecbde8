import numpy as np
import pytest

from emojifier_training.crops import (
    BOX_SHARE,
    READ_PX,
    crop_detection,
    crop_picture,
)


@pytest.mark.parametrize("shape", [(1, 1), (48, 48), (200, 200), (48, 48, 3)])
def test_crops_are_read_at_one_size(shape):
    crop = np.full(shape, 77, np.uint8)

    picture = crop_picture(crop)

    assert picture.image.size == (READ_PX, READ_PX)
    assert picture.image.mode == "RGB"
    assert (np.asarray(picture.image) == 77).all()


def test_the_face_is_in_the_middle_of_its_crop():
    box = crop_detection().box

    assert box.center_xy == pytest.approx((READ_PX / 2, READ_PX / 2))
    assert box.width == box.height == pytest.approx(BOX_SHARE * READ_PX)
