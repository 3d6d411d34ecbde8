"""Pictures that people reported, with the shipped models: as browsers show them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.color import to_srgb
from emojifier_bot.vision.decode import decode
from tests.images import mean_abs_diff

#: The marks in the corner of some: colours that sRGB does not have.
MARKS_WH = (240, 60)
HDR = "HDR"


@pytest.fixture
def field(shared_data):
    """Return a function that reads a reported picture, or skip the test."""
    folder = shared_data / "field/pictures"
    if not folder.is_dir():
        pytest.skip(f"needs the folder `{folder}` beside the checkout")
    return lambda name: (folder / name).read_bytes()


@pytest.fixture
def crew(shared_data) -> Image.Image:
    with Image.open(shared_data / "photos/crew_of_three.jpg") as image:
        return image.convert("RGB")


@pytest.mark.parametrize(
    ("name", "faces", "note"),
    [
        ("png_ztxt_3mb.png", 3, ""),
        ("png_iccp_1500kb.png", 3, ""),
        ("png_phys_wrong_checksum.png", 3, ""),
        ("avif_nclx_bt2020_pq.avif", 3, HDR),
        ("heic_nclx_bt2020_pq.heic", 3, HDR),
        ("heic_nclx_p3.heic", 3, ""),
        ("png_cicp_p3.png", 3, ""),
        ("tiff_cmyk_alpha.tif", 3, ""),
    ],
)
def test_every_face_gets_its_emoji(emojifier, field, name, faces, note):
    result = emojifier.emojify(field(name))
    assert len(result.faces) == faces
    assert note in " ".join(result.notes)
    assert bool(result.notes) == bool(note)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("png_ztxt_3mb.png", 0),
        ("png_iccp_1500kb.png", 1),
        ("png_phys_wrong_checksum.png", 0),
        ("avif_nclx_bt2020_pq.avif", 6),
        ("heic_nclx_bt2020_pq.heic", 6),
        ("heic_nclx_p3.heic", 2),
        ("png_cicp_p3.png", 1),
        ("tiff_cmyk_alpha.tif", 1),
    ],
)
def test_colours_are_those_of_the_photo(field, crew, name, most):
    decoded = decode(field(name))
    shown = to_srgb(decoded.image, decoded.icc_profile).convert("RGB")
    shown.paste(crew.crop((0, 0, *MARKS_WH)), (0, 0))
    assert mean_abs_diff(shown, crew) <= most


@pytest.mark.parametrize(
    "name", ["animation_6_frames.webp", "fade_in_black_first.webp"]
)
def test_an_animation_stays_one_with_every_face_covered(emojifier, field, name):
    data = field(name)

    result = emojifier.emojify(data)

    assert (result.format, result.frames, len(result.faces)) == ("WEBP", 6, 3)
    assert len(result.encoded) <= 1.5 * len(data)


def test_a_camera_raw_file_is_refused(emojifier, field):
    with pytest.raises(ImageError, match="camera's raw file"):
        emojifier.emojify(field("raw_begins_like_tiff.dng"))


def test_a_negative_is_positive(emojifier, field, crew):
    data, grey = field("tiff_min_is_white_16.tif"), crew.convert("L")
    assert mean_abs_diff(decode(data).image, grey.convert("RGB")) <= 1
    faces = emojifier.emojify(grey).faces
    assert len(emojifier.emojify(data).faces) == len(faces) >= 3


def test_a_stated_gamma_is_as_bright_as_in_a_browser(field):
    decoded = decode(field("png_gama_linear.png"))
    shown = to_srgb(decoded.image, decoded.icc_profile).convert("L")
    assert np.asarray(shown).mean() == pytest.approx(115, abs=1)
