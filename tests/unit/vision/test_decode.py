import io
import struct

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.decode import decode, from_image
from tests import profiles
from tests.images import (
    assert_images_close,
    assert_same_pixels,
    encoded,
    flat,
    mean_abs_diff,
    opened,
    oriented_exif,
    photo,
    png_file,
    png_with_sums,
)
from tests.strategies import pictures

LOSSLESS = {"lossless": True, "exact": True}
#: Every codec with the modes that it can hold, and how far pixels may be off.
FORMATS = [
    *[("JPEG", mode, {}, 4) for mode in ("L", "RGB", "CMYK")],
    ("JPEG", "RGB", {"progressive": True}, 4),
    *[("PNG", mode, {}, 0) for mode in ("1", "L", "LA", "RGB", "RGBA")],
    ("PNG", "P", {}, 0),
    *[("WEBP", mode, {}, 4) for mode in ("RGB", "RGBA")],
    *[("WEBP", mode, LOSSLESS, 0) for mode in ("RGB", "RGBA")],
    *[("GIF", mode, {}, 0) for mode in ("1", "L", "P")],
    *[("HEIF", mode, {"quality": 90}, 4) for mode in ("L", "RGB", "RGBA")],
    *[("AVIF", mode, {"quality": 90}, 4) for mode in ("L", "RGB", "RGBA")],
    *[("BMP", mode, {}, 0) for mode in ("1", "L", "P", "RGB")],
    *[("TIFF", mode, {}, 0) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")],
    ("TIFF", "YCbCr", {}, 2),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}, 0),
    ("TIFF", "RGB", {"compression": "jpeg"}, 3),
    ("TIFF", "1", {"compression": "group4"}, 0),
    ("MPO", "RGB", {}, 4),
]


@pytest.mark.parametrize(("codec", "mode", "options", "tolerance"), FORMATS)
def test_every_format_and_mode(codec, mode, options, tolerance):
    image = photo(mode=mode)
    decoded = decode(encoded(image, codec, **options))
    wanted = "RGBA" if mode in {"LA", "RGBA"} else "RGB"
    assert_images_close(decoded.image, image.convert(wanted), mean_abs_diff=tolerance)
    assert decoded.source_format == ("JPEG" if codec == "MPO" else codec)
    assert decoded.lossless == (
        codec in {"PNG", "GIF", "BMP", "TIFF"} or options is LOSSLESS
    )
    assert decoded.notes == ()
    assert decoded.image.info == {}
    assert decoded.icc_profile is None
    assert (decoded.jpeg is not None) == (codec in {"JPEG", "MPO"} and mode != "CMYK")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_every_orientation_of_every_format(codec, orientation):
    image = photo(96, 80)
    data = encoded(image, codec, exif=oriented_exif(orientation))
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    expected = image.transpose(turned[orientation]) if orientation > 1 else image
    assert_images_close(decode(data).image, expected, mean_abs_diff=5)


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_damaged_exif_is_ignored(codec):
    data = encoded(photo(), codec, exif=oriented_exif(6, secret=True))
    start = data.index(b"MM\0*")
    for changed in (
        data[:start] + b"XX" + data[start + 2 :],
        data[: start + 4] + b"\xff" * 6 + data[start + 10 :],
    ):
        damaged = png_with_sums(changed) if codec == "PNG" else changed
        size = decode(damaged).image.size
        assert size == ((80, 96) if codec == "AVIF" else (96, 80))


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("GIF", {}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
        ("TIFF", {}),
        ("MPO", {"quality": 95}),
    ],
)
def test_the_first_frame_counts(codec, options):
    first, second = flat((200, 60, 60), (32, 32)), flat((0, 0, 255), (32, 32))
    if codec == "GIF":
        first, second = first.quantize(), second.quantize()
    data = encoded(first, codec, save_all=True, append_images=[second], **options)
    decoded = decode(data)
    assert decoded.image.getpixel((16, 16)) == pytest.approx((200, 60, 60), abs=3)
    assert decoded.source_format == codec
    # Still pixels only: a picture tied to its file would load itself anew when saved.
    decoded.image.paste((0, 255, 0), (0, 0, 32, 32))
    assert opened(encoded(decoded.image, "PNG")).getpixel((16, 16)) == (0, 255, 0)


@pytest.mark.parametrize("codec", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(codec):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    decoded = decode(encoded(Image.fromarray(values), codec))
    expected = np.rint(values / 257).astype(np.uint8)
    assert np.array_equal(np.asarray(decoded.image)[..., 0], expected)
    assert decoded.image.mode == "RGB"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 32896, 65535]], np.int32), [0, 128, 255]),
        (np.array([[-5, 0, 131072]], np.int32), [0, 0, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[0.0, 5e5, 1e6]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, np.inf, 0.5]], np.float32), [0, 255, 128]),
        (np.array([[np.nan]], np.float32), [0]),
    ],
)
def test_integers_and_floats_are_scaled_by_what_they_use(values, expected):
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    assert list(decoded.image.getchannel("G").tobytes()) == expected


def test_a_scanner_that_uses_twelve_bits_says_so():
    sixteen = np.array([[1, 2, 3]], np.uint16)
    data = encoded(Image.fromarray(sixteen), "TIFF")
    # Four values of twelve bits take as much room.
    data = data.replace(sixteen.tobytes(), bytes.fromhex("000800fff000"))
    for tag, value in ((256, 4), (258, 12)):
        place = data.index(struct.pack("<H", tag)) + 8
        data = data[:place] + bytes([value]) + data[place + 1 :]
    assert list(decode(data).image.getchannel("G").tobytes()) == [0, 128, 255, 0]


def test_sixteen_bit_colour_and_its_transparent_colour():
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">3H", v, 65535 - v, 4096) for v in row)
        for row in ([0, 65535], [32896, 257])
    )
    data = png_file(2, 2, depth=16, kind=2, rows=rows, extra=[(b"tRNS", rows[1:7])])
    image = decode(data).image
    assert image.getpixel((0, 0)) == (0, 255, 16, 0)
    assert image.getpixel((1, 0)) == (255, 0, 16, 255)


def test_sixteen_bit_grey_with_a_transparent_value():
    rows = b"\0" + struct.pack(">3H", 0, 300, 65535)
    data = png_file(3, 1, depth=16, kind=0, rows=rows, extra=[(b"tRNS", rows[3:5])])
    assert list(decode(data).image.getchannel("A").tobytes()) == [255, 0, 255]


@pytest.mark.parametrize("kind", [4, 6])
def test_sixteen_bits_with_alpha(kind):
    values = [65535, 0] if kind == 4 else [65535, 0, 257, 32896]
    rows = b"\0" + struct.pack(f">{len(values)}H", *values)
    image = decode(png_file(1, 1, depth=16, kind=kind, rows=rows)).image
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0)) == (
        (255, 255, 255, 0) if kind == 4 else (255, 0, 1, 128)
    )


def test_interlaced_png():
    image = photo(2, 2)
    # The passes of Adam7 that are not empty: 1, 6 and 7.
    passes = [[(0, 0)], [(1, 0)], [(0, 1), (1, 1)]]
    rows = b"".join(
        b"\0" + b"".join(bytes(image.getpixel(at)) for at in row) for row in passes
    )
    data = png_file(2, 2, depth=8, kind=2, rows=rows, interlaced=True)
    assert_same_pixels(decode(data).image, image)


@pytest.mark.parametrize(
    ("mode", "color", "transparency", "alpha"),
    [
        ("P", 1, 1, 0),
        ("P", 1, b"\xff\x40", 64),
        ("L", 90, 90, 0),
        ("L", 90, 91, 255),
        ("RGB", (9, 8, 7), (9, 8, 7), 0),
        ("1", 255, 255, 0),
    ],
)
def test_transparent_colours_become_alpha(mode, color, transparency, alpha):
    image = Image.new(mode, (2, 2), color)
    if mode == "P":
        image.putpalette([0, 0, 0, 10, 20, 30])
    decoded = decode(encoded(image, "PNG", transparency=transparency))
    assert decoded.image.mode == "RGBA"
    assert decoded.image.getpixel((0, 0))[3] == alpha


def test_a_transparent_gif():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    decoded = decode(encoded(image, "GIF", transparency=1))
    assert decoded.image.mode == "RGBA"
    assert decoded.image.getpixel((0, 0))[3] == 0


def test_ten_bit_heif():
    values = (np.asarray(photo(mode="L")).astype(np.uint16) * 257).tobytes()
    data = encoded(Image.frombytes("I;16", (96, 80), values), "HEIF", quality=95)
    assert mean_abs_diff(decode(data).image, photo(mode="L").convert("RGB")) < 2


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_rgb_picture_keeps_its_profile(codec):
    profile = profiles.rgb_profile()
    data = encoded(photo(), codec, icc_profile=profile)
    decoded = decode(data)
    assert decoded.icc_profile == profile
    assert_images_close(decoded.image, opened(data).convert("RGB"), mean_abs_diff=0)


def test_heif_keeps_its_profile():
    image = photo()
    image.info["icc_profile"] = profiles.rgb_profile()
    assert decode(encoded(image, "HEIF")).icc_profile == profiles.rgb_profile()


@pytest.mark.parametrize("profile", [b"nonsense", profiles.grey_profile()])
def test_a_profile_that_does_not_fit_is_dropped(profile):
    decoded = decode(encoded(photo(), "PNG", icc_profile=profile))
    assert decoded.icc_profile is None
    assert_same_pixels(decoded.image, photo())


@pytest.mark.parametrize("codec", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(codec):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    plain = decode(encoded(cyan, codec)).image.getpixel((8, 8))
    assert plain == pytest.approx((0, 255, 255), abs=3)
    profiled = decode(encoded(cyan, codec, icc_profile=profiles.cmyk_profile()))
    assert profiled.image.getpixel((8, 8)) == pytest.approx((184,) * 3, abs=3)
    assert profiled.icc_profile is None


@pytest.mark.parametrize(
    ("codec", "mode"), [("JPEG", "L"), ("PNG", "L"), ("PNG", "LA")]
)
def test_grey_goes_through_its_profile(codec, mode):
    image = Image.new(mode, (16, 16), 100 if mode == "L" else (100, 50))
    decoded = decode(encoded(image, codec, icc_profile=profiles.grey_profile()))
    assert decoded.image.getpixel((8, 8))[:3] == pytest.approx((168,) * 3, abs=2)
    assert decoded.image.mode == ("RGB" if mode == "L" else "RGBA")
    assert decoded.image.getpixel((8, 8))[3:] == (() if mode == "L" else (50,))


def test_lab_becomes_srgb():
    lab = Image.new("LAB", (4, 4), (128, 128, 128))
    assert decode(encoded(lab, "TIFF")).image.getpixel((0, 0)) == (119, 119, 119)


@pytest.mark.parametrize(
    "codec", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "BMP", "TIFF"]
)
def test_one_pixel_is_a_picture(codec):
    assert decode(encoded(flat((1, 2, 3), (1, 1)), codec)).image.size == (1, 1)


@given(pictures())
def test_upright_twice_is_upright_once(image):
    once = decode(encoded(image, "PNG", exif=oriented_exif(6)))
    twice = decode(encoded(once.image, "PNG"))
    assert_same_pixels(twice.image, once.image)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_a_pillow_image_is_taken_and_left_alone(mode):
    image = photo(mode=mode)
    before = image.tobytes()
    picture = from_image(image)
    picture.image.paste((1, 2, 3), (0, 0, 9, 9))
    assert image.tobytes() == before
    assert picture.source_format == "PNG"
    assert picture.lossless
    assert picture.jpeg is None


def test_a_pillow_image_from_a_file_is_turned_and_cleaned():
    data = encoded(
        photo(), "JPEG", exif=oriented_exif(6), icc_profile=profiles.rgb_profile()
    )
    with Image.open(io.BytesIO(data)) as image:
        picture = from_image(image)
    assert picture.image.size == (80, 96)
    assert picture.image.info == {}
    assert picture.icc_profile == profiles.rgb_profile()


def test_a_pillow_image_without_pixels_is_refused():
    with pytest.raises(ImageError, match="no pixels") as caught:
        from_image(Image.new("RGB", (0, 5)))
    assert caught.value.kind == "empty"


def test_a_pillow_image_that_cannot_load_is_refused():
    data = encoded(photo(), "PNG")
    with (
        Image.open(io.BytesIO(data[:-200])) as image,
        pytest.raises(ImageError) as caught,
    ):
        from_image(image)
    assert caught.value.kind == "broken"
