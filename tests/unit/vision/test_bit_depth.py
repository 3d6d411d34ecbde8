import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.bit_depth import is_wide, narrow_grey


@pytest.mark.parametrize(
    ("values", "bits", "expected"),
    [
        (np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16), 16,
         [0, 0, 1, 1, 128, 255]),
        (np.array([[0, 2048, 4095]], np.uint16), 12, [0, 128, 255]),
        (np.array([[0, 100, 255]], np.int32), 16, [0, 100, 255]),
        (np.array([[0, 32896, 65535]], np.int32), 16, [0, 128, 255]),
        (np.array([[-5, 0, 131072]], np.int32), 16, [0, 0, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), 16, [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), 16, [0, 100, 255]),
        (np.array([[0.0, 5e5, 1e6]], np.float32), 16, [0, 128, 255]),
        (np.array([[np.nan, np.inf, 0.5]], np.float32), 16, [0, 255, 128]),
        (np.array([[np.nan]], np.float32), 16, [0]),
    ],
)  # fmt: skip
def test_the_whole_range_is_scaled(values, bits, expected):
    image = Image.fromarray(values)
    assert is_wide(image)
    narrow = narrow_grey(image, bits)
    assert narrow.mode == "L"
    assert list(narrow.tobytes()) == expected


def test_a_transparent_value_becomes_alpha():
    image = Image.fromarray(np.array([[0, 300, 65535]], np.uint16))
    narrow = narrow_grey(image, transparent=300)
    assert narrow.mode == "LA"
    assert list(narrow.getchannel("A").tobytes()) == [255, 0, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_other_modes_are_not_wide(mode):
    assert not is_wide(Image.new(mode, (1, 1)))
