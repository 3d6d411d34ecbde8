"""What AVIF files say about their picture, in boxes."""

import struct

import numpy as np
import pytest

from emojifier_bot.vision.decode import decode
from emojifier_bot.vision.media_boxes import find_box, media_properties
from tests.images import (
    assert_images_close,
    encoded,
    oriented_exif,
    photo,
    with_property,
)

AVIF = encoded(photo(), "AVIF", quality=95, subsampling="4:4:4")
HEIF = encoded(photo(), "HEIF", quality=95)


def clap(width, height, right=(0, 1), down=(0, 1)) -> bytes:
    return struct.pack(">IIIIiIiI", *width, *height, *right, *down)


@pytest.mark.parametrize("data", [AVIF, HEIF], ids=["AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("aperture", "box"),
    [
        (clap((40, 1), (20, 1)), (28, 30, 68, 50)),
        (clap((40, 1), (20, 1), (-28, 1), (-30, 1)), (0, 0, 40, 20)),
        (clap((31, 1), (15, 1), (1, 2), (-1, 2)), (33, 32, 64, 47)),
        (clap((96, 1), (80, 1)), (0, 0, 96, 80)),
    ],
    ids=["middle", "corner", "odd", "all"],
)
def test_what_was_cropped_away_stays_away(data, aperture, box):
    image = decode(with_property(data, b"clap", aperture)).image
    assert_images_close(image, photo().crop(box), mean_abs_diff=4)


@pytest.mark.parametrize(
    ("aperture", "size"),
    [
        (clap((40, 0), (20, 1)), (96, 80)),
        (clap((400, 1), (20, 1)), (96, 20)),
        (clap((0, 1), (0, 1)), (1, 1)),
        (clap((10, 1), (10, 1), (4000, 1), (-4000, 1)), (1, 1)),
    ],
    ids=["no number", "too wide", "nothing", "elsewhere"],
)
def test_an_aperture_beyond_the_picture_ends_at_its_edge(aperture, size):
    assert decode(with_property(AVIF, b"clap", aperture)).image.size == size


def test_an_aperture_without_numbers_is_none():
    assert media_properties(with_property(AVIF, b"clap", b"short")).aperture is None


def test_an_avif_is_cropped_before_it_is_turned():
    data = encoded(photo(), "AVIF", quality=95, exif=oriented_exif(6))
    data = with_property(data, b"clap", clap((40, 1), (20, 1), (-28, 1), (-30, 1)))
    expected = photo().crop((0, 0, 40, 20)).rotate(-90, expand=True)
    assert_images_close(decode(data).image, expected, mean_abs_diff=5)


def test_a_sequence_states_its_properties_with_its_frames():
    frames = [photo(), photo().rotate(180)]
    data = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert data[8:12] == b"avis"
    properties = media_properties(data)
    assert properties.codes == (1, 13)


def test_codes_and_depth_are_read():
    properties = media_properties(AVIF)
    assert (properties.codes, properties.bits) == ((1, 13), 8)


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_damage_means_unsaid(cut):
    media_properties(AVIF[:cut])
    damaged = bytearray(AVIF)
    damaged[cut] ^= 0xFF
    media_properties(bytes(damaged))


def test_a_box_is_found_by_its_path():
    assert find_box(AVIF, b"meta", b"nothing") is None
    start, end = find_box(AVIF, b"ftyp")
    assert AVIF[start:end].startswith(b"avif")
    long_box = struct.pack(">I4sQ", 1, b"free", 20) + b"1234"
    assert find_box(long_box, b"free") == (16, 20)
    assert find_box(struct.pack(">I4s", 0, b"free") + b"12", b"free") == (8, 10)
    assert np.array(find_box(struct.pack(">I4s", 4, b"free"), b"free")).item() is None
