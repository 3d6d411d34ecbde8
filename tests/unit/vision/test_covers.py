from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.canvas import canvas_of
from emojifier_bot.vision.covers import (
    ART_SIZE_PX,
    Surroundings,
    art_width,
    cover_art,
    covered,
    surroundings,
)
from emojifier_bot.vision.plan import Cover, CoverKind
from tests.builders import make_placement

SPOT = make_placement((100.0, 100.0), 60.0, 20.0)
KINDS = [CoverKind.SOLID, CoverKind.MOSAIC, CoverKind.BLUR]


def halves(left="red", right="blue", size_wh=(200, 200)) -> np.ndarray:
    """Return a picture of two colours that meet in its middle."""
    image = Image.new("RGB", size_wh, left)
    image.paste(right, (size_wh[0] // 2, 0, *size_wh))
    return canvas_of(image).pixels


def around(pixels: np.ndarray, hidden=()) -> Surroundings:
    return surroundings(pixels, SPOT, np.array([(*SPOT.center_xy, 30.0), *hidden]))


def test_colours_are_those_beside_the_disc_and_lie_on_their_side():
    found = around(halves())

    red = found.colors[:, 0] == 255
    assert 0.4 < red.mean() < 0.6
    assert found.places_xy[red, 0].max() <= 0 < found.places_xy[~red, 0].min() + 0.1
    assert np.linalg.norm(found.places_xy, axis=1).min() > 1


def test_no_colour_is_taken_from_another_face():
    pixels = halves("white", "white")
    pixels[60:140, 120:] = (255, 0, 0, 255)

    found = around(pixels, [(170.0, 100.0, 66.0)])

    assert (found.colors == 255).all()


@pytest.mark.parametrize("size_wh", [(50, 50), (4, 4)])
def test_where_nothing_surrounds_a_face_it_becomes_grey(size_wh):
    pixels = canvas_of(Image.new("RGB", size_wh, "red")).pixels
    spot = make_placement((25.0, 25.0), 300.0)

    found = surroundings(pixels, spot, np.array([(25.0, 25.0, 150.0)]))

    assert found.colors.tolist() == [[128, 128, 128]]


def test_what_lies_farther_counts_where_other_faces_surround_one():
    ring = [(100 + 55 * np.cos(t), 100 + 55 * np.sin(t), 30.0) for t in range(7)]

    found = around(halves("lime", "lime"), ring)

    assert len(found.colors)
    assert (found.colors == (0, 255, 0)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [64, 512])
def test_the_whole_disc_is_opaque_and_nothing_else(kind, width):
    art = cover_art(Cover(kind), around(halves()), width)

    share = (art[..., 3] == 255).mean()
    assert art.shape == (width, width, 4)
    assert share == pytest.approx(np.pi / 4, rel=0.08)
    assert not art[0, 0, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_surroundings_give_the_same_cover(kind):
    first, again, other = (
        cover_art(Cover(kind), around(halves(right=color)))
        for color in ("blue", "blue", "navy")
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_noise_is_another_one_for_each_face_and_stays_where_colours_change():
    def spots(seed, right):
        """Return whether each square is lighter than the one above it."""
        found = around(halves("grey", right))
        squares = cover_art(Cover(CoverKind.MOSAIC), found, 64, seed)[12:56:8, 12, 0]
        return np.diff(squares.astype(int)) > 0

    assert np.array_equal(spots(3, "white"), spots(3, "snow"))
    drawn = {spots(seed, "white").tobytes() for seed in range(8)}
    assert len(drawn) > 3


def test_a_solid_cover_has_one_colour():
    art = cover_art(Cover(CoverKind.SOLID), around(halves("black", "white")))

    (color,) = np.unique(art[..., :3].reshape(-1, 3), axis=0)
    assert 100 < color[0] < 155


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_colours_lie_where_they_lie_around(kind):
    art = cover_art(Cover(kind), around(halves()))

    left, right = art[200:312, 60:120, :3], art[200:312, 392:452, :3]
    assert left[..., 0].mean() > left[..., 2].mean() + 60
    assert right[..., 2].mean() > right[..., 0].mean() + 60


def test_a_mosaic_has_squares_and_a_blur_has_no_edge():
    found = around(halves("black", "white"))

    mosaic, blur = (
        cover_art(Cover(kind), found)[256, 40:470, 0].astype(int) for kind in KINDS[1:]
    )
    assert len(np.flatnonzero(np.diff(mosaic))) <= 8
    assert np.abs(np.diff(blur)).max() < 12


def test_where_all_is_one_colour_there_is_no_noise():
    art = cover_art(Cover(CoverKind.MOSAIC), around(halves("teal", "teal")))

    assert (art[..., :3] == (0, 128, 128)).all()


@pytest.mark.parametrize("size_wh", [(30, 30), (400, 100), (1, 500)])
def test_a_picture_lies_over_the_disc_as_large_as_it_fits(size_wh):
    sticker = np.asarray(Image.new("RGBA", size_wh, (9, 8, 7, 255)))

    art = cover_art(Cover(CoverKind.PICTURE), around(halves()), 256, 1, sticker)

    rows, columns = np.nonzero((art[..., :3] == (9, 8, 7)).all(axis=-1))
    seen_wh = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert max(seen_wh) == pytest.approx(252, abs=1)
    assert seen_wh[0] / seen_wh[1] == pytest.approx(
        size_wh[0] / size_wh[1], rel=0.1, abs=0.01
    )


def test_a_picture_that_is_transparent_shows_the_disc():
    nothing = np.zeros((50, 50, 4), np.uint8)
    found = around(halves())

    bare = cover_art(Cover(CoverKind.SOLID), found)
    assert np.array_equal(
        cover_art(Cover(CoverKind.PICTURE), found, ART_SIZE_PX, 1, nothing), bare
    )


@pytest.mark.parametrize(
    ("size_px", "expected"), [(1.0, 64), (64.0, 64), (65.0, 128), (4000.0, 512)]
)
def test_the_art_is_as_large_as_it_is_drawn(size_px, expected):
    assert art_width(make_placement(size_px=size_px)) == expected


def test_a_margin_makes_the_disc_larger_and_only_a_picture_is_turned():
    plain = covered(SPOT, Cover(CoverKind.BLUR, 0.5))
    sticker = covered(SPOT, Cover(CoverKind.PICTURE, 0.0, "x"))

    assert (plain.size_px, plain.roll_degrees) == (90.0, 0.0)
    assert (sticker.size_px, sticker.roll_degrees) == (60.0, 20.0)
    assert plain.center_xy == SPOT.center_xy
