import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.loaded import exif_directory, orientation_of
from emojifier_bot.vision.loaders import webp_header
from tests.images import encoded, oriented_exif, photo

LITTLE_ENDIAN = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    ("exif", "orientation"),
    [
        *[(oriented_exif(one), one) for one in range(1, 9)],
        (LITTLE_ENDIAN, 8),
        (b"Exif\0\0" + LITTLE_ENDIAN, 8),
        (None, 1),
        (b"", 1),
        (b"Exif\0\0", 1),
        (b"nonsense", 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"MM\0*\0\0\0\x08\xff\xff", 1),
        (oriented_exif(6)[:20], 1),
        (oriented_exif(9), 1),
        (oriented_exif(0), 1),
        (oriented_exif(6).replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x0c"), 1),
    ],
)
def test_orientation_is_read_and_damage_means_upright(exif, orientation):
    assert orientation_of(exif_directory(exif)) == orientation


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0"]))
def test_any_bytes_give_an_orientation(tail, head):
    assert orientation_of(exif_directory(head + tail)) in range(1, 9)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0"])
def test_a_webp_says_its_size_and_kind(lossless, mode, animated, exif):
    more = {"save_all": True, "append_images": [photo(97, 33)]} if animated else {}
    image = photo(97, 33, mode)
    data = encoded(image, "WEBP", lossless=lossless, exif=exif, **more)
    assert webp_header(data) == ((97, 33), lossless)


@given(st.binary(max_size=60))
def test_damage_to_a_webp_is_left_for_the_decoder(tail):
    assert webp_header(b"RIFF\0\0\0\0WEBP" + tail)[0] is not None


def test_a_webp_that_ends_early_has_no_size():
    assert webp_header(b"RIFF\0\0\0\0WEBP") == ((0, 0), False)
