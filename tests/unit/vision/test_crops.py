from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.crops import (
    BACKGROUND,
    centered_frame,
    cut_frame,
    frame_scale,
    grey,
    reduced_copy,
    warp,
)
from emojifier_bot.vision.decode import DecodedImage, decode, from_image
from emojifier_bot.vision.landmarks import apply_affine
from tests.images import assert_images_close, encoded, flat, photo
from tests.profiles import rgb_profile
from tests.strategies import pictures, rolls

SIZE_PX = 64
PICTURE_WH = (300, 240)
GREEN = (40, 160, 90)


def dotted(center_xy, radius_px, size_wh=PICTURE_WH) -> Image.Image:
    """Return a black picture with a soft-edged white dot."""
    x, y = (np.arange(side) + 0.5 for side in size_wh)
    away = np.hypot(x[None] - center_xy[0], y[:, None] - center_xy[1])
    dot = np.clip(radius_px - away + 0.5, 0, 1) * 255
    return Image.fromarray(dot.astype(np.uint8)).convert("RGB")


def dot_center(image: np.ndarray) -> np.ndarray:
    """Return where the dot of a black picture lies, pixels between corners."""
    light = image[..., 0].astype(float)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return np.array([(x * light).sum(), (y * light).sum()]) / light.sum()


def frame_at(center_xy, scale=1.0, turn_degrees=0.0, size_px=SIZE_PX):
    return centered_frame(center_xy, scale, math.radians(turn_degrees), size_px)


def profiled(image: Image.Image, icc_profile: bytes) -> DecodedImage:
    return decode(encoded(image, "PNG", icc_profile=icc_profile))


def edge_margin(radius_px, scale):
    """Return how near an edge a dot is still dark all round in a reduced copy."""
    return radius_px + 1 + 1.5 / scale


def test_of_a_transparent_picture_only_the_region_is_converted(monkeypatch):
    picture = from_image(Image.new("RGBA", (900, 700), (*GREEN, 128)))
    converted, convert = [], Image.Image.convert

    def watched(image, *args, **kwargs):
        converted.append(image.size)
        return convert(image, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "convert", watched)
    cut_frame(picture, frame_at((450, 350), 0.2, size_px=16), 16)

    assert converted
    assert max(map(max, converted)) <= 16 / 0.2 + 10


@st.composite
def dots(draw, least_scale=0.1, largest_scale=8.0):
    """Draw a frame, and a dot that it shows whole, near an edge or not."""
    scale = math.exp(draw(st.floats(math.log(least_scale), math.log(largest_scale))))
    radius_px = max(1.2 / scale, 1.5)
    margin = edge_margin(radius_px, scale)
    x, y = (draw(st.floats(margin, side - margin)) for side in PICTURE_WH)
    reach = SIZE_PX / 2 - radius_px * scale - 1
    away, turn = draw(st.floats(0, reach)), draw(rolls)
    direction = math.radians(draw(rolls))
    center = (
        x + away / scale * math.cos(direction),
        y + away / scale * math.sin(direction),
    )
    return (x, y), radius_px, frame_at(center, scale, turn)


class TestCutFrame:
    def check(self, dot, picture):
        (x, y), _, frame = dot

        found = dot_center(cut_frame(picture, frame, SIZE_PX))

        wanted = apply_affine(frame, np.float32([[x, y]]))[0]
        # Of the frame's pixels or of the picture's, whichever are larger.
        pixel = max(1, frame_scale(frame))
        np.testing.assert_allclose(found, wanted, atol=0.15 * pixel)

    @given(dots())
    def test_what_the_picture_has_is_where_the_frame_says(self, dot):
        center, radius_px, _ = dot

        self.check(dot, from_image(dotted(center, radius_px)))

    def test_the_frame_as_it_is_shows_the_pixels_as_they_are(self):
        image = photo(96, 80)

        found = cut_frame(from_image(image), frame_at((42, 40)), SIZE_PX)

        np.testing.assert_array_equal(found, np.asarray(image)[8:72, 10:74])

    @given(st.floats(0.51, 3), rolls, st.floats(-20, 80), st.floats(-20, 80))
    def test_it_is_a_part_of_the_whole_picture_moved(self, scale, turn, x, y):
        image = photo(60, 50)
        frame = frame_at((x, y), scale, turn, 24)

        found = cut_frame(from_image(image), frame, 24).astype(int)

        # OpenCV rounds positions to 1/32 of a pixel.
        moved = warp(np.asarray(image), frame, (24, 24))
        assert np.abs(found - moved).max() <= 8

    @given(pictures(), st.floats(0.01, 50), rolls, st.floats(-90, 90))
    def test_any_picture_gives_a_square(self, image, scale, turn, at):
        found = cut_frame(from_image(image), frame_at((at, at), scale, turn, 16), 16)

        assert found.shape == (16, 16, 3)
        assert found.dtype == np.uint8

    @given(
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        st.floats(0.02, 20),
        rolls,
        st.floats(-1e4, 1e4),
        st.floats(-1e4, 1e4),
    )
    def test_beyond_the_edge_the_border_repeats(self, size_wh, scale, turn, x, y):
        picture = from_image(flat(GREEN, size_wh))

        found = cut_frame(picture, frame_at((x, y), scale, turn, 16), 16)

        assert (found == GREEN).all()

    @pytest.mark.parametrize("x", [-500, 501])
    def test_the_nearer_edge_repeats(self, x):
        image = Image.new("RGB", (4, 4), (255, 0, 0))
        image.paste((0, 0, 255), (2, 0, 4, 4))

        found = cut_frame(from_image(image), frame_at((x, 2), size_px=8), 8)

        assert (found == ((255, 0, 0) if x < 0 else (0, 0, 255))).all()

    @pytest.mark.parametrize("scale", [0.2, 0.251, 0.26, 0.3, 0.45, 0.5])
    @pytest.mark.parametrize("at", range(60, 66))
    def test_a_small_frame_skips_no_pixel(self, scale, at):
        image = Image.new("RGB", (128, 128))
        image.paste((255,) * 3, (at, 0, at + 3, 128))
        picture = from_image(image)

        seen = [
            cut_frame(picture, frame_at((63 + off, 64), scale, 0, 16), 16).max()
            for off in np.linspace(0, 1, 7)
        ]

        assert min(seen) > 40


class TestReducedCopy:
    @pytest.mark.parametrize(
        ("size_wh", "longer", "wanted"),
        [
            ((1, 1), 640, (640, 640)),
            ((1, 1), 1, (1, 1)),
            ((640, 480), 640, (640, 480)),
            ((1280, 960), 640, (640, 480)),
            ((960, 1281), 640, (480, 640)),
            ((100, 50), 640, (640, 320)),
            ((2000, 1), 320, (320, 1)),
            ((3, 2999), 100, (1, 100)),
            ((333, 777), 320, (137, 320)),
        ],
    )
    def test_the_longer_side_has_the_wanted_length(self, size_wh, longer, wanted):
        found = reduced_copy(from_image(flat(GREEN, size_wh)), longer)

        assert found.shape == (wanted[1], wanted[0], 3)
        assert found.dtype == np.uint8
        assert (found == GREEN).all()

    def test_the_same_size_has_the_same_pixels(self):
        image = photo(96, 80)

        found = reduced_copy(from_image(image), 96)

        np.testing.assert_array_equal(found, np.asarray(image))

    @pytest.mark.parametrize("longer", [30, 75, 150, 299, 450, 1200])
    def test_things_stay_in_their_place(self, longer):
        scale = longer / PICTURE_WH[0]
        center = np.array([181.3, 77.8])

        found = dot_center(reduced_copy(from_image(dotted(center, 15)), longer))

        # The shorter side is a whole number of pixels.
        np.testing.assert_allclose(found, center * scale, atol=0.3 * max(scale, 1))

    def test_no_pixel_is_skipped(self):
        y, x = np.mgrid[:400, :400]
        floor = Image.fromarray(((x + y) % 2 * 255).astype(np.uint8)).convert("RGB")

        assert np.ptp(reduced_copy(from_image(floor), 50)) <= 4


def whole(picture: DecodedImage, way: str) -> np.ndarray:
    """Return a whole square picture at half its size, by either function."""
    side = picture.image.width
    half = max(side // 2, 1)
    if way == "reduced copy":
        return reduced_copy(picture, half)
    return cut_frame(picture, frame_at((side / 2, side / 2), 0.5, 0, half), half)


@pytest.mark.parametrize("way", ["reduced copy", "frame"])
class TestWhatModelsSee:
    @pytest.mark.parametrize(
        ("alpha", "seen"),
        [
            (0, (BACKGROUND, BACKGROUND, BACKGROUND)),
            (255, GREEN),
            (128, tuple((one + BACKGROUND) / 2 for one in GREEN)),
        ],
    )
    def test_transparent_pixels_show_the_ground(self, way, alpha, seen):
        found = whole(from_image(flat((*GREEN, alpha), (32, 32))), way)

        np.testing.assert_allclose(found.reshape(-1, 3), [seen] * 256, atol=1)

    @given(pictures())
    def test_the_picture_stays_as_it_is(self, way, image):
        picture = from_image(image)
        before = picture.image.tobytes()

        whole(picture, way)

        assert picture.image.tobytes() == before

    def test_colours_of_clear_pixels_do_not_bleed(self, way):
        # Half the columns are clear, and green where nobody sees it.
        image = flat((0, 255, 0, 0), (32, 32))
        image.paste((255, 0, 0, 255), (0, 0, 16, 32))

        found = whole(from_image(image), way).astype(int)

        # Between red and the ground there is no green above the ground's.
        assert found[..., 1].max() <= BACKGROUND

    def test_a_profile_is_turned_to_srgb(self, way):
        image = photo(64, 64)
        picture = profiled(image, rgb_profile(swapped=True))
        assert picture.icc_profile is not None

        found = Image.fromarray(whole(picture, way))

        wanted = to_srgb(image, picture.icc_profile)
        assert_images_close(
            found, Image.fromarray(whole(from_image(wanted), way)), mean_abs_diff=1.5
        )
        # Red and blue changed places, or nothing was tested.
        plain = whole(from_image(image), way).astype(int)
        assert np.abs(plain - np.asarray(found)).mean() > 20

    def test_a_transparent_picture_with_a_profile(self, way):
        image = flat((*GREEN, 255), (32, 32))
        picture = profiled(image, rgb_profile(swapped=True))

        found = whole(picture, way)

        wanted = to_srgb(image.convert("RGB"), picture.icc_profile).getpixel((0, 0))
        assert (np.abs(found.astype(int) - wanted) <= 1).all()


class TestWarp:
    @given(st.integers(-5, 5), st.integers(-5, 5))
    def test_whole_pixels_move_whole(self, x, y):
        pixels = np.asarray(photo(24, 20))
        away = np.array([[1.0, 0, x], [0, 1.0, y]])

        found = warp(pixels, away, (24, 20))

        inner = (slice(max(y, 0), 20 + min(y, 0)), slice(max(x, 0), 24 + min(x, 0)))
        moved = (slice(max(-y, 0), 20 + min(-y, 0)), slice(max(-x, 0), 24 + min(-x, 0)))
        np.testing.assert_array_equal(found[inner], pixels[moved])

    def test_doubling_keeps_the_corner_of_the_picture(self):
        pixels = np.array([[[0] * 3, [200] * 3]], np.uint8)

        found = warp(pixels, np.array([[2.0, 0, 0], [0, 2.0, 0]]), (4, 2))

        assert found[..., 0].tolist() == [[0, 50, 150, 200]] * 2


@pytest.mark.parametrize(
    ("rgb", "luma"),
    [((0, 0, 0), 0), ((255, 255, 255), 255), ((255, 0, 0), 76), ((0, 0, 255), 29)],
)
def test_grey_is_luma(rgb, luma):
    assert grey(np.full((2, 3, 3), rgb, np.uint8)).tolist() == [[luma] * 3] * 2
