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
)
from emojifier_bot.vision.formats import format_named
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
SIZE_RATIO = 1.3


def through(data: bytes, **options: object) -> bytes:
    decoded = decode(data)
    return encode(decoded, decoded.image, **options)


def progressive(image: Image.Image, quality: int) -> bytes:
    return encoded(image, "JPEG", quality=quality, progressive=True, optimize=True)


@pytest.mark.parametrize(
    ("codec", "mode", "expected"),
    [
        ("JPEG", "RGB", "JPEG"),
        ("JPEG", "L", "JPEG"),
        ("JPEG", "CMYK", "JPEG"),
        ("MPO", "RGB", "JPEG"),
        ("PNG", "RGB", "PNG"),
        ("PNG", "P", "PNG"),
        ("PNG", "RGBA", "PNG"),
        ("GIF", "P", "PNG"),
        ("ICO", "RGB", "PNG"),
        ("HEIF", "RGB", "JPEG"),
        ("HEIF", "RGBA", "PNG"),
        ("WEBP", "RGB", "WEBP"),
        ("WEBP", "RGBA", "WEBP"),
        ("AVIF", "RGB", "AVIF"),
        ("AVIF", "RGBA", "AVIF"),
        ("BMP", "RGB", "BMP"),
        ("TIFF", "RGB", "TIFF"),
        ("TIFF", "RGBA", "TIFF"),
    ],
)
def test_the_result_has_the_format_that_fits(codec, mode, expected):
    decoded = decode(encoded(photo(mode=mode), codec))
    assert output_format(decoded, None) == expected
    data = encode(decoded, decoded.image)
    result = opened(data)
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
def test_the_extension_wins(extension, expected, mode):
    decoded = decode(encoded(photo(mode=mode), "PNG"))
    name = output_format(decoded, extension)
    assert name == expected
    assert opened(encode(decoded, decoded.image, name)).format == expected
    assert extension.lower() in format_named(name).extensions


@pytest.mark.parametrize("extension", [".heic", ".gif", ".psd", ".txt", "", "jpg"])
def test_an_extension_that_cannot_be_written_lists_those_that_can(extension):
    decoded = from_image(photo())
    with pytest.raises(ImageError, match=r"\.jpg, \.png, \.webp, \.avif") as caught:
        output_format(decoded, extension)
    assert caught.value.kind == "output_format"


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("is_progressive", [False, True])
def test_a_jpeg_keeps_its_tables(subsampling, quality, is_progressive):
    data = encoded(
        photo(333, 250),
        "JPEG",
        quality=quality,
        subsampling=subsampling,
        progressive=is_progressive,
    )
    before, result = opened(data), through(data)
    after = opened(result)
    assert after.quantization == before.quantization
    assert [layer[1:3] for layer in after.layer] == [
        layer[1:3] for layer in before.layer
    ]
    assert "progressive" not in after.info
    assert psnr(after, before) >= REQUIRED_DB
    assert len(result) <= SIZE_RATIO * len(data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(320, 240), (333, 251)])
def test_a_turned_jpeg_stays_true(orientation, size):
    data = encoded(photo(*size), "JPEG", quality=90, exif=oriented_exif(orientation))
    decoded = decode(data)
    result = encode(decoded, decoded.image)
    assert psnr(opened(result), decoded.image) >= REQUIRED_DB
    assert len(result) <= SIZE_RATIO * len(data)


@pytest.mark.parametrize(
    "data",
    [
        progressive(photo(400, 300), 90),
        encoded(photo(400, 300, "L"), "JPEG", quality=80),
        encoded(photo(400, 300, "CMYK"), "JPEG", quality=80),
        encoded(photo(400, 300), "JPEG", quality=85, keep_rgb=True),
        encoded(photo(400, 300), "WEBP", quality=80),
        encoded(photo(400, 300, "RGBA"), "WEBP", quality=80),
        encoded(photo(1000, 700), "WEBP", quality=85),
        encoded(photo(400, 300), "AVIF", quality=80),
        encoded(photo(400, 300, "RGBA"), "AVIF", quality=80),
        encoded(photo(400, 300), "HEIF", quality=80),
    ],
    ids=[
        "progressive",
        "grey",
        "cmyk",
        "rgb",
        "webp",
        "webp alpha",
        "large webp",
        "avif",
        "avif alpha",
        "heif",
    ],
)
def test_a_lossy_result_stays_true_and_small(data):
    decoded = decode(data)
    result = encode(decoded, decoded.image)
    seen = decode(result).image
    assert psnr(_on_white(seen), _on_white(decoded.image)) >= REQUIRED_DB
    assert len(result) <= SIZE_RATIO * len(data)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def test_colour_on_a_grey_jpeg_comes_out_in_colour():
    decoded = decode(encoded(photo(mode="L"), "JPEG", quality=60))
    decoded.image.paste((255, 204, 77), (16, 16, 64, 64))
    result = opened(encode(decoded, decoded.image))
    assert result.getpixel((40, 40)) == pytest.approx((255, 204, 77), abs=6)


def test_quality_overrides_the_inputs():
    data = encoded(photo(200, 160), "JPEG", quality=95, subsampling="4:4:4")
    coarse, fine = through(data, quality=30), through(data, quality=90)
    assert len(coarse) < len(fine) < len(data)
    assert opened(coarse).quantization != opened(data).quantization
    assert opened(coarse).layer[0][1:3] == (1, 1)


@pytest.mark.parametrize("codec", ["JPEG", "WEBP", "AVIF"])
def test_quality_makes_lossy_what_was_lossless(codec):
    decoded = from_image(photo(200, 160))
    sizes = [len(encode(decoded, decoded.image, codec, quality=q)) for q in (20, 90)]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("codec", ["PNG", "TIFF", "BMP"])
def test_quality_means_nothing_to_lossless_formats(codec):
    decoded = from_image(photo())
    assert_same_pixels(opened(encode(decoded, decoded.image, codec, 10)), photo())


@given(pictures())
@pytest.mark.parametrize(
    ("codec", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", LOSSLESS_WEBP)]
)
def test_lossless_formats_give_back_every_pixel(codec, options, image):
    result = through(encoded(image, codec, **options))
    decoded = decode(result)
    assert decoded.source_format == codec
    assert decoded.lossless
    # WebP drops a transparency that hides nothing; the pixels are the same.
    assert_same_pixels(decoded.image.convert("RGBA"), image.convert("RGBA"))


@given(pictures(modes=("RGB",)))
def test_bmp_gives_back_every_pixel(image):
    assert_same_pixels(decode(through(encoded(image, "BMP"))).image, image)


@pytest.mark.parametrize("name", ["JPEG", "BMP"])
def test_formats_without_transparency_show_white(name):
    clear = Image.new("RGBA", (16, 16), (9, 9, 9, 0))
    decoded = from_image(clear)
    pixel = opened(encode(decoded, decoded.image, name)).getpixel((8, 8))
    assert pixel == pytest.approx((255, 255, 255), abs=1)
    assert decoded.image.getpixel((8, 8)) == (9, 9, 9, 0)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_profile_is_written(name):
    profile = profiles.rgb_profile()
    decoded = decode(encoded(photo(), "PNG", icc_profile=profile))
    assert decode(encode(decoded, decoded.image, name)).icc_profile == profile


def test_a_format_without_profiles_gets_srgb():
    decoded = decode(
        encoded(flat((128,) * 3), "PNG", icc_profile=profiles.rgb_profile())
    )
    assert opened(encode(decoded, decoded.image, "BMP")).getpixel((4, 4)) == (146,) * 3


def _with_secrets(codec: str) -> bytes:
    image = photo()
    options: dict[str, object] = {"exif": oriented_exif(3, secret=True)}
    if codec in {"JPEG", "PNG", "WEBP", "AVIF", "HEIF", "MPO"}:
        options["xmp"] = SECRET_XMP
    if codec in {"JPEG", "MPO", "GIF"}:
        options["comment"] = SECRET_COMMENT
    if codec == "TIFF":
        options["tiffinfo"] = {700: SECRET_XMP, 270: SECRET_COMMENT.decode()}
    if codec == "GIF":
        image, options = image.quantize(), {"comment": SECRET_COMMENT}
    return encoded(image, codec, **options)


@pytest.mark.parametrize(
    "codec", ["JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF"]
)
@pytest.mark.parametrize(
    "extension", [None, ".jpg", ".png", ".webp", ".avif", ".tif", ".bmp"]
)
def test_no_metadata_reaches_the_result(codec, extension):
    data = _with_secrets(codec)
    assert any(secret in data for secret in SECRETS)
    decoded = decode(data)
    result = encode(decoded, decoded.image, output_format(decoded, extension))
    assert not any(secret in result for secret in SECRETS)
    assert b"Exif" not in result
    assert set(opened(result).info) <= {
        "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "compression",
        "background", "loop", "timestamp", "duration", "resolution",
    }  # fmt: skip


def test_metadata_that_a_painter_left_on_the_picture_is_dropped():
    decoded = from_image(photo())
    image = decoded.image.copy()
    image.info = {
        "comment": SECRET_COMMENT,
        "exif": oriented_exif(3, secret=True),
        "xmp": SECRET_XMP,
        "icc_profile": profiles.SRGB,
    }
    for name in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP"):
        result = encode(decoded, image, name)
        assert not any(secret in result for secret in SECRETS)
        assert "icc_profile" not in opened(result).info


def test_a_picture_too_large_for_a_format_is_refused():
    decoded = from_image(Image.new("RGB", (17000, 1)))
    with pytest.raises(ImageError, match="Choose PNG") as caught:
        encode(decoded, decoded.image, "WEBP")
    assert caught.value.kind == "output_format"
    assert opened(encode(decoded, decoded.image, "PNG")).size == (17000, 1)


def test_a_cut_off_jpeg_is_written_whole():
    data = encoded(photo(256, 256), "JPEG", quality=90)
    decoded = decode(data[: int(len(data) * 0.8)])
    result = opened(encode(decoded, decoded.image))
    assert_images_close(
        result.convert("RGB"), decoded.image.convert("RGB"), mean_abs_diff=1
    )


def test_a_painted_picture_is_what_is_written():
    for codec in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP"):
        decoded = decode(encoded(photo(), codec))
        decoded.image.paste((255, 0, 255), (16, 16, 64, 64))
        result = decode(encode(decoded, decoded.image)).image
        assert (
            mean_abs_diff(result.crop((24, 24, 56, 56)), flat((255, 0, 255), (32, 32)))
            < 8
        )


def jpeg(image: Image.Image, quality: int) -> bytes:
    return encoded(image, "JPEG", quality=quality, subsampling="4:4:4")


NOISE = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
)
PHOTO = photo(200, 160)


@pytest.mark.parametrize(
    ("image", "budget_bytes", "quality"),
    [
        # Without a budget, the cheapest faithful setting: that of the input.
        (opened(jpeg(PHOTO, 70)), 0, 70),
        # A large budget is spent on fidelity, no more than the budget is spent,
        (PHOTO, 10_000_000, 90),
        (opened(jpeg(PHOTO, 50)), len(jpeg(opened(jpeg(PHOTO, 50)), 50)), 50),
        # but fidelity goes first; what is never faithful gets the finest.
        (opened(jpeg(PHOTO, 70)), len(jpeg(opened(jpeg(PHOTO, 70)), 10)), 70),
        (NOISE, 0, 90),
    ],
)
def test_fidelity_and_size_choose_the_setting(image, budget_bytes, quality):
    trials = [{"quality": one, "subsampling": "4:4:4"} for one in (10, 30, 50, 70, 90)]
    chosen = choose_options(image, "JPEG", trials, budget_bytes)
    assert chosen["quality"] == quality


def test_a_small_picture_is_its_own_sample():
    image = photo(640, 600)
    assert sample_of(image) is image


@pytest.mark.parametrize("size", [(1000, 800), (30, 20000), (20000, 30), (3000, 170)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_sample_is_small_and_like_the_picture(size, mode):
    image = photo(*size, mode)
    sample = sample_of(image)
    assert sample.mode == mode
    assert sample.width % 80 == sample.height % 80 == 0
    assert 0 < sample.width * sample.height <= 640 * 640
    if min(size) > 80:
        means = (
            np.asarray(image).mean(axis=(0, 1)),
            np.asarray(sample).mean(axis=(0, 1)),
        )
        assert np.allclose(*means, atol=12)


@given(pictures())
def test_equal_pictures_have_no_noise(image):
    assert psnr_db(image, image.copy()) == math.inf


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 0), (255, 255, 255), 0.0),
        ((10, 10, 10), (11, 11, 11), 48.13),
        ((9, 9, 9, 0), (200, 0, 90, 0), math.inf),
    ],
)
def test_psnr(first, second, expected):
    assert psnr_db(flat(first), flat(second)) == pytest.approx(expected, abs=0.01)
