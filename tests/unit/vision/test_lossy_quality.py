import math

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from emojifier_bot.vision.lossy_quality import choose_setting, psnr_db, sample_of
from tests.images import encoded, flat, opened, photo, psnr
from tests.strategies import pictures

QUALITIES = (10, 30, 50, 70, 90)


def jpeg(image: Image.Image, quality: int) -> bytes:
    return encoded(image, "JPEG", quality=quality, subsampling="4:4:4")


def chosen(image: Image.Image, budget_bytes: int) -> int:
    return choose_setting(image, QUALITIES, jpeg, budget_bytes)


def test_without_a_budget_the_cheapest_faithful_setting_is_chosen():
    image = opened(jpeg(photo(200, 160), 70))
    faithful = [psnr(opened(jpeg(image, q)), image) > 40.15 for q in QUALITIES]
    assert faithful == [False, False, False, True, True]
    assert chosen(image, 0) == 70


def test_a_large_budget_is_spent_on_fidelity():
    assert chosen(photo(200, 160), 10_000_000) == QUALITIES[-1]


def test_no_more_is_spent_than_the_budget():
    image = opened(jpeg(photo(200, 160), 50))
    assert chosen(image, len(jpeg(image, 50))) == 50


def test_fidelity_goes_before_the_budget():
    image = opened(jpeg(photo(200, 160), 70))
    assert chosen(image, len(jpeg(image, 10))) == 70


def test_what_is_never_faithful_gets_the_last_setting():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert chosen(Image.fromarray(noise), 0) == QUALITIES[-1]


def test_a_small_picture_is_its_own_sample():
    image = photo(640, 600)
    assert sample_of(image) is image


@pytest.mark.parametrize("size", [(1000, 800), (30, 20000), (20000, 30), (3000, 170)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_sample_is_small_and_like_the_picture(size, mode):
    image = photo(*size, mode)
    sample = sample_of(image)
    assert sample.mode == mode
    assert sample.width % 80 == sample.height % 80 == 0
    assert 0 < sample.width * sample.height <= 640 * 640
    if min(size) > 80:
        means = (
            np.asarray(image).mean(axis=(0, 1)),
            np.asarray(sample).mean(axis=(0, 1)),
        )
        assert np.allclose(*means, atol=12)


@given(pictures())
def test_equal_pictures_have_no_noise(image):
    assert psnr_db(image, image.copy()) == math.inf


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 0), (255, 255, 255), 0.0),
        ((10, 10, 10), (11, 11, 11), 48.13),
        ((9, 9, 9, 0), (200, 0, 90, 0), math.inf),
    ],
)
def test_psnr(first, second, expected):
    assert psnr_db(flat(first), flat(second)) == pytest.approx(expected, abs=0.01)
