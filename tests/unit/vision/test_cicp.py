"""Colours stated by numbers, against what the standards' formulas give."""

import struct

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.cicp import HDR_NOTE, Cicp, stated_colors, tone_mapped
from emojifier_bot.vision.color import plain_profile, to_srgb
from emojifier_bot.vision.decode import decode, from_image
from tests import profiles
from tests.images import encoded, mean_abs_diff, photo, png_with

BT709, BT2020, P3 = 1, 9, 12
GAMMA22, LINEAR, SRGB, PQ, HLG = 4, 8, 13, 16, 18
#: ITU-R BT.2087 and the matrix of Display P3, from linear sRGB, by rows.
FROM_SRGB = {
    BT709: np.eye(3),
    BT2020: np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]]
    ),
    P3: np.array(
        [[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]]
    ),
}
WHITE_PQ, WHITE_HLG = 0.5807, 0.75
PLAIN = encoded(photo(), "PNG")


def linear(image: Image.Image) -> np.ndarray:
    values = np.asarray(image) / 255
    high = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, high)


def stored(image: Image.Image, primaries: int, transfer: int) -> Image.Image:
    """Return what a file with these numbers holds of an sRGB picture."""
    light = np.clip(linear(image) @ FROM_SRGB[primaries].T, 0, None)
    if transfer == PQ:
        power = (light * 203 / 10_000) ** 0.1593017578125
        code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    elif transfer == HLG:
        nits = light * 203 / 1000
        luminance = nits @ {BT2020: [0.2627, 0.678, 0.0593]}[primaries]
        scene = nits * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
        high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9))
        code = np.where(scene <= 1 / 12, np.sqrt(3 * scene), high + 0.55991073)
    elif transfer == SRGB:
        high = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
        code = np.where(light <= 0.0031308, light * 12.92, high)
    else:
        code = light ** (1 / {GAMMA22: 2.2, LINEAR: 1.0}[transfer])
    return Image.fromarray(np.rint(np.clip(code, 0, 1) * 255).astype(np.uint8))


def cicp_png(image: Image.Image, primaries: int, transfer: int) -> bytes:
    return png_with(
        encoded(image, "PNG"), (b"cICP", bytes([primaries, transfer, 0, 1]))
    )


def shown(decoded) -> Image.Image:
    return to_srgb(decoded.image, decoded.icc_profile)


@pytest.mark.parametrize("primaries", [BT709, P3, BT2020])
@pytest.mark.parametrize("transfer", [SRGB, GAMMA22, LINEAR])
def test_a_png_of_other_colours_keeps_them_in_a_profile(primaries, transfer):
    image = stored(photo(), primaries, transfer)
    decoded = decode(cicp_png(image, primaries, transfer))

    assert mean_abs_diff(shown(decoded), photo()) < 1.2
    assert np.array_equal(np.asarray(decoded.image), np.asarray(image))
    is_srgb = (primaries, transfer) == (BT709, SRGB)
    assert (decoded.icc_profile is None) == is_srgb
    if decoded.icc_profile:
        assert plain_profile(decoded.icc_profile) == decoded.icc_profile
    assert decoded.notes == ()


@pytest.mark.parametrize(
    ("codec", "options"),
    [("HEIF", {"quality": 95}), ("AVIF", {"quality": 95, "subsampling": "4:4:4"})],
)
@pytest.mark.parametrize("transfer", [SRGB, PQ])
def test_heic_and_avif_state_colours_too(codec, options, transfer):
    image = stored(photo(), BT2020, transfer)
    if codec == "HEIF":
        options = options | {
            "color_primaries": BT2020,
            "transfer_characteristics": transfer,
            "save_nclx_profile": True,
        }
    data = encoded(image, codec, **options)
    if codec == "AVIF":
        at = data.index(b"nclx") + 4
        data = data[:at] + struct.pack(">2H", BT2020, transfer) + data[at + 4 :]
    decoded = decode(data)

    assert mean_abs_diff(shown(decoded), photo()) < 3.5
    assert (decoded.icc_profile is None) == (transfer == PQ)
    assert decoded.notes == ((HDR_NOTE,) if transfer == PQ else ())


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_without_highlights_looks_as_it_is(transfer):
    decoded = decode(cicp_png(stored(photo(), BT2020, transfer), BT2020, transfer))

    assert mean_abs_diff(decoded.image, photo()) < 1.5
    assert decoded.icc_profile is None
    assert decoded.notes == (HDR_NOTE,)


@pytest.mark.parametrize(("transfer", "white"), [(PQ, WHITE_PQ), (HLG, WHITE_HLG)])
def test_highlights_are_compressed_and_the_rest_stays(transfer, white):
    codes = np.zeros((4, 100, 3), np.uint8)
    codes[:, :50] = round(white * 255)
    codes[:, 50:80] = round(white * 255 * 0.6)
    codes[:, 80:] = 200 if transfer == PQ else 255
    mapped = np.asarray(tone_mapped(Image.fromarray(codes), Cicp(BT2020, transfer)))
    flat = np.asarray(
        tone_mapped(Image.fromarray(codes[:, :80].copy()), Cicp(BT2020, transfer))
    )

    assert flat[0, 0].tolist() == pytest.approx([255] * 3, abs=2)
    assert mapped[0, 60].tolist() == pytest.approx(flat[0, 60].tolist(), abs=1)
    assert 215 < mapped[0, 0, 0] < 245 < mapped[0, 90, 0]
    assert np.ptp(mapped, axis=2).max() <= 1


def test_a_hue_stays_where_it_is_brightest():
    codes = np.zeros((10, 10, 3), np.uint8)
    codes[...] = (200, 160, 100)
    red, green, blue = np.asarray(
        tone_mapped(Image.fromarray(codes), Cicp(BT2020, PQ))
    )[0, 0].tolist()
    assert red == 255
    assert red > green + 40 > blue + 80


def test_alpha_passes_a_tone_map():
    image = stored(photo(), BT2020, PQ)
    image.putalpha(77)
    decoded = decode(cicp_png(image, BT2020, PQ))
    assert decoded.image.mode == "RGBA"
    assert set(decoded.image.getchannel("A").tobytes()) == {77}


@pytest.mark.parametrize(
    ("gamma", "wanted"), [(100_000, 1.0), (55_556, 1.8), (45_455, None), (0, None)]
)
def test_a_gamma_makes_a_curve(gamma, wanted):
    data = png_with(PLAIN, (b"gAMA", struct.pack(">I", gamma)))
    profile = decode(data).icc_profile
    if wanted is None:
        assert profile is None
        return
    grey = Image.new("RGB", (1, 1), (128, 128, 128))
    (value, *_), *_ = np.asarray(to_srgb(grey, profile)).reshape(-1, 3)
    light = (128 / 255) ** wanted
    assert value == pytest.approx(255 * (1.055 * light ** (1 / 2.4) - 0.055), abs=1.5)


def test_chromaticities_make_primaries():
    points = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    data = png_with(
        encoded(stored(photo(), P3, SRGB), "PNG"),
        (b"cHRM", struct.pack(">8I", *points)),
        (b"gAMA", struct.pack(">I", 45_455)),
    )
    assert mean_abs_diff(shown(decode(data)), photo()) < 1.2


@pytest.mark.parametrize(
    "points", [(0,) * 8, (31270, 0, *range(6)), (31270, 32900, *[30000] * 6)]
)
def test_senseless_chromaticities_count_as_unsaid(points):
    data = png_with(PLAIN, (b"cHRM", struct.pack(">8I", *points)))
    assert decode(data).icc_profile is None


PROFILE = profiles.rgb_profile()
LINEAR_INFO = {"gamma": 1.0}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({}, (None, None)),
        ({"cicp": Cicp(BT2020, PQ), "icc_profile": PROFILE}, (None, Cicp(BT2020, PQ))),
        ({"cicp": Cicp(BT709, SRGB), "icc_profile": PROFILE}, (None, None)),
        ({"icc_profile": PROFILE, "srgb": 0, **LINEAR_INFO}, (PROFILE, None)),
        (
            {
                "icc_profile": PROFILE,
                "nclx_profile": {
                    "color_primaries": BT2020,
                    "transfer_characteristics": PQ,
                },
            },
            (PROFILE, None),
        ),
        ({"srgb": 0, **LINEAR_INFO}, (None, None)),
        ({"cicp": Cicp(2, 2)}, (None, None)),
        ({"cicp": Cicp(77, 99)}, (None, None)),
    ],
)
def test_the_first_statement_counts(info, expected):
    assert stated_colors(info) == expected


def test_a_profile_that_states_hdr_is_no_ordinary_one():
    tag = b"cicp\0\0\0\0" + bytes([BT2020, PQ, 0, 1])
    profile = profiles.with_tag(profiles.rgb_profile(), b"cicp", tag)
    assert stated_colors({"icc_profile": profile}) == (None, Cicp(BT2020, PQ))
    image = stored(photo(), BT2020, PQ)
    decoded = decode(encoded(image, "PNG", icc_profile=profile))
    assert mean_abs_diff(decoded.image, photo()) < 1.5


def test_an_image_of_pillow_is_understood_too():
    image = stored(photo(), P3, LINEAR)
    image.info["cicp"] = Cicp(P3, LINEAR)
    assert mean_abs_diff(shown(from_image(image)), photo()) < 1.5
