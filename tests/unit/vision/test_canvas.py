from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.canvas import canvas_of, new_canvas
from tests.images import assert_same_pixels, photo


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pillow_and_the_array_have_the_same_memory(mode):
    canvas = new_canvas(mode, (7, 5))

    canvas.pixels[:] = 200
    canvas.pixels[2, 3] = (10, 20, 30, 40)

    assert (canvas.image.mode, canvas.image.size) == (mode, (7, 5))
    assert canvas.image.getpixel((0, 0)) == (200,) * len(mode)
    assert canvas.image.getpixel((3, 2)) == (10, 20, 30, 40)[: len(mode)]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_canvas_of_an_image_is_a_copy_without_metadata(mode):
    image = photo(mode=mode)
    image.info["comment"] = b"secret"

    canvas = canvas_of(image)

    assert_same_pixels(canvas.image, image)
    assert canvas.image.info == {}
    canvas.pixels[:] = 0
    assert image.getextrema() == photo(mode=mode).getextrema()
    assert (np.asarray(canvas.image) == 0).all()
