import math

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.decode import decode, from_image
from emojifier_bot.vision.encode import (
    choose_options,
    encode,
    output_format,
    psnr_db,
    sample_of,
    weighted_by_alpha,
)
from emojifier_bot.vision.formats import FORMATS
from tests import profiles
from tests.images import (
    SECRET_COMMENT,
    SECRET_XMP,
    SECRETS,
    assert_images_close,
    assert_same_pixels,
    encoded,
    flat,
    mean_abs_diff,
    opened,
    oriented_exif,
    photo,
    psnr,
)
from tests.strategies import pictures

LOSSLESS_WEBP = {"lossless": True, "exact": True}
REQUIRED_DB = 40
SMALL = (400, 300)
SIZE_RATIO = 1.3
WRITTEN = tuple(one.name for one in FORMATS if one.is_written)


def through(data: bytes, **options: object) -> bytes:
    decoded = decode(data)
    return encode(decoded, decoded.image, **options)


def on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


class TestFormat:
    @pytest.mark.parametrize(
        ("codec", "mode", "expected"),
        [
            *[("JPEG", mode, "JPEG") for mode in ("L", "RGB", "CMYK")],
            *[("PNG", mode, "PNG") for mode in ("P", "RGB", "RGBA")],
            *[("WEBP", mode, "WEBP") for mode in ("RGB", "RGBA")],
            *[("AVIF", mode, "AVIF") for mode in ("RGB", "RGBA")],
            *[("TIFF", mode, "TIFF") for mode in ("RGB", "RGBA")],
            ("MPO", "RGB", "JPEG"),
            ("GIF", "P", "PNG"),
            ("ICO", "RGB", "PNG"),
            ("HEIF", "RGB", "JPEG"),
            ("HEIF", "RGBA", "PNG"),
            ("BMP", "RGB", "BMP"),
        ],
    )
    def test_the_result_has_the_format_that_fits(self, codec, mode, expected):
        decoded = decode(encoded(photo(mode=mode), codec))
        assert output_format(decoded, None) == expected
        result = opened(encode(decoded, decoded.image))
        assert result.format == expected
        assert result.mode == decoded.image.mode
        assert result.size == decoded.image.size

    @pytest.mark.parametrize(
        ("extension", "expected"),
        [
            (".jpg", "JPEG"),
            (".JPEG", "JPEG"),
            (".png", "PNG"),
            (".webp", "WEBP"),
            (".avif", "AVIF"),
            (".tif", "TIFF"),
            (".tiff", "TIFF"),
            (".bmp", "BMP"),
        ],
    )
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_the_extension_wins(self, extension, expected, mode):
        decoded = decode(encoded(photo(mode=mode), "PNG"))
        name = output_format(decoded, extension)
        assert name == expected
        assert opened(encode(decoded, decoded.image, name)).format == expected

    @pytest.mark.parametrize("extension", [".heic", ".gif", ".txt", "", "txt"])
    def test_an_extension_that_cannot_be_written_lists_the_others(self, extension):
        with pytest.raises(ImageError, match=r"\.jpg, \.png, \.webp, \.av") as caught:
            output_format(from_image(photo()), extension)
        assert caught.value.kind == "output_format"

    def test_a_picture_too_large_for_a_format_is_refused(self):
        decoded = from_image(Image.new("RGB", (17000, 1)))
        with pytest.raises(ImageError, match="Choose PNG") as caught:
            encode(decoded, decoded.image, "WEBP")
        assert caught.value.kind == "output_format"
        assert opened(encode(decoded, decoded.image, "PNG")).size == (17000, 1)

    @pytest.mark.parametrize("name", ["JPEG", "BMP"])
    def test_formats_without_transparency_show_white(self, name):
        decoded = from_image(Image.new("RGBA", (16, 16), (9, 9, 9, 0)))
        pixel = opened(encode(decoded, decoded.image, name)).getpixel((8, 8))
        assert pixel == pytest.approx((255, 255, 255), abs=1)
        assert decoded.image.getpixel((8, 8)) == (0, 0, 0, 0)

    @pytest.mark.parametrize("name", [one for one in WRITTEN if one != "BMP"])
    def test_the_profile_is_written(self, name):
        profile = profiles.rgb_profile()
        decoded = decode(encoded(photo(), "PNG", icc_profile=profile))
        assert decode(encode(decoded, decoded.image, name)).icc_profile == profile

    def test_a_format_without_profiles_gets_srgb(self):
        profile = profiles.rgb_profile()
        decoded = decode(encoded(flat((128,) * 3), "PNG", icc_profile=profile))
        result = opened(encode(decoded, decoded.image, "BMP"))
        assert result.getpixel((4, 4)) == (146,) * 3


class TestFidelity:
    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
    @pytest.mark.parametrize("quality", [30, 95])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_a_jpeg_keeps_its_tables(self, subsampling, quality, progressive):
        data = encoded(
            photo(333, 250),
            "JPEG",
            quality=quality,
            subsampling=subsampling,
            progressive=progressive,
        )
        before, result = opened(data), through(data)
        after = opened(result)
        assert after.quantization == before.quantization
        factors = [layer[1:3] for layer in before.layer]
        assert [layer[1:3] for layer in after.layer] == factors
        assert "progressive" not in after.info
        assert psnr(after, before) >= REQUIRED_DB
        assert len(result) <= SIZE_RATIO * len(data)

    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
    @pytest.mark.parametrize("size", [(1000, 1003), (1111, 1024)])
    def test_a_jpeg_of_two_halves_is_that_of_the_whole(self, subsampling, size):
        data = encoded(
            photo(*size),
            "JPEG",
            quality=90,
            subsampling=subsampling,
            icc_profile=profiles.rgb_profile(swapped=True),
        )
        decoded = decode(data)
        halves = encode(decoded, decoded.image)
        whole = encode(decoded, decoded.image.copy())
        assert b"\xff\xd7" in halves
        assert len(halves) <= 1.01 * len(whole)
        assert_same_pixels(opened(halves), opened(whole))
        assert opened(halves).info == opened(whole).info

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("size", [(320, 240), (333, 251)])
    def test_a_turned_jpeg_stays_true(self, orientation, size):
        exif = oriented_exif(orientation)
        data = encoded(photo(*size), "JPEG", quality=90, exif=exif)
        decoded = decode(data)
        result = encode(decoded, decoded.image)
        assert psnr(opened(result), decoded.image) >= REQUIRED_DB
        assert len(result) <= SIZE_RATIO * len(data)

    @pytest.mark.parametrize(
        ("codec", "mode", "size", "options"),
        [
            ("JPEG", "RGB", SMALL, {"quality": 90, "progressive": True}),
            ("JPEG", "L", SMALL, {"quality": 80}),
            ("JPEG", "CMYK", SMALL, {"quality": 80}),
            ("JPEG", "RGB", SMALL, {"quality": 85, "keep_rgb": True}),
            ("WEBP", "RGB", SMALL, {"quality": 80}),
            ("WEBP", "RGBA", SMALL, {"quality": 80}),
            # Too large to be tried whole: a sample chooses the quality.
            ("WEBP", "RGB", (1000, 700), {"quality": 85}),
            ("AVIF", "RGB", SMALL, {"quality": 80}),
            ("AVIF", "RGBA", SMALL, {"quality": 80}),
            ("HEIF", "RGB", SMALL, {"quality": 80}),
        ],
    )
    def test_a_lossy_result_stays_true_and_small(self, codec, mode, size, options):
        data = encoded(photo(*size, mode), codec, **options)
        decoded = decode(data)
        result = encode(decoded, decoded.image)
        seen = decode(result).image
        assert psnr(on_white(seen), on_white(decoded.image)) >= REQUIRED_DB
        assert len(result) <= SIZE_RATIO * len(data)

    def test_a_cut_off_jpeg_is_written_whole(self):
        data = encoded(photo(256, 256), "JPEG", quality=90)
        decoded = decode(data[: int(len(data) * 0.8)])
        result = opened(encode(decoded, decoded.image))
        assert_images_close(result, decoded.image, mean_abs_diff=1)

    def test_quality_overrides_the_inputs(self):
        data = encoded(photo(200, 160), "JPEG", quality=95, subsampling="4:4:4")
        coarse, fine = through(data, quality=30), through(data, quality=90)
        assert len(coarse) < len(fine) < len(data)
        assert opened(coarse).quantization != opened(data).quantization
        assert opened(coarse).layer[0][1:3] == (1, 1)

    @pytest.mark.parametrize("codec", WRITTEN)
    def test_quality_means_something_to_lossy_formats_only(self, codec):
        decoded = from_image(photo(200, 160))
        coarse, fine = (encode(decoded, decoded.image, codec, q) for q in (20, 90))
        if codec in {"JPEG", "WEBP", "AVIF"}:
            assert len(coarse) < len(fine)
        else:
            assert coarse == fine
            assert_same_pixels(opened(coarse), decoded.image)

    @given(pictures())
    @pytest.mark.parametrize(
        ("codec", "options"),
        [("PNG", {}), ("TIFF", {}), ("WEBP", LOSSLESS_WEBP), ("BMP", {})],
    )
    def test_lossless_formats_give_back_every_pixel(self, codec, options, image):
        # BMP has no transparency.
        image = image.convert("RGB") if codec == "BMP" else image
        decoded = decode(through(encoded(image, codec, **options)))
        assert decoded.source_format == codec
        assert decoded.lossless
        # WebP drops a transparency that hides nothing; the pixels are the same.
        expected = from_image(image).image.convert("RGBA")
        assert_same_pixels(decoded.image.convert("RGBA"), expected)


class TestPainted:
    @pytest.mark.parametrize("codec", [*WRITTEN, "HEIF"])
    def test_a_painted_picture_is_what_is_written(self, codec):
        decoded = decode(encoded(photo(), codec))
        decoded.image.paste((255, 0, 255), (16, 16, 64, 64))
        result = decode(encode(decoded, decoded.image)).image
        painted = result.crop((24, 24, 56, 56))
        assert mean_abs_diff(painted, flat((255, 0, 255), (32, 32))) < 8

    def test_colour_on_a_grey_jpeg_comes_out_in_colour(self):
        decoded = decode(encoded(photo(mode="L"), "JPEG", quality=60))
        decoded.image.paste((255, 204, 77), (16, 16, 64, 64))
        result = opened(encode(decoded, decoded.image))
        assert result.getpixel((40, 40)) == pytest.approx((255, 204, 77), abs=6)


class TestNoMetadata:
    @pytest.mark.parametrize("name", WRITTEN)
    @pytest.mark.parametrize("codec", ["PNG", "JPEG"])
    def test_the_date_of_one_picture_does_not_reach_the_next(self, codec, name):
        decoded = decode(encoded(photo(), codec))
        before = encode(decoded, decoded.image, name)
        encode(decoded, decoded.image, name, exif_date="2001:02:03 04:05:06")
        assert encode(decoded, decoded.image, name) == before

    @staticmethod
    def with_secrets(codec: str) -> bytes:
        options: dict[str, object] = {"exif": oriented_exif(3, secret=True)}
        if codec in {"JPEG", "PNG", "WEBP", "AVIF", "HEIF", "MPO"}:
            options["xmp"] = SECRET_XMP
        if codec in {"JPEG", "MPO"}:
            options["comment"] = SECRET_COMMENT
        if codec == "TIFF":
            options["tiffinfo"] = {700: SECRET_XMP, 270: SECRET_COMMENT.decode()}
        if codec == "GIF":
            return encoded(photo().quantize(), codec, comment=SECRET_COMMENT)
        return encoded(photo(), codec, **options)

    @pytest.mark.parametrize(
        "codec", ["JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF"]
    )
    @pytest.mark.parametrize("name", [None, *WRITTEN])
    def test_none_of_the_inputs_reaches_the_result(self, codec, name):
        data = self.with_secrets(codec)
        assert any(secret in data for secret in SECRETS)
        result = through(data, format=name)
        assert not any(secret in result for secret in SECRETS)
        assert b"Exif" not in result
        assert set(opened(result).info) <= {
            "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "compression",
            "background", "loop", "timestamp", "duration", "resolution",
        }  # fmt: skip

    @pytest.mark.parametrize("name", WRITTEN)
    def test_what_a_painter_left_on_the_picture_is_dropped(self, name):
        decoded = from_image(photo())
        image = decoded.image.copy()
        image.info = {
            "comment": SECRET_COMMENT,
            "exif": oriented_exif(3, secret=True),
            "xmp": SECRET_XMP,
            "icc_profile": profiles.SRGB,
        }
        result = encode(decoded, image, name)
        assert not any(secret in result for secret in SECRETS)
        assert "icc_profile" not in opened(result).info


class TestChoice:
    @staticmethod
    def jpeg(image: Image.Image, quality: int) -> bytes:
        return encoded(image, "JPEG", quality=quality, subsampling="4:4:4")

    @pytest.mark.parametrize(
        ("input_quality", "budget_quality", "chosen"),
        [
            (70, None, 70),  # without a budget: the cheapest faithful setting
            (50, 50, 50),  # no more is spent than the budget
            (70, 10, 70),  # but fidelity goes first
        ],
    )
    def test_fidelity_and_size_choose(self, input_quality, budget_quality, chosen):
        image = opened(self.jpeg(photo(200, 160), input_quality))
        budget = len(self.jpeg(image, budget_quality)) if budget_quality else 0
        assert self.chosen(image, budget) == chosen

    def test_a_large_budget_is_spent_on_fidelity(self):
        assert self.chosen(photo(200, 160), 10_000_000) == 90

    def test_what_is_never_faithful_gets_the_finest_setting(self):
        noise = Image.effect_noise((64, 64), 100).convert("RGB")
        assert self.chosen(noise, 0) == 90

    @staticmethod
    def chosen(image: Image.Image, budget_bytes: int) -> int:
        qualities = (10, 30, 50, 70, 90)
        trials = [{"quality": one, "subsampling": "4:4:4"} for one in qualities]
        return choose_options(image, "JPEG", trials, budget_bytes)["quality"]

    def test_a_small_picture_is_its_own_sample(self):
        image = photo(640, 600)
        assert sample_of(image) is image

    @pytest.mark.parametrize("size", [(1000, 800), (30, 20000), (3000, 170)])
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_a_sample_is_small_and_like_the_picture(self, size, mode):
        image = photo(*size, mode)
        sample = sample_of(image)
        assert sample.mode == mode
        assert sample.width % 80 == sample.height % 80 == 0
        assert 0 < sample.width * sample.height <= 640 * 640
        if min(size) > 80:
            means = [np.asarray(one).mean(axis=(0, 1)) for one in (image, sample)]
            assert np.allclose(*means, atol=12)

    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            ((0, 0, 0), (0, 0, 0), math.inf),
            ((0, 0, 0), (255, 255, 255), 0.0),
            ((10, 10, 10), (11, 11, 11), 48.13),
            ((9, 9, 9, 0), (200, 0, 90, 0), math.inf),
        ],
    )
    def test_psnr(self, first, second, expected):
        mode = "RGBA" if len(first) == 4 else "RGB"
        weighted = [weighted_by_alpha(flat(one), mode) for one in (first, second)]
        found = psnr_db(*weighted)
        assert found == pytest.approx(expected, abs=0.01)
