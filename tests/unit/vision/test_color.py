import io

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from emojifier_bot.vision.color import (
    is_srgb,
    model_to_srgb,
    rgb_profile,
    sprite_into_profile,
    to_srgb,
)
from tests import profiles
from tests.images import assert_same_pixels, flat, mean_abs_diff, photo
from tests.strategies import pictures

WIDE = profiles.rgb_profile()
BROKEN = [b"", b"nonsense", WIDE[:200], b"\0" * 400, WIDE[:128] + b"\xff" * 216]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    "profile", [None, profiles.SRGB, *BROKEN, profiles.grey_profile()]
)
def test_srgb_and_unusable_profiles_leave_the_picture_itself(mode, profile):
    image = photo(mode=mode)
    assert to_srgb(image, profile) is image


def test_a_wide_profile_is_converted():
    assert to_srgb(flat((128, 128, 128)), WIDE).getpixel((0, 0)) == (146, 146, 146)
    red, green, blue = to_srgb(flat((200, 100, 50)), WIDE).getpixel((0, 0))
    assert red > 240
    assert green < 100
    assert blue < 60


def test_alpha_passes_and_nothing_else_hangs_on():
    image = photo(mode="RGBA")
    converted = to_srgb(image, WIDE)
    assert converted.info == {}
    assert converted.mode == "RGBA"
    assert_same_pixels(converted.getchannel("A"), image.getchannel("A"))


@given(pictures(modes=("RGBA",)))
def test_a_sprite_comes_back_from_the_profile(picture):
    sprite = np.asarray(picture)
    there = sprite_into_profile(sprite, WIDE)
    back = to_srgb(Image.fromarray(there), WIDE)
    assert np.array_equal(there[..., 3], sprite[..., 3])
    assert mean_abs_diff(back, picture) < 3


@pytest.mark.parametrize("profile", [None, profiles.SRGB, *BROKEN])
def test_a_sprite_stays_for_srgb(profile):
    sprite = np.asarray(photo(mode="RGBA"))
    assert sprite_into_profile(sprite, profile) is sprite


def test_an_empty_sprite_stays():
    empty = np.zeros((0, 0, 4), np.uint8)
    assert sprite_into_profile(empty, WIDE).shape == (0, 0, 4)


def test_a_swapped_profile_swaps_the_sprite():
    red = np.full((1, 1, 4), (220, 30, 30, 255), np.uint8)
    swapped = sprite_into_profile(red, profiles.rgb_profile(swapped=True))[0, 0]
    assert swapped[2] > swapped[0]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (None, None),
        (WIDE, WIDE),
        (profiles.SRGB, profiles.SRGB),
        (profiles.grey_profile(), None),
        (profiles.cmyk_profile(), None),
        *[(broken, None) for broken in BROKEN],
    ],
)
def test_only_sound_rgb_profiles_are_kept(profile, expected):
    assert rgb_profile(profile) == expected


def test_srgb_is_known_by_its_colours():
    renamed = profiles.SRGB.replace(b"s\0R\0G\0B", b"x\0Y\0Z\0Q")
    assert is_srgb(renamed)
    assert is_srgb(profiles.SRGB)
    assert not is_srgb(WIDE)


def test_other_models_go_through_their_profile():
    cyan = Image.new("CMYK", (1, 1), (255, 0, 0, 0))
    grey = Image.new("L", (1, 1), 100)
    lab = Image.new("LAB", (1, 1), (128, 128, 128))
    assert model_to_srgb(cyan, profiles.cmyk_profile()).getpixel((0, 0)) == (184,) * 3
    assert model_to_srgb(grey, profiles.grey_profile()).getpixel((0, 0)) == (168,) * 3
    assert model_to_srgb(lab, None).getpixel((0, 0)) == (119,) * 3


@pytest.mark.parametrize("profile", [None, WIDE, *BROKEN])
def test_a_profile_of_another_model_is_no_help(profile):
    assert model_to_srgb(Image.new("CMYK", (1, 1)), profile) is None
    assert model_to_srgb(Image.new("L", (1, 1)), profile) is None


def test_profiles_of_the_tests_are_sound():
    with Image.open(io.BytesIO(_png_with(WIDE))) as image:
        assert image.info["icc_profile"] == WIDE


def _png_with(profile: bytes) -> bytes:
    buffer = io.BytesIO()
    flat((1, 2, 3)).save(buffer, "PNG", icc_profile=profile)
    return buffer.getvalue()
