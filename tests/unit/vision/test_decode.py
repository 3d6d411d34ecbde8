import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.decode import (
    DecodeLimits,
    damage_named,
    decode,
    from_image,
)
from emojifier_bot.vision.formats import FORMATS
from tests import profiles
from tests.fuzz.seeds import seeds
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

CODECS = [one.name for one in FORMATS if one.name != "MPO"]
LOSSLESS = {"lossless": True, "exact": True}
PALETTE_NOTE = "Its palette becomes full colour, so the file may grow."
#: Every codec with the modes that it can hold, and how far pixels may be off.
MODES = [
    *[("JPEG", mode, {}, 4) for mode in ("L", "RGB", "CMYK")],
    ("JPEG", "RGB", {"progressive": True}, 4),
    *[("PNG", mode, {}, 0) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
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
    *[("ICO", mode, {"sizes": [(96, 80)]}, 0) for mode in ("L", "RGB", "RGBA")],
    ("ICO", "RGBA", {"sizes": [(96, 80)], "bitmap_format": "bmp"}, 0),
]
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TestFormats:
    @pytest.mark.parametrize(("codec", "mode", "options", "tolerance"), MODES)
    def test_every_format_and_mode(self, codec, mode, options, tolerance):
        image = photo(mode=mode)
        decoded = decode(encoded(image, codec, **options))
        wanted = from_image(
            image.convert("RGBA" if mode in {"LA", "RGBA"} else "RGB")
        ).image
        assert_images_close(decoded.image, wanted, mean_abs_diff=tolerance)
        assert decoded.source_format == ("JPEG" if codec == "MPO" else codec)
        lossless = {"PNG", "GIF", "BMP", "TIFF", "ICO"}
        assert decoded.lossless == (codec in lossless or options is LOSSLESS)
        has_palette = mode == "P" or (codec, mode) == ("GIF", "L")
        assert decoded.notes == ((PALETTE_NOTE,) if has_palette else ())
        assert decoded.image.info == {}
        assert decoded.icc_profile is None
        kept = codec in {"JPEG", "MPO"} and mode != "CMYK"
        assert (decoded.jpeg is not None) == kept

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
    def test_every_orientation(self, codec, orientation):
        image = photo(96, 80)
        data = encoded(image, codec, exif=oriented_exif(orientation))
        expected = image.transpose(TURNS[orientation]) if orientation > 1 else image
        assert_images_close(decode(data).image, expected, mean_abs_diff=5)

    @pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "AVIF"])
    def test_damaged_exif_is_ignored(self, codec):
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
    def test_the_first_frame_counts(self, codec, options):
        first, second = flat((200, 60, 60), (32, 32)), flat((0, 0, 255), (32, 32))
        if codec == "GIF":
            first, second = first.quantize(), second.quantize()
        data = encoded(first, codec, save_all=True, append_images=[second], **options)
        decoded = decode(data)
        assert decoded.image.getpixel((16, 16)) == pytest.approx((200, 60, 60), abs=3)
        assert decoded.source_format == codec
        # Pixels only: a picture tied to its file would load itself anew when saved.
        decoded.image.paste((0, 255, 0), (0, 0, 32, 32))
        saved = opened(encoded(decoded.image, "PNG"))
        assert saved.getpixel((16, 16)) == (0, 255, 0)

    @pytest.mark.parametrize("codec", CODECS)
    def test_one_pixel_is_a_picture(self, codec):
        options = {"sizes": [(1, 1)]} if codec == "ICO" else {}
        data = encoded(flat((1, 2, 3), (1, 1)), codec, **options)
        assert decode(data).image.size == (1, 1)

    def test_an_interlaced_png(self):
        image = photo(2, 2)
        # The passes of Adam7 that are not empty: 1, 6 and 7.
        passes = [[(0, 0)], [(1, 0)], [(0, 1), (1, 1)]]
        rows = b"".join(
            b"\0" + b"".join(bytes(image.getpixel(at)) for at in row) for row in passes
        )
        data = png_file(2, 2, depth=8, kind=2, rows=rows, interlaced=True)
        assert_same_pixels(decode(data).image, image)


class TestDepth:
    @pytest.mark.parametrize("codec", ["PNG", "TIFF"])
    def test_sixteen_bits_are_scaled(self, codec):
        values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
        decoded = decode(encoded(Image.fromarray(values), codec))
        expected = np.rint(values / 257).astype(np.uint8)
        assert np.array_equal(np.asarray(decoded.image)[..., 0], expected)
        assert decoded.image.mode == "RGB"

    @pytest.mark.parametrize(
        ("values", "kind", "expected"),
        [
            ([0, 100, 255], np.int32, [0, 100, 255]),
            ([0, 32896, 65535], np.int32, [0, 128, 255]),
            ([-5, 0, 131072], np.int32, [0, 0, 255]),
            ([0.0, 0.5, 1.0], np.float32, [0, 128, 255]),
            ([0.0, 100.0, 255.0], np.float32, [0, 100, 255]),
            ([0.0, 5e5, 1e6], np.float32, [0, 128, 255]),
            ([np.nan, np.inf, 0.5], np.float32, [0, 255, 128]),
            ([np.nan], np.float32, [0]),
        ],
    )
    def test_integers_and_floats_are_scaled_by_what_they_use(
        self, values, kind, expected
    ):
        data = encoded(Image.fromarray(np.array([values], kind)), "TIFF")
        assert list(decode(data).image.getchannel("G").tobytes()) == expected

    def test_a_scanner_that_uses_twelve_bits_says_so(self):
        sixteen = np.array([[1, 2, 3]], np.uint16)
        data = encoded(Image.fromarray(sixteen), "TIFF")
        # Four values of twelve bits take as much room.
        data = data.replace(sixteen.tobytes(), bytes.fromhex("000800fff000"))
        for tag, value in ((256, 4), (258, 12)):
            place = data.index(struct.pack("<H", tag)) + 8
            data = data[:place] + bytes([value]) + data[place + 1 :]
        grey = decode(data).image.getchannel("G").tobytes()
        assert list(grey) == [0, 128, 255, 0]

    def test_sixteen_bit_colour_and_its_transparent_colour(self):
        rows = b"".join(
            b"\0" + b"".join(struct.pack(">3H", v, 65535 - v, 4096) for v in row)
            for row in ([0, 65535], [32896, 257])
        )
        data = png_file(2, 2, depth=16, kind=2, rows=rows, extra=[(b"tRNS", rows[1:7])])
        image = decode(data).image
        assert image.getpixel((0, 0)) == (0, 0, 0, 0)
        assert image.getpixel((1, 0)) == (255, 0, 16, 255)

    def test_sixteen_bit_grey_with_a_transparent_value(self):
        rows = b"\0" + struct.pack(">3H", 0, 300, 65535)
        data = png_file(3, 1, depth=16, kind=0, rows=rows, extra=[(b"tRNS", rows[3:5])])
        assert list(decode(data).image.getchannel("A").tobytes()) == [255, 0, 255]

    @pytest.mark.parametrize(
        ("kind", "values", "pixel"),
        [
            (4, [65535, 0], (0, 0, 0, 0)),
            (4, [65535, 257], (255, 255, 255, 1)),
            (6, [65535, 0, 257, 32896], (255, 0, 1, 128)),
        ],
    )
    def test_sixteen_bits_with_alpha(self, kind, values, pixel):
        rows = b"\0" + struct.pack(f">{len(values)}H", *values)
        image = decode(png_file(1, 1, depth=16, kind=kind, rows=rows)).image
        assert (image.mode, image.getpixel((0, 0))) == ("RGBA", pixel)

    def test_ten_bit_heif(self):
        values = (np.asarray(photo(mode="L")).astype(np.uint16) * 257).tobytes()
        data = encoded(Image.frombytes("I;16", (96, 80), values), "HEIF", quality=95)
        assert mean_abs_diff(decode(data).image, photo(mode="L").convert("RGB")) < 2


class TestColour:
    @pytest.mark.parametrize(
        ("codec", "mode", "color", "transparency", "alpha"),
        [
            ("PNG", "P", 1, 1, 0),
            ("PNG", "P", 1, b"\xff\x40", 64),
            ("PNG", "L", 90, 90, 0),
            ("PNG", "L", 90, 91, 255),
            ("PNG", "RGB", (9, 8, 7), (9, 8, 7), 0),
            ("PNG", "1", 255, 255, 0),
            ("GIF", "P", 1, 1, 0),
        ],
    )
    def test_transparent_colours_become_alpha(
        self, codec, mode, color, transparency, alpha
    ):
        image = Image.new(mode, (2, 2), color)
        if mode == "P":
            image.putpalette([0, 0, 0, 10, 20, 30])
        decoded = decode(encoded(image, codec, transparency=transparency))
        assert decoded.image.mode == "RGBA"
        assert decoded.image.getpixel((0, 0))[3] == alpha

    @pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
    def test_an_rgb_picture_keeps_its_profile(self, codec):
        image, profile = photo(), profiles.rgb_profile()
        # pillow-heif looks at the picture only.
        image.info["icc_profile"] = profile
        options = {} if codec == "HEIF" else {"icc_profile": profile}
        data = encoded(image, codec, **options)
        decoded = decode(data)
        assert decoded.icc_profile == profile
        if codec != "HEIF":
            assert_same_pixels(decoded.image, opened(data).convert("RGB"))

    @pytest.mark.parametrize("profile", [b"nonsense", profiles.grey_profile()])
    def test_a_profile_that_does_not_fit_is_dropped(self, profile):
        decoded = decode(encoded(photo(), "PNG", icc_profile=profile))
        assert decoded.icc_profile is None
        assert_same_pixels(decoded.image, photo())

    @pytest.mark.parametrize("codec", ["JPEG", "TIFF"])
    def test_cmyk_goes_through_its_profile(self, codec):
        cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
        plain = decode(encoded(cyan, codec)).image.getpixel((8, 8))
        assert plain == pytest.approx((0, 255, 255), abs=3)
        profiled = decode(encoded(cyan, codec, icc_profile=profiles.cmyk_profile()))
        assert profiled.image.getpixel((8, 8)) == pytest.approx((184,) * 3, abs=3)
        assert profiled.icc_profile is None

    @pytest.mark.parametrize(
        ("codec", "mode", "color"),
        [("JPEG", "L", 100), ("PNG", "L", 100), ("PNG", "LA", (100, 50))],
    )
    def test_grey_goes_through_its_profile(self, codec, mode, color):
        image = Image.new(mode, (16, 16), color)
        decoded = decode(encoded(image, codec, icc_profile=profiles.grey_profile()))
        grey, alpha = (168,) * 3, (50,) if mode == "LA" else ()
        pixel = decoded.image.getpixel((8, 8))
        assert pixel == pytest.approx(grey + alpha, abs=2)

    def test_lab_becomes_srgb(self):
        lab = Image.new("LAB", (4, 4), (128, 128, 128))
        image = decode(encoded(lab, "TIFF")).image
        assert image.getpixel((0, 0)) == (119, 119, 119)


class TestPillowImages:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
    def test_one_is_taken_and_left_alone(self, mode):
        image = photo(mode=mode)
        before = image.tobytes()
        picture = from_image(image)
        picture.image.paste((1, 2, 3), (0, 0, 9, 9))
        assert image.tobytes() == before
        assert picture.source_format == "PNG"
        assert picture.lossless
        assert picture.jpeg is None

    def test_one_from_a_file_is_turned_and_cleaned(self):
        profile = profiles.rgb_profile()
        data = encoded(photo(), "JPEG", exif=oriented_exif(6), icc_profile=profile)
        with Image.open(io.BytesIO(data)) as image:
            picture = from_image(image)
        assert picture.image.size == (80, 96)
        assert picture.image.info == {}
        assert picture.icc_profile == profile

    def test_one_without_pixels_is_refused(self):
        with pytest.raises(ImageError, match="no pixels") as caught:
            from_image(Image.new("RGB", (0, 5)))
        assert caught.value.kind == "empty"

    def test_one_that_cannot_load_is_refused(self):
        with (
            Image.open(io.BytesIO(encoded(photo(), "PNG")[:-200])) as image,
            pytest.raises(ImageError) as caught,
        ):
            from_image(image)
        assert caught.value.kind == "broken"


def bombs() -> dict[str, bytes]:
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
    icon = bytearray(encoded(photo(), "ICO", sizes=[(96, 80)], bitmap_format="bmp"))
    icon[26:34] = struct.pack("<2i", 40000, -80000)
    return {
        "jpeg": bytes(jpeg),
        "bmp": bytes(bmp),
        "gif": bytes(gif),
        "webp": webp,
        "tiff": tiff,
        "png": png,
        "icon of a png": struct.pack("<3H8x2I", 0, 1, 1, len(png), 22) + png,
        "icon of a bitmap": bytes(icon),
    }


class TestLimits:
    @pytest.mark.parametrize("codec", CODECS)
    def test_pixels_are_limited(self, codec):
        options = {"sizes": [(96, 80)]} if codec == "ICO" else {}
        data = encoded(photo(96, 80), codec, **options)
        assert decode(data, DecodeLimits(max_pixels=96 * 80)).image.size == (96, 80)
        with pytest.raises(
            ImageError, match=r"96 x 80 .*EMOJIFIER_MAX_PIXELS"
        ) as caught:
            decode(data, DecodeLimits(max_pixels=96 * 80 - 1))
        assert caught.value.kind == "too_many_pixels"

    @pytest.mark.parametrize("data", bombs().values(), ids=bombs())
    def test_bombs_are_refused_by_their_headers(self, data):
        with pytest.raises(ImageError, match="megapixels") as caught:
            decode(data)
        assert caught.value.kind == "too_many_pixels"

    def test_a_bomb_of_text_is_left_out(self):
        text = PngImagePlugin.PngInfo()
        text.add_text("comment", "a" * 3_000_000, zip=True)
        assert_same_pixels(decode(encoded(photo(), "PNG", pnginfo=text)).image, photo())

    def test_bytes_are_limited(self):
        data = encoded(photo(), "PNG")
        assert decode(data, DecodeLimits(max_bytes=len(data))).image.size == (96, 80)
        with pytest.raises(ImageError, match=r"MB.*EMOJIFIER_MAX_BYTES") as caught:
            decode(data, DecodeLimits(max_bytes=len(data) - 1))
        assert caught.value.kind == "too_large"
        with pytest.raises(ImageError, match="empty") as caught:
            decode(b"")
        assert caught.value.kind == "empty"


class TestMetadata:
    @pytest.mark.parametrize(
        ("codec", "options"),
        [
            ("JPEG", {"xmp": b"x" * 60_000}),
            ("WEBP", {"xmp": b"x" * 3_000_000}),
            ("AVIF", {"xmp": b"x" * 3_000_000}),
            ("HEIF", {"xmp": b"x" * 3_000_000}),
            ("TIFF", {"tiffinfo": {700: b"x" * 3_000_000}}),
            ("GIF", {"comment": b"x" * 200_000}),
            *[
                (codec, {"icc_profile": b"junk" * 1000})
                for codec in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF")
            ],
        ],
    )
    def test_what_no_pixel_needs_decides_nothing(self, codec, options):
        image = photo(mode="P" if codec == "GIF" else "RGB")
        if codec == "HEIF":
            # pillow-heif looks at the picture only.
            image.info |= options
            options = {}
        decoded = decode(encoded(image, codec, **options))
        assert decoded.image.size == (96, 80)
        assert decoded.icc_profile is None


class TestDamage:
    @pytest.mark.parametrize("codec", ["PNG", "WEBP", "HEIF", "AVIF", "BMP", "TIFF"])
    @pytest.mark.parametrize("share", [0.02, 0.5])
    def test_half_a_file_is_refused(self, codec, share):
        data = encoded(photo(), codec)
        with pytest.raises(ImageError) as caught:
            decode(data[: int(len(data) * share)])
        assert caught.value.kind in {"broken", "not_an_image"}

    @given(
        st.sampled_from([data for _, data in seeds()]),
        st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
        st.floats(0.5, 1),
    )
    def test_it_is_an_image_error_or_a_picture(self, data, changes, share):
        damaged = bytearray(data[: int(len(data) * share)])
        for place, value in changes:
            damaged[int(place * (len(damaged) - 1))] = value
        with contextlib.suppress(ImageError):
            assert decode(bytes(damaged)).image.mode in {"RGB", "RGBA"}

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (MemoryError(), "too_many_pixels"),
            (
                OSError("encoder error -2 when writing: out of memory"),
                "too_many_pixels",
            ),
            # VP8_ENC_ERROR_OUT_OF_MEMORY, as WebP's animations say it.
            (
                RuntimeError("ERROR adding frame. WebPEncodingError: 1."),
                "too_many_pixels",
            ),
            (RuntimeError("can't start new thread"), "too_many_pixels"),
            (RuntimeError("ERROR adding frame. WebPEncodingError: 5."), "broken"),
            (OSError("broken data stream when reading image file"), "broken"),
        ],
    )
    def test_too_little_memory_is_not_told_as_damage(self, error, kind):
        with pytest.raises(ImageError) as caught, damage_named("WEBP"):
            raise error

        assert caught.value.kind == kind
