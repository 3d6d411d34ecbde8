"""What a result lacks of its input is kept where it can be, and told where not."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from emojifier_bot.vision.decode import decode, from_image
from emojifier_bot.vision.encode import encode
from tests.images import encoded, flat, opened, photo, png_file
from tests.tiff_files import RGB, tiff_file

COLORS = [flat(color, (40, 30)) for color in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
PALETTE = "Its palette becomes full colour, so the file may grow."
FIRST = "Of the animation's 3 frames, only the first is in the result."


def several(codec, images=COLORS, **options):
    first, *others = images
    return encoded(first, codec, save_all=True, append_images=others, **options)


@pytest.mark.parametrize("codec", ["PNG", "WEBP", "GIF", "AVIF"])
def test_of_an_animation_one_frame_is_chosen_and_that_is_told(codec):
    data = several(codec)
    decoded = decode(data)
    assert (decoded.frames, decoded.frame) == (3, 0)
    assert FIRST in decoded.notes
    third = decode(data, frame=2)
    assert third.frame == 2
    assert third.image.convert("RGB").getpixel((20, 15)) == pytest.approx(
        (0, 0, 200), abs=4
    )
    assert any("only number 3 is" in note for note in third.notes)


def test_pages_and_pictures_are_told_too():
    pages = decode(several("TIFF"))
    assert pages.notes == ("Of the file's 3 pages, only the first is in the result.",)
    assert decode(several("TIFF"), frame=1).image.getpixel((0, 0)) == (0, 200, 0)
    both, buffer = pillow_heif.from_pillow(COLORS[0]), io.BytesIO()
    both.add_from_pillow(COLORS[1])
    both.save(buffer, quality=90)
    heif = buffer.getvalue()
    note = "Of the file's 2 pictures, only the main one is in the result."
    assert (decode(heif).notes, decode(heif).frames) == ((note,), 1)
    note = "Of the file's 3 pictures, only the main one is in the result."
    assert decode(several("MPO")).notes == (note,)
    icon = encoded(photo(64, 64), "ICO", sizes=[(16, 16), (64, 64)])
    note = "Of the icon's 2 sizes, only the largest is in the result."
    assert (decode(icon).notes, decode(icon).image.size) == ((note,), (64, 64))


@pytest.mark.parametrize(
    ("kind", "appended", "count"),
    [
        # A further view, two previews, and the map of brightness of an HDR photo.
        (0x020003, b"", 3),
        (0x010001, b"", 2),
        (0x010002, b"", 2),
        (0, b'hdrgm:Version="1.0"', 2),
        (0, b"urn:com:apple:photo:2020:aux:hdrgainmap", 2),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_previews_and_gain_maps_are_no_pictures_of_their_own(
    order, kind, appended, count
):
    plain = encoded(photo(), "JPEG")
    kinds = (0x030000, 0, kind)
    entries = b"".join(struct.pack(f"{order}IIIHH", one, 0, 0, 0, 0) for one in kinds)
    table = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}IHHHIIHHIII", 8, 2, 0xB001, 4, 1, 3, 0xB002, 7, len(entries), 38, 0
    )
    segment = b"MPF\0" + table + entries
    length = struct.pack(">H", 2 + len(segment))
    data = plain[:2] + b"\xff\xe2" + length + segment + plain[2:]
    note = f"Of the file's {count} pictures, only the main one is in the result."

    assert decode(data + appended).notes == (note,)
    for cut in range(len(segment)):
        short = segment[:cut].ljust(len(segment), b"\xff")
        decode(data.replace(segment, short))


def test_of_an_animated_png_what_browsers_show_counts():
    """A picture for programs that know no animations is none of the frames."""
    data = several("PNG", default_image=True)
    decoded = decode(data)
    assert decoded.frames == 2
    assert decoded.image.getpixel((0, 0)) == (0, 200, 0)
    assert decode(data, frame=1).image.getpixel((0, 0)) == (0, 0, 200)


def test_a_first_frame_of_a_gif_stays_in_its_place():
    small = flat((200, 0, 0), (10, 10)).quantize()
    data = encoded(small, "GIF")
    # A canvas of 40 x 30 pixels, on which the frame lies at (5, 7).
    data = data[:6] + struct.pack("<2H", 40, 30) + data[10:]
    at = data.index(b",", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    data = data[: at + 1] + struct.pack("<2H", 5, 7) + data[at + 5 :]
    image = decode(data).image
    assert (image.size, image.mode) == ((40, 30), "RGBA")
    assert image.getpixel((5, 7)) == image.getpixel((14, 16)) == (200, 0, 0, 255)
    assert image.getpixel((4, 7)) == image.getpixel((15, 16)) == (0, 0, 0, 0)


DEEP = "The picture has {} bits per colour; the result has 8."


@pytest.mark.parametrize(
    ("data", "bits"),
    [
        (png_file(1, 1, depth=16, kind=2, rows=b"\0" + bytes(6)), 16),
        (tiff_file(np.zeros((2, 2, 3), np.uint16), RGB), 16),
        (tiff_file(np.zeros((2, 2, 3), np.float32), RGB), 32),
        (
            encoded(Image.fromarray(np.zeros((64, 64), np.uint16)), "HEIF"),
            10,
        ),
    ],
    ids=["PNG", "TIFF", "float TIFF", "HEIF"],
)
def test_a_lower_depth_is_told(data, bits):
    assert decode(data).notes == (DEEP.format(bits),)


@pytest.mark.parametrize("codec", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_is_told(codec):
    assert decode(encoded(photo(mode="P"), codec)).notes == (PALETTE,)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "BMP"])
def test_the_density_is_kept(name):
    decoded = decode(encoded(photo(), name, dpi=(300, 150)))
    assert decoded.dpi == pytest.approx((300, 150), rel=1e-3)
    result = opened(encode(decoded, decoded.image, name))
    assert result.info["dpi"] == pytest.approx((300, 150), rel=1e-3)


def density_exif(dpi: float, orientation: int) -> bytes:
    exif = Image.Exif()
    exif.update({0x112: orientation, 0x11A: dpi, 0x11B: 2 * dpi, 0x128: 2})
    return exif.tobytes()


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize(("orientation", "dpi"), [(1, (240, 480)), (6, (480, 240))])
def test_cameras_state_it_in_exif(codec, orientation, dpi):
    data = encoded(photo(), codec, exif=density_exif(240, orientation))
    # pillow-heif has turned the picture and says nothing of it.
    expected = (240, 480) if codec == "HEIF" else dpi
    assert decode(data).dpi == expected


@pytest.mark.parametrize("dpi", [(0, 0), (1, 1), (10**6, 10**6)])
def test_a_senseless_density_is_dropped(dpi):
    assert decode(encoded(photo(), "TIFF", dpi=dpi)).dpi is None


def test_large_jpegs_keep_it_too():
    decoded = decode(encoded(photo(1200, 1100), "JPEG", dpi=(300, 300)))
    assert opened(encode(decoded, decoded.image)).info["dpi"] == (300, 300)


def test_a_picture_without_losses_has_no_notes():
    for codec in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF"):
        decoded = decode(encoded(photo(), codec))
        assert (decoded.notes, decoded.dpi, decoded.frames) == ((), None, 1), codec
    assert from_image(photo()).notes == ()
