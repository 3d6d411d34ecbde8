"""TIFF as scanners, cameras and programs for pictures write it."""

import itertools
import struct

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.decode import DecodeLimits, decode
from emojifier_bot.vision.formats import sniff
from emojifier_bot.vision.tiff import is_camera_raw, read_directories
from tests import profiles
from tests.images import assert_images_close, assert_same_pixels, encoded, flat, photo
from tests.tiff_files import (
    CMYK,
    COLOR_FILTERS,
    GREY,
    LINEAR_RAW,
    MIN_IS_WHITE,
    RGB,
    tiff_file,
)

COLOR = np.asarray(photo())
LIGHT = np.asarray(photo(mode="L"))[..., None]
ALPHA = np.asarray(photo(mode="RGBA"))[..., 3:]
INKS = np.asarray(photo().convert("CMYK"))
ASSOCIATED, UNASSOCIATED, UNKNOWN = 1, 2, 0
WAYS = [
    {},
    {"order": ">"},
    {"deflate": True},
    {"deflate": True, "order": ">"},
    {"tile": 32},
    {"tile": 48, "deflate": True},
]
PLANES = [*WAYS, *({**way, "planar": True} for way in WAYS)]


def deep(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint16) * 257


def real(values: np.ndarray) -> np.ndarray:
    return (values / 255).astype(np.float32)


def with_alpha(values: np.ndarray, alpha: np.ndarray = ALPHA) -> np.ndarray:
    return np.concatenate([values, alpha], axis=2)


@pytest.mark.parametrize("way", PLANES, ids=str)
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize(
    ("values", "photometric"),
    [
        (LIGHT, GREY),
        (255 - LIGHT, MIN_IS_WHITE),
        (deep(LIGHT), GREY),
        (deep(255 - LIGHT), MIN_IS_WHITE),
        (COLOR, RGB),
        (deep(COLOR), RGB),
    ],
    ids=["grey", "negative", "deep grey", "deep negative", "RGB", "deep RGB"],
)
def test_every_arrangement_gives_the_same_picture(values, photometric, predictor, way):
    data = tiff_file(values, photometric, predictor=predictor, **way)
    expected = photo() if photometric == RGB else photo(mode="L").convert("RGB")
    assert_same_pixels(decode(data).image, expected)


@pytest.mark.parametrize("way", PLANES, ids=str)
@pytest.mark.parametrize(
    ("values", "extra", "expected"),
    [
        (with_alpha(LIGHT), (UNASSOCIATED,), "LA"),
        (deep(with_alpha(LIGHT)), (UNASSOCIATED,), "LA"),
        (deep(with_alpha(COLOR)), (UNASSOCIATED,), "RGBA"),
        (deep(with_alpha(COLOR)), (UNKNOWN,), "RGB"),
        (with_alpha(deep(COLOR), deep(COLOR)), (UNKNOWN, UNKNOWN, UNKNOWN), "RGB"),
    ],
    ids=["grey", "deep grey", "deep RGB", "unknown", "many"],
)
def test_alpha_and_further_channels(values, extra, expected, way):
    photometric = GREY if expected == "LA" else RGB
    image = decode(tiff_file(values, photometric, extra=extra, **way)).image
    wanted = photo(mode=expected).convert("RGBA" if expected == "LA" else expected)
    visible = np.asarray(wanted)[..., -1:] > 0 if wanted.mode == "RGBA" else True
    assert image.mode == wanted.mode
    assert np.array_equal(np.asarray(image) * visible, np.asarray(wanted) * visible)


@pytest.mark.parametrize("way", PLANES, ids=str)
@pytest.mark.parametrize("depth", [np.asarray, deep], ids=["8", "16"])
def test_cmyk_with_alpha(depth, way):
    values = depth(with_alpha(INKS))
    image = decode(tiff_file(values, CMYK, extra=(UNASSOCIATED,), **way)).image
    assert_same_pixels(image.getchannel("A"), Image.fromarray(ALPHA[..., 0]))
    opaque = ALPHA > 0
    assert np.array_equal(np.asarray(image)[..., :3] * opaque, COLOR * opaque)
    plain = decode(tiff_file(values, CMYK, extra=(UNKNOWN,), **way)).image
    assert_images_close(plain, photo(), mean_abs_diff=0.2)


def test_cmyk_with_alpha_goes_through_its_profile():
    profile = profiles.cmyk_profile()
    values = np.full((8, 8, 5), (255, 0, 0, 0, 128), np.uint8)
    tag = {34675: ("B", list(profile))}
    decoded = decode(tiff_file(values, CMYK, extra=(UNASSOCIATED,), tags=tag))
    pixel = decoded.image.getpixel((4, 4))
    assert pixel == pytest.approx((184, 184, 184, 128), abs=3)
    assert decoded.icc_profile is None


@pytest.mark.parametrize("way", PLANES, ids=str)
@pytest.mark.parametrize("predictor", [1, 3])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats(kind, predictor, way):
    values = real(COLOR).astype(kind)
    image = decode(tiff_file(values, RGB, predictor=predictor, **way)).image
    assert_images_close(image, photo(), mean_abs_diff=0.1)


def test_premultiplied_colours_are_divided():
    values = np.full((4, 4, 4), (32896, 0, 16448, 32896), np.uint16)
    image = decode(tiff_file(values, RGB, extra=(ASSOCIATED,), planar=True)).image
    assert image.getpixel((0, 0)) == pytest.approx((255, 0, 128, 128), abs=1)


def test_profile_orientation_and_limits_hold_for_these_too():
    profile = profiles.rgb_profile()
    tags = {274: ("H", [6]), 34675: ("B", list(profile))}
    data = tiff_file(deep(COLOR), RGB, planar=True, tags=tags)
    decoded = decode(data)
    assert_same_pixels(decoded.image, photo().rotate(-90, expand=True))
    assert decoded.icc_profile == profile
    with pytest.raises(ImageError, match="megapixels"):
        decode(data, DecodeLimits(max_pixels=96 * 80 - 1))


@pytest.mark.parametrize(
    ("values", "photometric", "options", "words"),
    [
        (COLOR.astype(np.uint64), RGB, {}, "3 channels of 64 bits"),
        (with_alpha(deep(COLOR)), 8, {"extra": (UNKNOWN,)}, "photometric 8"),
        (deep(COLOR), 32845, {}, "photometric 32845"),
        (real(COLOR), RGB, {"tags": {259: ("H", [7])}}, "floating-point numbers"),
        (COLOR, RGB, {"tags": {259: ("H", [34887])}}, "compression 34887"),
        (deep(LIGHT), MIN_IS_WHITE, {"tags": {266: ("H", [2])}}, "1 channels of 16"),
    ],
    ids=itertools.count(),
)
def test_a_layout_that_is_not_read_is_named(values, photometric, options, words):
    with pytest.raises(ImageError, match=words) as caught:
        decode(tiff_file(values, photometric, **options))
    assert caught.value.kind == "unsupported"
    assert "kind of TIFF that I cannot read" in caught.value.message


def test_a_reduced_copy_before_the_picture_is_no_page():
    small = encoded(flat((255, 0, 0)), "TIFF", tiffinfo={254: 1})
    both = encoded(
        flat((255, 0, 0)),
        "TIFF",
        save_all=True,
        append_images=[photo()],
        tiffinfo={254: 0},
    )
    at = both.index(struct.pack("<HHI", 254, 4, 1)) + 8
    both = both[:at] + b"\1" + both[at + 1 :]
    assert_same_pixels(decode(both).image, photo())
    assert decode(small).image.size == (8, 8)


def raw(*, tags=None, photometric=RGB, child=None, order="<") -> bytes:
    """Make a file whose preview comes first, on wish with a picture below it."""
    tags = dict(tags or {})
    if child is None:
        return tiff_file(COLOR, photometric, tags=tags, order=order)
    data = tiff_file(COLOR, photometric, tags={**tags, 330: ("I", [0])}, order=order)
    inner = tiff_file(LIGHT, **child, order=order)
    (start,) = struct.unpack_from(f"{order}I", inner, 4)
    shift = len(data) + len(data) % 2
    data = data.ljust(shift, b"\0") + inner[start:]
    entry = data.index(struct.pack(f"{order}HHI", 330, 4, 1)) + 8
    return data[:entry] + struct.pack(f"{order}I", shift) + data[entry + 4 :]


RAW_FILES = {
    "DNG": raw(tags={50706: ("B", [1, 4, 0, 0])}),
    "linear DNG": raw(child={"photometric": LINEAR_RAW}),
    "NEF": raw(child={"photometric": COLOR_FILTERS}, order=">"),
    "compressed NEF": raw(child={"photometric": GREY, "tags": {259: ("H", [34713])}}),
    "ARW": raw(child={"photometric": GREY, "tags": {259: ("H", [32767])}}),
    "SRW": raw(child={"photometric": GREY, "tags": {259: ("H", [32770])}}),
    "3FR": raw(child={"photometric": GREY, "tags": {33422: ("B", [0, 1, 1, 2])}}),
    "PEF": raw(tags={259: ("H", [65535])}),
    "MEF": raw(photometric=COLOR_FILTERS),
    "IIQ": b"II*\0" + struct.pack("<I", 8) + b"IIII" + bytes(100),
    "CR2": b"II*\0\x10\0\0\0CR\2\0",
    "CRW": b"II\x1a\0\0\0HEAPCCDR",
    "RW2": b"IIU\0\x18\0\0\0",
    "ORF": b"IIRS\x08\0\0\0",
    "big ORF": b"MMOR\0\0\0\x08",
    "RAF": b"FUJIFILMCCD-RAW 0201",
    "MRW": b"\0MRM\0\0\0\0",
    "X3F": b"FOVb\0\0\2\0",
}


@pytest.mark.parametrize("data", RAW_FILES.values(), ids=RAW_FILES)
def test_a_camera_raw_file_is_refused_as_one(data):
    with pytest.raises(ImageError, match="camera's raw file") as caught:
        decode(data)
    assert caught.value.kind == "unsupported"


@pytest.mark.parametrize(
    "data",
    [raw(child={"photometric": GREY}), encoded(photo(), "TIFF"), b"", b"II*\0"],
    ids=itertools.count(),
)
def test_other_files_are_none(data):
    assert not is_camera_raw(data)


@pytest.mark.parametrize("big_tiff", [False, True])
@pytest.mark.parametrize("tag", [270, 315, 700, 34675])
def test_damaged_metadata_stop_nothing(tag, big_tiff):
    content = b"x" * 50 if tag in {700, 34675} else "x" * 50
    data = encoded(photo(), "TIFF", tiffinfo={tag: content}, big_tiff=big_tiff)
    entry = data.index(struct.pack("<H", tag), data.index(struct.pack("<HH", 256, 4)))
    place = entry + (12 if big_tiff else 8)
    damaged = data[:place] + b"\xff\xff\xff\x7f" + data[place + 4 :]
    assert_same_pixels(decode(damaged).image, photo())


def test_directories_that_go_round_in_a_circle_end():
    data = bytearray(tiff_file(COLOR, RGB))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    assert len(read_directories(bytes(data))) == 1
    assert_same_pixels(decode(bytes(data)).image, photo())


def test_a_big_tiff_is_read():
    data = encoded(photo(), "TIFF", big_tiff=True)
    assert data.startswith(b"II+\0")
    assert read_directories(data)[0].size_wh == (96, 80)
    assert sniff(data).name == "TIFF"


@pytest.mark.parametrize("damage", [b"\xff" * 40, b"\0" * 40])
def test_libtiff_prints_nothing(capfd, damage):
    data = encoded(photo(), "TIFF", compression="tiff_lzw")
    for at in range(8, len(data) - 40, len(data) // 12):
        broken = data[:at] + damage + data[at + 40 :]
        try:
            decode(broken)
        except ImageError:
            continue
    assert capfd.readouterr() == ("", "")
