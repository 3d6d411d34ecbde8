import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.decode import DecodeLimits, decode
from tests.images import encoded, oriented_exif, photo, png_file


@pytest.mark.parametrize(
    "codec", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "BMP", "TIFF"]
)
def test_pixels_are_limited(codec):
    data = encoded(photo(96, 80), codec)
    assert decode(data, DecodeLimits(max_pixels=96 * 80)).image.size == (96, 80)
    with pytest.raises(ImageError, match="96 x 80 pixels") as caught:
        decode(data, DecodeLimits(max_pixels=96 * 80 - 1))
    assert caught.value.kind == "too_many_pixels"


def test_bytes_are_limited():
    data = encoded(photo(), "PNG")
    assert decode(data, DecodeLimits(max_bytes=len(data))).image.size == (96, 80)
    with pytest.raises(ImageError, match="MB") as caught:
        decode(data, DecodeLimits(max_bytes=len(data) - 1))
    assert caught.value.kind == "too_large"


def _bombs() -> dict[str, bytes]:
    """Make small files whose headers promise a billion pixels."""
    jpeg = bytearray(encoded(photo(), "JPEG"))
    size = jpeg.index(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">2H", 40000, 40000)
    bmp = bytearray(encoded(photo(), "BMP"))
    bmp[18:26] = struct.pack("<2i", 40000, 40000)
    gif = bytearray(encoded(photo(mode="P"), "GIF"))
    gif[6:10] = struct.pack("<2H", 40000, 40000)
    webp = encoded(photo(), "WEBP", exif=oriented_exif(1))
    webp = webp[:24] + b"\xff\x3f\0\xff\x3f\0" + webp[30:]
    tiff = encoded(photo(), "TIFF")
    for tag in (0x100, 0x101):
        entry = tiff.index(struct.pack("<2H", tag, 4))
        tiff = tiff[: entry + 8] + struct.pack("<I", 40000) + tiff[entry + 12 :]
    png = png_file(40000, 40000, depth=8, kind=2, rows=b"")
    bitmap = bytearray(encoded(photo(), "ICO", sizes=[(96, 80)], bitmap_format="bmp"))
    bitmap[26:34] = struct.pack("<2i", 40000, -80000)
    return {
        "jpeg": bytes(jpeg),
        "bmp": bytes(bmp),
        "gif": bytes(gif),
        "webp": webp,
        "tiff": tiff,
        "png": png,
        "icon of a png": b"\0\0\1\0\1\0"
        + struct.pack("<8B2I", *[0] * 8, len(png), 22)
        + png,
        "icon of a bitmap": bytes(bitmap),
    }


@pytest.mark.parametrize("data", _bombs().values(), ids=_bombs())
def test_bombs_are_refused_by_their_headers(data):
    with pytest.raises(ImageError, match="megapixels") as caught:
        decode(data)
    assert caught.value.kind == "too_many_pixels"


def test_a_bomb_of_text_is_refused():
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 3_000_000, zip=True)
    with pytest.raises(ImageError, match="damaged") as caught:
        decode(encoded(photo(), "PNG", pnginfo=text))
    assert caught.value.kind == "broken"


def test_nothing_is_not_a_picture():
    with pytest.raises(ImageError, match="empty") as caught:
        decode(b"")
    assert caught.value.kind == "empty"


@pytest.mark.parametrize("codec", ["PNG", "WEBP", "HEIF", "AVIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_half_a_file_is_refused(codec, share):
    data = encoded(photo(), codec)
    with pytest.raises(ImageError) as caught:
        decode(data[: int(len(data) * share)])
    assert caught.value.kind in {"broken", "not_an_image"}


def test_a_cut_jpeg_says_so():
    data = encoded(photo(256, 256), "JPEG", quality=90)
    decoded = decode(data[: int(len(data) * 0.8)])
    (note,) = decoded.notes
    assert "rows are missing" in note
    assert decoded.source_bytes == 0


SEEDS = [
    encoded(photo(24, 20, mode), codec, **options)
    for codec, mode, options in [
        ("JPEG", "RGB", {"exif": oriented_exif(6, secret=True)}),
        ("JPEG", "CMYK", {"progressive": True}),
        ("PNG", "RGBA", {"exif": oriented_exif(6)}),
        ("PNG", "P", {}),
        ("WEBP", "RGBA", {"exif": oriented_exif(6)}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("AVIF", "RGB", {}),
        ("HEIF", "RGB", {}),
    ]
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0.5, 1),
)
def test_damage_is_an_image_error_or_a_picture(data, changes, share):
    damaged = bytearray(data[: int(len(data) * share)])
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    with contextlib.suppress(ImageError):
        assert decode(bytes(damaged)).image.mode in {"RGB", "RGBA"}
