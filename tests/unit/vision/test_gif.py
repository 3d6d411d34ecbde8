"""The blocks of a GIF, and what a viewer shows of its frames."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.gif import read_gif, shown_frames
from tests.images import encoded, photo

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PALETTE = [*RED, *GREEN, *BLUE, 0, 0, 0]


def patch(color, size=(4, 4)):
    image = Image.new("P", size, color)
    image.putpalette(PALETTE)
    return image


def gif_of(frames, size=(8, 6), repeats=None):
    """Write a GIF whose frames are (place, index, disposal, delay, transparent)."""
    out = b"GIF89a" + struct.pack("<2H3B", *size, 0x81, 0, 0) + bytes(PALETTE)
    if repeats is not None:
        out += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0"
    for place, color, disposal, delay, transparent in frames:
        flags = disposal << 2 | (transparent is not None)
        out += (
            b"!\xf9\x04" + struct.pack("<BHB", flags, delay, transparent or 0) + b"\0"
        )
        alone = encoded(patch(color, place[2:]), "GIF", optimize=False)
        (frame,) = read_gif(alone, 9).frames
        out += b"," + struct.pack("<4HB", *place, 0) + alone[frame.data]
    return out + b";"


def shown(data):
    return [pixels.copy() for pixels in shown_frames(data, read_gif(data, 99))]


def test_a_large_frame_takes_few_bytes_a_pixel():
    image = photo(1600, 1200).convert("RGB").quantize(200)
    data = encoded(image, "GIF")
    gif = read_gif(data, 9)
    tracemalloc.start()
    try:
        (pixels,) = (one.copy() for one in shown_frames(data, gif))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (pixels[..., :3] == np.asarray(image.convert("RGB"))).all()
    # Four that are shown and four of their copy; the indices, and what unpacks them.
    assert most < 12 * 1600 * 1200


def test_blocks_say_where_and_how_long():
    data = gif_of(
        [((1, 2, 4, 3), 0, 1, 7, None), ((0, 0, 8, 6), 1, 2, 0, 3)], repeats=4
    )

    gif = read_gif(data, 99)

    assert (gif.size_wh, gif.repeats, gif.loops) == ((8, 6), 4, 5)
    first, second = gif.frames
    assert (first.place, first.delay_cs, first.disposal) == ((1, 2, 4, 3), 7, 1)
    assert (first.transparent, second.transparent) == (None, 3)


@pytest.mark.parametrize(("repeats", "loops"), [(None, 1), (0, 0), (1, 2), (9, 10)])
def test_what_is_repeated_n_times_is_shown_once_more(repeats, loops):
    assert (
        read_gif(gif_of([((0, 0, 1, 1), 0, 0, 5, None)], repeats=repeats), 1).loops
        == loops
    )


@pytest.mark.parametrize(
    ("disposal", "left_behind"),
    [(0, (*RED, 255)), (1, (*RED, 255)), (2, (0, 0, 0, 0)), (3, (*BLUE, 255))],
)
def test_a_frame_leaves_what_its_disposal_says(disposal, left_behind):
    data = gif_of(
        [
            ((0, 0, 8, 6), 2, 1, 5, None),
            ((1, 1, 4, 4), 0, disposal, 5, None),
            ((6, 5, 1, 1), 1, 1, 5, None),
        ]
    )

    first, second, third = shown(data)

    assert (first[2, 2] == (*BLUE, 255)).all()
    assert (second[2, 2] == (*RED, 255)).all()
    assert tuple(third[2, 2]) == left_behind
    assert tuple(third[5, 6]) == (*GREEN, 255)
    assert tuple(third[5, 7]) == (*BLUE, 255)


def test_nobody_drew_beside_a_small_first_frame_and_transparent_pixels_show_the_last():
    data = gif_of([((2, 2, 3, 3), 0, 1, 5, None), ((2, 2, 3, 3), 1, 1, 5, 1)])

    first, second = shown(data)

    assert tuple(first[0, 0]) == tuple(second[0, 0]) == (0, 0, 0, 0)
    assert tuple(second[3, 3]) == (*RED, 255)


def test_a_first_frame_that_is_too_large_makes_room_and_a_later_one_is_cut():
    data = gif_of([((0, 0, 10, 6), 0, 1, 5, None), ((6, 4, 8, 8), 1, 1, 5, None)])

    first, second = shown(data)

    assert first.shape == second.shape == (6, 10, 4)
    assert tuple(second[5, 9]) == (*GREEN, 255)


def test_frames_are_counted_up_to_a_limit_and_what_is_cut_off_ends_the_file():
    one = ((0, 0, 1, 1), 0, 0, 5, None)
    data = gif_of([one] * 50)

    assert len(read_gif(data, 99).frames) == 50
    assert len(read_gif(data, 20).frames) == 20
    for end in range(len(data)):
        assert len(read_gif(data[:end], 99).frames) <= 50
    assert read_gif(b"GIF89a", 9).frames == read_gif(b"", 9).frames == ()


def test_pillow_shows_the_same_where_it_follows_the_browsers():
    pictures = [photo(60, 40).rotate(angle).quantize(64) for angle in (0, 20, 40)]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=[50, 60, 70]
    )

    ours = shown(buffer.getvalue())

    with Image.open(buffer) as image:
        for index, pixels in enumerate(ours):
            image.seek(index)
            np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGBA")))
