import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.decode import decode
from emojifier_bot.vision.png import read_png
from tests import profiles
from tests.images import assert_same_pixels, encoded, flat, photo, png_file, png_with

PLAIN = encoded(photo(), "PNG")
PADDED_PROFILE = profiles.rgb_profile() + bytes(1_500_000)


def compressed(prefix: bytes, content: bytes) -> bytes:
    return prefix + zlib.compress(content)


@pytest.mark.parametrize(
    ("chunk", "wrong_sum"),
    [
        ((b"zTXt", compressed(b"Comment\0\0", b"a" * 3_000_000)), False),
        ((b"iTXt", compressed(b"Comment\0\1\0\0\0", b"a" * 3_000_000)), False),
        ((b"tEXt", b"no zero"), False),
        ((b"tEXt", b"Comment\0text"), True),
        ((b"pHYs", struct.pack(">IIB", 3000, 3000, 1)), True),
        ((b"pHYs", b"short"), False),
        ((b"gAMA", struct.pack(">I", 100_000)), True),
        ((b"gAMA", b""), False),
        ((b"cHRM", b"\0\0"), False),
        ((b"sRGB", b""), False),
        ((b"cICP", b"\x09\x10\0\1"), True),
        ((b"cICP", b"\x09\x10\0"), False),
        ((b"tRNS", b"\0"), False),
        ((b"tRNS", b"\0\0\0\0\0\0"), True),
        ((b"iCCP", b"name\0\0no zlib"), False),
        ((b"iCCP", b"name"), False),
        ((b"iCCP", compressed(b"name\0\0", bytes(5_000_000))), False),
        ((b"iCCP", compressed(b"name\0\0", b"a" * 9000)[:-6]), False),
        ((b"acTL", b""), False),
        ((b"fcTL", b"\0" * 26), True),
        ((b"eXIf", b"MM\0*" + b"\xff" * 30), False),
        ((b"vpAg", b"whatever"), True),
    ],
    ids=itertools.count(),
)
def test_a_damaged_or_endless_chunk_stays_out(chunk, wrong_sum):
    decoded = decode(png_with(PLAIN, chunk, wrong_sum=wrong_sum))
    assert_same_pixels(decoded.image, photo())
    assert decoded.icc_profile is None
    assert decoded.notes == ()


@pytest.mark.parametrize("wrong_sum", [False, True])
def test_a_profile_counts_whatever_the_checksum_around_it(wrong_sum):
    chunk = (b"iCCP", compressed(b"name\0\0", profiles.rgb_profile()))
    decoded = decode(png_with(PLAIN, chunk, wrong_sum=wrong_sum))
    assert decoded.icc_profile == profiles.rgb_profile()


def test_a_profile_that_pillow_cannot_read_again_is_written_anew():
    data = png_with(PLAIN, (b"iCCP", compressed(b"name\0\0", PADDED_PROFILE)))
    profile = decode(data).icc_profile
    again = encoded(photo(), "PNG", icc_profile=profile)
    assert decode(again).icc_profile == profile
    assert 0 < len(profile) < 1000


@pytest.mark.parametrize(
    ("kind", "pixel", "transparent"),
    [(0, b"\x55", b"\0\x55"), (2, b"\x55\x44\x33", b"\0\x55\0\x44\0\x33")],
)
def test_what_is_transparent_stays_so(kind, pixel, transparent):
    rows = b"\0" + pixel
    extra = [(b"tEXt", b"Comment\0before"), (b"tRNS", transparent)]
    data = png_file(1, 1, depth=8, kind=kind, rows=rows, extra=extra)
    assert decode(data).image.getchannel("A").tobytes() == b"\0"


def test_of_two_chunks_the_first_counts():
    linear, dark = struct.pack(">I", 100_000), struct.pack(">I", 20_000)
    once = decode(png_with(PLAIN, (b"gAMA", linear)))
    twice = decode(png_with(PLAIN, (b"gAMA", linear), (b"gAMA", dark)))
    assert once.icc_profile == twice.icc_profile is not None


def test_pixels_that_are_damaged_are_refused_as_before():
    damaged = bytearray(PLAIN)
    damaged[28] ^= 1
    with pytest.raises(Exception, match="damaged"):
        decode(bytes(damaged))


def test_a_file_that_ends_early_is_left_to_pillow():
    assert read_png(PLAIN[:60]).still == PLAIN[:60]


def test_an_animation_is_kept_as_far_as_it_is_whole():
    frames = [flat((200, 0, 0)), flat((0, 0, 200))]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert b"fdAT" in read_png(data).animated
    assert b"fdAT" not in read_png(data).still
    at = data.index(b"fcTL") + 10
    damaged = data[:at] + b"\x07" + data[at + 1 :]
    assert read_png(damaged).animated is None
    assert decode(damaged).image.getpixel((0, 0)) == (200, 0, 0)
    cut_off = read_png(data[: data.index(b"fdAT") + 10]).animated
    assert cut_off.count(b"fcTL") == 2
    assert b"fdAT" not in cut_off


def test_an_icon_of_a_png_is_read_as_kindly():
    data = png_with(PLAIN, (b"tEXt", b"Comment\0text"), wrong_sum=True)
    entry = struct.pack("<3H4B2H2I", 0, 1, 1, 96, 80, 0, 0, 1, 24, len(data), 22)
    decoded = decode(entry + data)
    assert decoded.source_format == "ICO"
    assert np.array_equal(np.asarray(decoded.image), np.asarray(photo()))
    assert isinstance(decoded.image, Image.Image)
