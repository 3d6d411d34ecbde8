"""What AVIF files say about their picture, in boxes."""

import struct
import time

import numpy as np
import pytest

from emojifier_bot.vision.av1 import SequenceHeader, sequence_header
from emojifier_bot.vision.decode import decode
from emojifier_bot.vision.media_boxes import (
    MediaProperties,
    find_box,
    media_properties,
)
from tests.images import (
    assert_images_close,
    assert_same_pixels,
    encoded,
    oriented_exif,
    photo,
    with_property,
)

AVIF = encoded(photo(), "AVIF", quality=95, subsampling="4:4:4")
HEIF = encoded(photo(), "HEIF", quality=95)


def clap(width, height, right=(0, 1), down=(0, 1)) -> bytes:
    return struct.pack(">IIIIiIiI", *width, *height, *right, *down)


@pytest.mark.parametrize("data", [AVIF, HEIF], ids=["AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("aperture", "box"),
    [
        (clap((40, 1), (20, 1)), (28, 30, 68, 50)),
        (clap((40, 1), (20, 1), (-28, 1), (-30, 1)), (0, 0, 40, 20)),
        (clap((31, 1), (15, 1), (1, 2), (-1, 2)), (33, 32, 64, 47)),
        (clap((96, 1), (80, 1)), (0, 0, 96, 80)),
    ],
    ids=["middle", "corner", "odd", "all"],
)
def test_what_was_cropped_away_stays_away(data, aperture, box):
    image = decode(with_property(data, b"clap", aperture)).image
    assert_images_close(image, photo().crop(box), mean_abs_diff=4)


@pytest.mark.parametrize(
    ("aperture", "size"),
    [
        (clap((40, 0), (20, 1)), (96, 80)),
        (clap((400, 1), (20, 1)), (96, 20)),
        (clap((0, 1), (0, 1)), (1, 1)),
        (clap((10, 1), (10, 1), (4000, 1), (-4000, 1)), (1, 1)),
    ],
    ids=["no number", "too wide", "nothing", "elsewhere"],
)
def test_an_aperture_beyond_the_picture_ends_at_its_edge(aperture, size):
    assert decode(with_property(AVIF, b"clap", aperture)).image.size == size


def test_an_aperture_without_numbers_is_none():
    assert media_properties(with_property(AVIF, b"clap", b"short")).aperture is None


def test_an_avif_is_cropped_before_it_is_turned():
    data = encoded(photo(), "AVIF", quality=95, exif=oriented_exif(6))
    data = with_property(data, b"clap", clap((40, 1), (20, 1), (-28, 1), (-30, 1)))
    expected = photo().crop((0, 0, 40, 20)).rotate(-90, expand=True)
    assert_images_close(decode(data).image, expected, mean_abs_diff=5)


def test_a_sequence_states_its_properties_with_its_frames():
    data = sequence()
    assert data[8:12] == b"avis"
    properties = media_properties(data)
    assert properties.codes == (1, 13)


def test_codes_and_depth_are_read():
    properties = media_properties(AVIF)
    assert (properties.codes, properties.bits) == ((1, 13), 8)


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_damage_means_unsaid(cut):
    for data in (AVIF, without_colors(AVIF), without_colors(sequence())):
        media_properties(data[:cut])
        damaged = bytearray(data)
        damaged[cut] ^= 0xFF
        media_properties(bytes(damaged))


def sequence() -> bytes:
    first, second = photo(), photo().rotate(180)
    return encoded(first, "AVIF", save_all=True, append_images=[second])


def without_colors(data: bytes) -> bytes:
    """Return an AVIF whose boxes state neither colours nor bits per channel."""
    return data.replace(b"colr", b"free").replace(b"pixi", b"free")


def with_coded_colors(data: bytes, primaries: int, transfer: int) -> bytes:
    """Return an AVIF whose sequence header states other colours, as an encoder would.

    The numbers of the header lie anywhere between the bytes.
    """
    coded, before = int.from_bytes(data), 0x010D06
    places = range(8 * len(data) - 24)
    (place,) = (at for at in places if coded >> at & 0xFFFFFF == before)
    changed = primaries << 16 | transfer << 8 | 6
    return (coded ^ (before ^ changed) << place).to_bytes(len(data))


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(photo(), "AVIF", quality=95),
        lambda: encoded(photo().convert("L"), "AVIF", quality=95),
        lambda: encoded(photo(mode="RGBA"), "AVIF", quality=95),
        sequence,
    ],
    ids=["picture", "grey", "transparent", "sequence"],
)
def test_colors_that_only_the_coded_pixels_state_are_read(make):
    data = without_colors(make())

    assert media_properties(data) == MediaProperties((1, 13), 8)


@pytest.mark.parametrize("codes", [(12, 13), (9, 16), (9, 18), (1, 8)])
def test_they_count_as_those_of_a_box(codes):
    """Encoders may leave the box out: then browsers show what the stream states."""
    box = struct.pack(">4sHH", b"nclx", *codes)
    told = decode(AVIF.replace(struct.pack(">4sHH", b"nclx", 1, 13), box))
    coded = decode(with_coded_colors(without_colors(AVIF), *codes))

    assert coded.icc_profile == told.icc_profile
    assert coded.notes == told.notes
    assert (coded.icc_profile is None) == (codes[1] in {16, 18})
    assert_same_pixels(coded.image, told.image)


def test_a_box_counts_before_the_stream():
    data = with_coded_colors(AVIF.replace(b"pixi", b"free"), 12, 13)

    assert media_properties(data) == MediaProperties((1, 13), 8)


def bits(*fields: tuple[int, int]) -> bytes:
    """Return numbers of some widths, one after the other."""
    text = "".join(f"{number:0{width}b}" for number, width in fields)
    text = text.ljust(-len(text) % 8 + len(text), "0")
    return int(text, 2).to_bytes(len(text) // 8)


ONE = (1, 1)
NONE = (0, 1)
#: Of 16 and 8 bits.
SIDES, CODED_WH = [(15, 4), (7, 4), (4095, 16), (255, 8)], (4096, 256)
COLORS = [ONE, (12, 8), (13, 8), (6, 8)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # Reduced, as of a still picture.
        (
            [(0, 3), ONE, ONE, (8, 5), *SIDES, (0, 3), (7, 3), NONE, NONE, *COLORS],
            SequenceHeader(CODED_WH, 8, (12, 13)),
        ),
        # With all that may be there: times, a decoder model, two operating points,
        # numbers of frames; 12 bits.
        (
            [
                *((2, 3), NONE, NONE),
                *(ONE, (1, 32), (25, 32), ONE, NONE, NONE, ONE, (3, 2)),
                *(ONE, (9, 5), (1, 32), (3, 5), (3, 5)),
                *(ONE, (1, 5)),
                *((0, 12), (8, 5), ONE, ONE, (5, 10), (6, 10), ONE, ONE, (4, 4)),
                *((1, 12), (7, 5), NONE, NONE),
                *SIDES,
                *(ONE, (1, 4), (1, 3)),
                *((0, 3), (0, 4), ONE, (0, 2), NONE, ONE, NONE, ONE, (6, 3), (7, 3)),
                *(ONE, ONE, NONE, *COLORS),
            ],
            SequenceHeader(CODED_WH, 12, (12, 13)),
        ),
        # 10 bits, never grey, nothing said of colours.
        (
            [(1, 3), ONE, ONE, (8, 5), *SIDES, (0, 3), (7, 3), ONE, NONE],
            SequenceHeader(CODED_WH, 10, None),
        ),
        # Colours that are said to be unknown.
        (
            [
                *((0, 3), ONE, ONE, (8, 5), *SIDES, (0, 3), (7, 3), NONE, NONE),
                *(ONE, (2, 8), (2, 8), (2, 8)),
            ],
            SequenceHeader(CODED_WH, 8, None),
        ),
    ],
    ids=["still", "everything", "unsaid", "unknown"],
)
@pytest.mark.parametrize("has_length", [True, False])
def test_sequence_headers(fields, expected, has_length):
    header = bits(*fields)
    length = bytes([len(header)]) if has_length else b""
    unit = bytes([1 << 3 | has_length << 1]) + length + header
    # Before it: a delimiter, with an extension and a length of two bytes.
    stream = b"\x16\x00\x80\x00" + unit

    assert sequence_header(stream) == expected
    with pytest.raises(IndexError):
        sequence_header(stream[:8])


def box(name: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


@pytest.mark.parametrize("version", [0, 1, 2])
def test_of_a_grid_the_first_tile_states_the_colors(version):
    header = bits(
        *((0, 3), ONE, ONE, (8, 5), *SIDES, (0, 3), (7, 3), NONE, NONE, *COLORS)
    )
    unit = bytes([1 << 3 | 2, len(header)]) + header
    full = struct.pack(">I", version << 24)
    item = ">I" if version == 2 else ">H"
    # Item 7 is made of 8 and 9; 8 lies in the list itself, or where the file ends.
    tiles = struct.pack(f"{item[:2]}H{2 * item[1]}", 7, 2, 8, 9)
    in_list = version > 0
    # Offsets have four bytes, lengths too, bases none.
    places = struct.pack(">H", 0x4400) + struct.pack(item, 2)
    for number, offset in ((9, 0), (8, 3 if in_list else 400)):
        places += struct.pack(item, number) + (b"\0\1" if in_list else b"")
        places += struct.pack(">HHII", 0, 1, offset, len(unit))
    meta = box(
        b"meta",
        bytes(4),
        box(b"pitm", b"\0\0\0\0" + struct.pack(">H", 7)),
        box(b"iref", full if version == 2 else bytes(4), box(b"dimg", tiles)),
        box(b"iloc", full, places),
        box(b"idat", b"123" + unit),
    )
    data = box(b"ftyp", b"avif") + meta
    data = data.ljust(400, b"\0") + unit

    assert media_properties(data) == MediaProperties((12, 13), 8)


def test_a_list_of_countless_items_is_not_read_to_its_end():
    # Each says that it has as many parts as can be, which take no bytes.
    items = struct.pack(">HHH", 8, 0, 0xFFFF) * 100_000
    data = box(b"ftyp", b"avif") + box(
        b"meta",
        bytes(4),
        box(b"pitm", b"\0\0\0\0" + struct.pack(">H", 7)),
        box(b"iloc", bytes(4), struct.pack(">HH", 0, 0xFFFF), items),
    )
    began = time.thread_time()

    assert media_properties(data) == MediaProperties()
    assert time.thread_time() - began < 2


def test_a_stream_without_a_sequence_header_states_nothing():
    assert sequence_header(b"\x12\x00" * 20) is None


def test_a_box_is_found_by_its_path():
    assert find_box(AVIF, b"meta", b"nothing") is None
    start, end = find_box(AVIF, b"ftyp")
    assert AVIF[start:end].startswith(b"avif")
    long_box = struct.pack(">I4sQ", 1, b"free", 20) + b"1234"
    assert find_box(long_box, b"free") == (16, 20)
    assert find_box(struct.pack(">I4s", 0, b"free") + b"12", b"free") == (8, 10)
    assert np.array(find_box(struct.pack(">I4s", 4, b"free"), b"free")).item() is None
