import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emojifier_bot.vision.color import (
    plain_profile,
    rgb_profile,
    sprite_into_profile,
    to_srgb,
)
from tests import profiles
from tests.images import assert_same_pixels, photo

WIDE = profiles.rgb_profile()
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

    assert rgb_profile(plain) == plain
    assert_same_pixels(to_srgb(photo(), plain), to_srgb(photo(), profile))
    assert np.array_equal(
        sprite_into_profile(RGBA, plain), sprite_into_profile(RGBA, profile)
    )


@pytest.mark.parametrize("profile", [WIDE, profiles.SRGB])
def test_twice_is_once(profile):
    plain = plain_profile(profile)

    assert plain_profile(plain) == plain


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
