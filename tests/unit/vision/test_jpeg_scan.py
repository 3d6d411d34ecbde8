import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.jpeg_scan import (
    END_MARKER,
    find_end,
    read_header,
    without_metadata,
)
from tests import profiles
from tests.images import (
    SECRET_COMMENT,
    SECRET_XMP,
    SECRETS,
    assert_same_pixels,
    encoded,
    opened,
    oriented_exif,
    photo,
)


def jpeg(**options: object) -> bytes:
    return encoded(photo(), "JPEG", **options)


def test_metadata_goes_and_the_pixels_stay():
    data = jpeg(
        exif=oriented_exif(6, secret=True),
        xmp=SECRET_XMP,
        comment=SECRET_COMMENT,
        icc_profile=profiles.SRGB,
    )
    clean = without_metadata(data, read_header(data))
    assert not any(secret in clean for secret in SECRETS)
    assert profiles.SRGB in clean
    assert_same_pixels(opened(clean), opened(data))


def test_a_clean_file_is_left_as_it_is():
    data = jpeg()
    assert without_metadata(data, read_header(data)) == data


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("restarts", [0, 2])
def test_the_end_is_found_behind_which_more_follows(progressive, restarts):
    data = jpeg(progressive=progressive, restart_marker_blocks=restarts)
    start = read_header(data).scan_start
    assert find_end(data, start).complete
    end = find_end(data + b"a video, or another picture", start)
    assert end.complete
    assert data[end.usable_bytes :] == END_MARKER
    assert (end.scans > 1) == progressive


@pytest.mark.parametrize("progressive", [False, True])
def test_every_cut_is_noticed(progressive):
    data = jpeg(progressive=progressive)
    start = read_header(data).scan_start
    for length in range(start + 40, len(data)):
        end = find_end(data[:length], start)
        assert not end.complete
        assert start < end.usable_bytes <= length


def test_a_file_cut_before_its_pixels_is_refused():
    data = jpeg()
    for length in (3, 20, read_header(data).scan_start):
        with pytest.raises(ImageError, match="before its first pixel") as caught:
            read_header(data[:length])
        assert caught.value.kind == "truncated"


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_rare_compression_is_refused(marker):
    data = jpeg().replace(b"\xff\xc0\x00\x11", bytes([0xFF, marker, 0x00, 0x11]))
    with pytest.raises(ImageError, match="rare kind of compression") as caught:
        read_header(data)
    assert caught.value.kind == "unsupported"


def test_twelve_bits_are_refused():
    data = jpeg().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c")
    with pytest.raises(ImageError, match="12 bits per colour") as caught:
        read_header(data)
    assert caught.value.kind == "unsupported"


@given(st.binary(max_size=80))
def test_any_bytes_are_a_header_or_an_image_error(tail):
    try:
        header = read_header(b"\xff\xd8\xff" + tail)
    except ImageError:
        return
    find_end(b"\xff\xd8\xff" + tail, header.scan_start)
