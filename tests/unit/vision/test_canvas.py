from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.canvas import canvas_of, new_canvas
from emojifier_bot.vision.loaded import TURNS
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
@pytest.mark.parametrize("orientation", TURNS)
def test_it_is_turned_as_pillow_turns_it(mode, orientation):
    stored = photo(300, 140, mode)

    turned = canvas_of(stored).turned(orientation)

    assert_same_pixels(turned.image, stored.transpose(TURNS[orientation]))
    assert turned.pixels.flags.c_contiguous


def test_colours_that_nobody_sees_are_cleared():
    canvas = new_canvas("RGBA", (3, 1))
    canvas.pixels[0] = [(9, 8, 7, 0), (9, 8, 7, 1), (9, 8, 7, 255)]
    canvas.clear_hidden()
    assert canvas.pixels[0].tolist() == [[0, 0, 0, 0], [9, 8, 7, 1], [9, 8, 7, 255]]
    plain = new_canvas("RGB", (1, 1))
    plain.pixels[:] = (9, 8, 7, 0)
    plain.clear_hidden()
    assert plain.image.getpixel((0, 0)) == (9, 8, 7)


@pytest.mark.parametrize(
    ("mode", "alpha", "box", "expected"),
    [
        ("RGBA", 1, (16, 16, 40, 40), True),
        ("RGBA", 127, (16, 16, 40, 40), True),
        ("RGBA", 128, (16, 16, 40, 40), False),
        ("RGBA", 0, (16, 16, 40, 40), False),
        ("RGBA", 1, (16, 16, 40, 20), False),
        ("RGBA", 1, (0, 0, 0, 0), False),
        ("RGB", 1, (16, 16, 40, 40), False),
    ],
)
def test_a_face_may_lie_in_a_faint_square(mode, alpha, box, expected):
    canvas = new_canvas(mode, (61, 50))
    canvas.pixels[:] = 255
    left, upper, right, lower = box
    canvas.pixels[upper:lower, left:right, 3] = alpha
    assert canvas.hides_faces == expected
    assert not new_canvas("RGBA", (5, 200)).hides_faces


def test_an_opaque_canvas_has_the_same_memory():
    canvas = new_canvas("RGBA", (2, 2))
    canvas.pixels[:] = (10, 20, 30, 1)
    opaque = canvas.opaque()
    assert opaque.image.getpixel((1, 1)) == (10, 20, 30)
    opaque.pixels[:] = 7
    assert canvas.image.getpixel((0, 0)) == (7, 7, 7, 7)


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
