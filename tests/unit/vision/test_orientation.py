import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.orientation import exif_orientation, turn_upright
from tests.images import oriented_exif, photo

#: How a stored picture's rows and columns become upright, after the EXIF standard.
EXPECTED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a[::-1].transpose(1, 0, 2),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a[:, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_read_and_applied(orientation):
    stored = photo()
    assert exif_orientation(oriented_exif(orientation)) == orientation
    upright = turn_upright(stored, orientation)
    expected = EXPECTED[orientation](np.asarray(stored))
    assert np.array_equal(np.asarray(upright), expected)


def test_an_upright_picture_is_not_copied():
    stored = photo()
    assert turn_upright(stored, 1) is stored


@pytest.mark.parametrize(
    "exif",
    [
        None,
        b"",
        b"Exif\0\0",
        b"nonsense",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        oriented_exif(6)[:20],
        oriented_exif(9),
        oriented_exif(0),
        oriented_exif(6).replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x0c"),
    ],
)
def test_a_missing_or_damaged_block_means_upright(exif):
    assert exif_orientation(exif) == 1


def test_the_prefix_and_the_byte_order_do_not_matter():
    little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"
    assert exif_orientation(little) == 8
    assert exif_orientation(b"Exif\0\0" + little) == 8
    assert exif_orientation(oriented_exif(5)) == 5


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0"]))
def test_any_bytes_give_an_orientation(tail, head):
    assert exif_orientation(head + tail) in range(1, 9)
