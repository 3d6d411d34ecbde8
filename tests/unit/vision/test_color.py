import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emojifier_bot.vision.color import (
    is_srgb,
    model_to_srgb,
    plain_profile,
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


@pytest.mark.parametrize("profile", [None, WIDE, *BROKEN])
def test_a_profile_of_another_model_is_no_help(profile):
    assert model_to_srgb(Image.new("CMYK", (1, 1)), profile) is None
    assert model_to_srgb(Image.new("L", (1, 1)), profile) is None


RGBA = np.asarray(photo(mode="RGBA"))


def changed(place: int, content: bytes, profile: bytes = WIDE) -> bytes:
    return profile[:place] + content + profile[place + len(content) :]


def content_of(tag: bytes, profile: bytes = WIDE) -> int:
    return struct.unpack_from(">I", profile, profile.index(tag, 128) + 4)[0]


@pytest.mark.parametrize(
    "profile", [WIDE, profiles.rgb_profile(swapped=True, gamma=2.4), profiles.SRGB]
)
def test_a_plain_profile_means_the_same_colours(profile):
    plain = plain_profile(profile)

    assert plain_profile(plain) == rgb_profile(plain) == plain
    assert_same_pixels(to_srgb(photo(), plain), to_srgb(photo(), profile))
    assert np.array_equal(
        sprite_into_profile(RGBA, plain), sprite_into_profile(RGBA, profile)
    )


def test_texts_and_unknown_parts_stay_behind():
    assert b"desc" in profiles.SRGB
    plain = plain_profile(profiles.SRGB)

    assert b"desc" not in plain
    assert b"cprt" not in plain
    assert len(plain) < len(profiles.SRGB)


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"nonsense",
        b"\0" * 500,
        WIDE[:-30],
        profiles.grey_profile(),
        profiles.cmyk_profile(),
        changed(8, b"\x09"),
        changed(12, b"link"),
        changed(20, b"Lab "),
        changed(36, b"none"),
        changed(128, b"\xff\xff\xff\xff"),
        changed(128, b"\0\0\0\x01"),
        changed(WIDE.index(b"wtpt"), b"A2B0"),
        changed(content_of(b"rXYZ"), b"text"),
        changed(content_of(b"rTRC"), b"mft2"),
        changed(content_of(b"rTRC") + 8, b"\x7f\xff\xff\xff"),
        changed(content_of(b"rTRC"), b"para\0\0\0\0\0\x09"),
        changed(content_of(b"rTRC"), b"para\0\0\0\0\0\x04"),
        changed(WIDE.index(b"gTRC") + 4, b"\xff\xff\xff\x00"),
    ],
)
def test_all_else_is_refused(profile):
    assert plain_profile(profile) is None


@given(
    st.sampled_from([WIDE, profiles.SRGB]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=5),
)
def test_whatever_comes_the_result_is_plain(profile, changes):
    for place, content in changes:
        profile = changed(int(place * (len(profile) - 1)), content, profile)
    plain = plain_profile(profile)
    if plain is not None:
        assert plain_profile(plain) == plain
        assert to_srgb(Image.new("RGB", (2, 2)), plain).size == (2, 2)
