import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.webp import WebpHeader, read_webp_header
from tests.images import encoded, photo


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0"])
def test_size_and_kind_are_read(lossless, mode, animated, exif):
    image = photo(97, 33, mode)
    more = {"save_all": True, "append_images": [photo(97, 33)]} if animated else {}
    data = encoded(image, "WEBP", lossless=lossless, exif=exif, **more)
    assert read_webp_header(data) == WebpHeader((97, 33), lossless)


@given(st.binary(max_size=60))
def test_damage_is_left_for_the_decoder(tail):
    assert read_webp_header(b"RIFF\0\0\0\0WEBP" + tail).size_wh is not None


def test_a_file_that_ends_early_has_no_size():
    assert read_webp_header(b"RIFF\0\0\0\0WEBP") == WebpHeader((0, 0), lossless=False)
