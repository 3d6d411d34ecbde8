from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.vision.clips.scenes import SceneCounter
from emojifier_bot.vision.decode import from_image
from tests.moving_pictures import ground

WIDE = ground(0).pixels
OTHER = ground(1).pixels


def scenes(frames):
    counter = SceneCounter()
    found = []
    for pixels in frames:
        blank = counter.is_blank(from_image(Image.fromarray(pixels)))
        found.append(None if blank else counter.scene)
    return found


def view(pixels, x, y=100):
    return np.ascontiguousarray(pixels[y : y + 270, x : x + 480, :3])


def grained(pixels, levels, seed=0):
    noise = np.random.default_rng(seed).normal(0, levels, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_a_clip_has_no_scene_before_its_first_frame():
    assert SceneCounter().scene == 0


def test_a_cut_begins_a_scene():
    first, second = view(WIDE, 100), view(OTHER, 100)

    assert scenes([first, first, second, second, first]) == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("step", [5, 30, 60])
def test_a_pan_is_no_cut(step):
    assert scenes([view(WIDE, x) for x in range(0, 400, step)])[-1] == 0


def test_a_shaken_camera_makes_no_cut():
    draw = np.random.default_rng(0)
    frames = [
        view(WIDE, 200 + int(x), 150 + int(y)) for x, y in draw.normal(0, 25, (40, 2))
    ]

    assert scenes(frames)[-1] == 0


@pytest.mark.parametrize("levels", [-60, 60, 120])
def test_a_flash_is_no_cut(levels):
    frame = view(WIDE, 100)
    flash = np.clip(frame.astype(int) + levels, 0, 255).astype(np.uint8)

    assert scenes([frame, flash, frame]) == [0, 0, 0]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_frames_show_nothing_and_end_nothing(level):
    frame = view(WIDE, 100)
    blank = grained(np.full_like(frame, level), 2)

    assert scenes([frame, blank, blank, frame]) == [0, None, None, 0]
    assert scenes([frame, blank, view(OTHER, 100)]) == [0, None, 1]


def test_a_small_thing_before_a_plain_wall_is_seen_and_ends_nothing():
    frame = view(WIDE, 100)
    wall = np.full_like(frame, 200)
    wall[100:112, 200:212] = 120

    assert scenes([wall, wall]) == [0, 0]
    assert scenes([frame, wall, frame]) == [0, 0, 0]
    assert scenes([frame, wall, view(OTHER, 100)]) == [0, 0, 1]


def test_noise_in_every_frame_is_no_cut():
    # As of an animation of few colours, scattered anew in each frame.
    frames = [grained(view(WIDE, 100), 60, seed) for seed in range(10)]

    assert scenes(frames)[-1] == 0
