from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emojifier_bot.vision import composite
from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.color import premultiplied
from emojifier_bot.vision.composite import overlay
from emojifier_bot.vision.types import Anchor
from tests.builders import ANCHOR, ART_SIZE_PX, make_placement, make_sprite
from tests.images import assert_images_close, assert_same_pixels, flat, photo
from tests.strategies import placements, rolls

YELLOW = (250, 200, 60)
GREEN = (20, 140, 70)
#: The art's half diagonal over its disc's diameter.
REACH = ART_SIZE_PX * 2**0.5 / 2 / ANCHOR.diameter_px


def laid(image, placement, *, sprite=None, anchor=ANCHOR) -> Image.Image:
    canvas = canvas_of(image)
    sprite = make_sprite(YELLOW, anchor=anchor) if sprite is None else sprite
    overlay(canvas, premultiplied(sprite), anchor, ART_SIZE_PX, placement)
    return canvas.image


def away_from(center_xy, size_wh) -> np.ndarray:
    """Return ``(H, W)`` distances of the pixels' centres."""
    x, y = (np.arange(side) + 0.5 for side in size_wh)
    return np.hypot(x[None] - center_xy[0], y[:, None] - center_xy[1])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    "center_xy", [(-200, 40), (48, -200), (400, 40), (48, 400), (1e7, -1e7)]
)
def test_beside_the_picture_nothing_is_laid(mode, center_xy):
    before = photo(mode=mode)

    assert_same_pixels(laid(before, make_placement(center_xy, 60, 30)), before)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("roll", [0, 45, 180])
@pytest.mark.parametrize("size", [10, 24, 61.7, 90, 300])
def test_the_disc_hides_what_is_under_it(mode, roll, size):
    before = photo(96, 80, mode)
    placement = make_placement((47.3, 40.8), size, roll)

    after = np.asarray(laid(before, placement))

    inside = away_from(placement.center_xy, before.size) <= size / 2 - 1.5
    assert inside.any()
    assert (np.abs(after[inside][:, :3].astype(int) - YELLOW) <= 1).all()
    assert (after[inside][:, 3:] == 255).all()


@given(placements(reach_px=150), st.sampled_from(["RGB", "RGBA"]))
def test_around_the_emoji_the_picture_stays(placement, mode):
    before = photo(mode=mode)

    after = laid(before, placement)

    reach = placement.size_px * REACH + 1.5
    outside = away_from(placement.center_xy, before.size) > reach
    assert (np.asarray(after)[outside] == np.asarray(before)[outside]).all()


@pytest.mark.parametrize("size", [9, 24, 100, 250])
def test_the_edge_is_a_mix_of_both_sides_and_nothing_darker(size):
    after = np.asarray(
        laid(flat(GREEN, (120, 120)), make_placement((60.4, 59.7), size, 20))
    )
    low, high = np.minimum(YELLOW, GREEN), np.maximum(YELLOW, GREEN)

    assert (after >= low - 2).all()
    assert (after <= high + 2).all()


@pytest.mark.parametrize("size", [24, 90, 200])
def test_the_disc_has_the_size_and_the_place_it_should_have(size):
    center = (150.3, 149.6)
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))

    alpha = np.asarray(laid(clear, make_placement(center, size, 17)))[..., 3] / 255

    assert alpha.sum() == pytest.approx(np.pi * size**2 / 4, rel=0.02)
    centers = np.arange(300) + 0.5
    assert (alpha.sum(axis=0) @ centers) / alpha.sum() == pytest.approx(
        center[0], abs=0.05
    )
    assert (alpha.sum(axis=1) @ centers) / alpha.sum() == pytest.approx(
        center[1], abs=0.05
    )


def test_the_anchor_of_an_uneven_art_lands_on_the_face():
    anchor = Anchor((206, 313.8), 369)
    clear = Image.new("RGBA", (200, 200), (0, 0, 0, 0))

    after = laid(clear, make_placement((100, 90), 80, 125), anchor=anchor)

    alpha = np.asarray(after)[..., 3]
    away = away_from((100, 90), (200, 200))
    assert (alpha[away < 38.5] == 255).all()
    assert (alpha[away > 41.5] == 0).all()


def marked_sprite(size_px: int = 256) -> np.ndarray:
    """Return art that has no symmetry: a dark spot at the upper left."""
    sprite = make_sprite(YELLOW, size_px=size_px)
    away = away_from((size_px * 0.35, size_px * 0.3), (size_px, size_px))
    sprite[away < size_px / 8, :3] = (60, 20, 120)
    return sprite


@pytest.mark.parametrize(
    ("quarters", "transpose"),
    [
        (1, Image.Transpose.ROTATE_90),
        (2, Image.Transpose.ROTATE_180),
        (3, Image.Transpose.ROTATE_270),
    ],
)
@pytest.mark.parametrize("size", [24, 70])
def test_a_turned_picture_gets_the_turned_result(quarters, transpose, size):
    before, sprite, side = photo(90, 90), marked_sprite(), 90
    upright = laid(before, make_placement((41.25, 37.5), size, 10), sprite=sprite)
    x, y = 41.25, 37.5
    for _ in range(quarters):
        x, y = y, side - x

    turned = laid(
        before.transpose(transpose),
        make_placement((x, y), size, 10 + 90 * quarters),
        sprite=sprite,
    )

    assert_images_close(turned, upright.transpose(transpose), mean_abs_diff=0.6)


@given(rolls, st.floats(10, 120), st.sampled_from([32, 64, 256, 512]))
def test_the_stored_size_of_the_art_hardly_shows(roll, size, size_px):
    placement = make_placement((48.2, 40.4), size, roll)
    wanted = laid(photo(), placement, sprite=make_sprite(size_px=512))

    actual = laid(photo(), placement, sprite=make_sprite(size_px=size_px))

    # Art of 32 pixels enlarged to 137 has a soft rim.
    assert_images_close(actual, wanted, mean_abs_diff=4 if size > size_px else 0.8)


def test_the_sprite_is_left_as_it_is():
    sprite = make_sprite()
    sprite.setflags(write=False)
    copy = sprite.copy()

    laid(photo(), make_placement((40, 40), 60), sprite=sprite)

    assert (sprite == copy).all()


@pytest.mark.parametrize("size", [0.01, 0.6, 2.5])
def test_a_face_of_less_than_a_few_pixels_is_no_trouble(size):
    before = photo()

    after = laid(
        before, make_placement((40, 40), size), sprite=make_sprite(size_px=512)
    )

    assert_images_close(after, before, mean_abs_diff=0.5)


def test_a_face_larger_than_a_tile_shows_no_seam(monkeypatch):
    placement = make_placement((48.4, 40.2), 70, 25)
    whole = laid(photo(), placement, sprite=marked_sprite())
    monkeypatch.setattr(composite, "TILE_PX", 13)

    tiled = laid(photo(), placement, sprite=marked_sprite())

    difference = np.asarray(tiled).astype(int) - np.asarray(whole)
    assert np.abs(difference).max() <= 12
    assert_images_close(tiled, whole, mean_abs_diff=0.1)


@given(st.binary(min_size=4 * 12, max_size=4 * 12), st.sampled_from(["RGB", "RGBA"]))
def test_pixels_are_mixed_as_pillow_mixes_them(noise, mode):
    before = photo(4, 3, mode)
    art = Image.frombytes("RGBA", (4, 3), noise).convert("RGBa")
    whole = Anchor((1.5, 1.5), 3)
    wanted, over = before.copy(), art.convert("RGBA")
    if mode == "RGBA":
        wanted.alpha_composite(over)
    else:
        wanted.paste(over, mask=over)

    canvas = canvas_of(before)
    overlay(canvas, np.asarray(art), whole, 4, make_placement((1.5, 1.5), 3, 0))

    assert_same_pixels(canvas.image, wanted)
