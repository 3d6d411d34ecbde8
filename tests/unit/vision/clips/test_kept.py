from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.clips.kept import KeptFrames, packed
from emojifier_bot.vision.clips.types import Frame
from emojifier_bot.vision.decode import from_image


def frame(index=0, size_wh=(64, 48), mode="RGB"):
    width, height = size_wh
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    channels = [x, y, 255 - x, 255 - y][: len(mode)]
    pixels = np.stack(channels, axis=2).astype(np.uint8)
    return Frame(index, 40.0 * index, from_image(Image.fromarray(pixels, mode)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size_wh", [(64, 48), (65, 49), (64, 49), (1, 1)])
def test_a_packed_frame_is_almost_what_it_was(size_wh, mode):
    before = frame(3, size_wh, mode)

    after = packed(before).unpacked()

    assert (after.index, after.time_ms) == (3, 120.0)
    was, now = (one.picture.image for one in (before, after))
    assert (now.mode, now.size) == (was.mode, was.size)
    was, now = (np.asarray(one, int) for one in (was, now))
    assert np.abs(was - now).mean() < 3
    np.testing.assert_array_equal(now[..., 3:], was[..., 3:])


def test_a_packed_frame_keeps_the_profile_of_its_colours():
    before = frame()
    before = replace(before, picture=replace(before.picture, icc_profile=b"profile"))

    assert packed(before).unpacked().picture.icc_profile == b"profile"


@pytest.mark.parametrize(("mode", "share"), [("RGB", 3 / 8), ("RGBA", 5 / 8)])
def test_a_packed_frame_takes_less_memory(mode, share):
    before = frame(mode=mode)

    assert packed(before).nbytes == share * before.picture.canvas.pixels.nbytes


@pytest.mark.parametrize(
    ("most", "most_bytes", "kept"),
    [(3, 10**9, [6, 5, 4]), (9, 2 * packed(frame()).nbytes, [6, 5]), (9, 1, [6])],
)
def test_the_last_frames_are_kept(most, most_bytes, kept):
    frames = KeptFrames(most, most_bytes)
    assert list(frames.before(7)) == []
    for index in range(7):
        frames.add(frame(index))

    assert [one.index for one in frames.before(7)] == kept
    assert [one.index for one in frames.before(6)] == kept[1:]
    assert frames.last is not None
    assert frames.last.index == 6

    frames.clear()

    assert list(frames.before(7)) == []
    assert frames.last is None
