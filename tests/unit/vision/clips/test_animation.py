"""Animations come out as they came in: frames, delays, loops and transparency."""

from __future__ import annotations

import struct
import threading

import numpy as np
import pytest

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.clips.limits import ClipLimits
from emojifier_bot.vision.clips.opening import open_clip
from emojifier_bot.vision.clips.types import Writing
from emojifier_bot.vision.decode import DecodeLimits
from emojifier_bot.vision.gif import read_gif
from emojifier_bot.vision.media_boxes import find_box
from tests.clips import (
    DISC_RGB,
    SIZE_WH,
    animation,
    disc_mask,
    facts_of,
    paint_disc,
    panned,
    rgba_frames,
    with_hole,
)
from tests.images import encoded, photo

HOLE = (20, 10, 150, 110)
DELAYS = [40, 50, 60, 70, 80, 90, 100, 110]
SHARED = panned()[0].quantize(200)


def opened(data):
    clip = open_clip(data, DecodeLimits())
    assert clip is not None
    return clip


def transparent():
    return [with_hole(one, HOLE) for one in panned()]


CASES = {
    "gif, a palette for each frame": animation(
        [one.quantize(256) for one in panned()], "GIF", duration=DELAYS
    ),
    "gif, one palette": animation(
        [one.quantize(palette=SHARED) for one in panned()], "GIF", loop=3
    ),
    "gif, cleared": animation(transparent(), "GIF", disposal=2, duration=DELAYS),
    "gif, restored": animation(transparent(), "GIF", disposal=3, loop=1),
    "gif, shown once": animation(panned(), "GIF", loop=None),
    "png": animation(panned(), "PNG", duration=DELAYS, loop=2),
    "png, over": animation(
        transparent(), "PNG", blend=1, disposal=[0, 0, 0, 1, 1, 2, 2, 0]
    ),
    "png, source": animation(transparent(), "PNG", blend=0, disposal=1),
    "png, palette": animation(
        [one.quantize(palette=SHARED) for one in panned()], "PNG"
    ),
    "webp, lossless": animation(transparent(), "WEBP", lossless=True, duration=DELAYS),
}
LOSSY = {
    "webp": animation(panned(), "WEBP", quality=80, duration=DELAYS, loop=3),
    "webp, coarse": animation(transparent(), "WEBP", quality=40, method=4),
    "avif": animation(panned(), "AVIF", quality=70, duration=DELAYS),
    "avif, transparent": animation(transparent(), "AVIF", quality=70),
}


@pytest.mark.parametrize("name", CASES)
def test_all_but_what_is_painted_stays_as_it_was(name):
    data = CASES[name]

    result = opened(data).rewritten(paint_disc)

    assert facts_of(result) == facts_of(data)
    for index, (given, painted) in enumerate(
        zip(rgba_frames(data), rgba_frames(result), strict=True)
    ):
        disc = disc_mask(index, given.shape)
        is_seen = ~disc & (given[..., 3] > 0)
        np.testing.assert_array_equal(given[is_seen], painted[is_seen])
        np.testing.assert_array_equal(given[~disc][:, 3], painted[~disc][:, 3])
        colors = painted[disc].astype(int)
        assert (colors[:, 3] == 255).all()
        assert abs(colors[:, :3] - DISC_RGB).max() <= 2
    assert len(result) <= 1.5 * len(data)


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_ones_are_about_as_large_and_as_true(name):
    data = LOSSY[name]

    result = opened(data).rewritten(paint_disc)

    assert facts_of(result) == facts_of(data)
    for index, (given, painted) in enumerate(
        zip(rgba_frames(data), rgba_frames(result), strict=True)
    ):
        disc = disc_mask(index, given.shape)
        visible = ~disc & (given[..., 3] == 255)
        off = given[visible].astype(int) - painted[visible]
        assert np.sqrt(np.mean(off**2)) < 6
        assert abs(painted[disc][:, :3] - np.array(DISC_RGB)).mean() < 12
    assert len(result) <= 1.5 * len(data)


@pytest.mark.parametrize("name", CASES)
def test_an_animation_nobody_painted_on_shows_the_same(name):
    data = CASES[name]

    result = opened(data).rewritten(lambda _frame: None)

    for given, written in zip(rgba_frames(data), rgba_frames(result), strict=True):
        is_seen = given[..., 3] > 0
        np.testing.assert_array_equal(given[is_seen], written[is_seen])
    assert facts_of(result) == facts_of(data)
    assert len(result) <= 1.15 * len(data)


@pytest.mark.parametrize("to", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("name", ["gif, cleared", "webp, lossless", "avif"])
def test_another_format_shows_the_same_for_as_long(name, to):
    data = (CASES | LOSSY)[name]
    clip = opened(data)

    result = clip.rewritten(paint_disc, Writing(to))

    again = opened(result)
    assert again.info.format == to
    assert again.info.loops == clip.info.loops
    assert again.info.size_wh == clip.info.size_wh == SIZE_WH
    assert again.info.frames == clip.info.frames
    assert again.info.seconds == pytest.approx(clip.info.seconds, abs=0.01)
    last, given = rgba_frames(result)[-1], rgba_frames(data)[-1]
    assert (last[..., 3] > 127).mean() == pytest.approx(
        ((given[..., 3] > 127) | disc_mask(7, given.shape)).mean(), abs=0.01
    )
    assert abs(last[60, 69, :3] - np.array(DISC_RGB)).max() < 12


@pytest.mark.parametrize("loops", [0, 1, 2, 5])
@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF"])
def test_what_is_shown_so_often_is_shown_so_often_again(name, loops):
    given = CASES["png"]
    # Only a rewritten file has every count in every format.
    clip = opened(opened(given).rewritten(lambda _frame: None, Writing(name)))
    object.__setattr__(clip.info, "loops", loops)

    once = opened(clip.rewritten(lambda _frame: None))
    twice = opened(once.rewritten(lambda _frame: None))

    assert once.info.loops == twice.info.loops == loops


def test_delays_that_browsers_do_not_keep_are_told_as_they_show_them():
    data = animation(panned(3), "GIF", duration=[0, 10, 20])

    assert opened(data).info.durations_ms == (100, 100, 20)
    again = opened(data).rewritten(paint_disc)
    assert [one["duration"] for one in facts_of(again)] == [0, 10, 20]


@pytest.mark.parametrize("name", ["PNG", "WEBP", "AVIF"])
def test_sixty_frames_a_second_are_shown_as_such_and_as_fast_as_a_gif_can(name):
    clip = opened(animation(panned(4), name, duration=[10, 11, 16, 17]))

    assert clip.info.durations_ms == (100, 11, 16, 17)
    as_gif = facts_of(clip.rewritten(paint_disc, Writing("GIF")))
    assert [one["duration"] for one in as_gif] == [100, 20, 20, 20]


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF", "JPEG", "TIFF"])
def test_a_picture_of_one_frame_is_no_clip(name):
    assert open_clip(encoded(photo(), name), DecodeLimits()) is None


def test_pages_are_no_clip():
    buffer = animation(panned(3), "TIFF")

    assert open_clip(buffer, DecodeLimits()) is None


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (ClipLimits(max_seconds=0.5), "EMOJIFIER_MAX_SECONDS"),
        (ClipLimits(max_frames=7), "EMOJIFIER_MAX_FRAMES"),
        (ClipLimits(max_pixels=8 * 160 * 120 - 1), "EMOJIFIER_MAX_CLIP_PIXELS"),
    ],
)
@pytest.mark.parametrize("data", [*CASES.values(), LOSSY["avif"]])
def test_a_clip_past_a_bound_is_refused_by_its_header(limits, named, data):
    if named == "EMOJIFIER_MAX_SECONDS" and opened(data).info.seconds < 0.5:
        limits = ClipLimits(max_seconds=0.3)

    with pytest.raises(ImageError, match=named) as caught:
        open_clip(data, DecodeLimits(), limits)

    assert caught.value.kind == ErrorKind.CLIP_TOO_LONG


def test_what_a_gif_hides_outside_of_its_canvas_counts_too():
    data = animation(panned(2), "GIF")
    place = struct.pack("<4H", *read_gif(data, 9).frames[1].place)
    at = data.rindex(b"," + place) + 5
    huge = data[:at] + struct.pack("<2H", 60_000, 40_000) + data[at + 4 :]

    with pytest.raises(ImageError, match="together 2400") as caught:
        open_clip(huge, DecodeLimits())

    assert caught.value.kind == ErrorKind.CLIP_TOO_LONG


def test_an_avif_whose_frames_are_larger_than_it_says_counts_as_what_it_is():
    data = bytearray(animation(panned(6), "AVIF"))
    _, end = find_box(bytes(data), b"moov", b"trak", b"tkhd")
    struct.pack_into(">2I", data, end - 8, 16 << 16, 16 << 16)
    limits = ClipLimits(max_pixels=6 * 160 * 120 - 1)

    with pytest.raises(ImageError, match="EMOJIFIER_MAX_CLIP_PIXELS"):
        open_clip(bytes(data), DecodeLimits(), limits)


@pytest.mark.parametrize("name", [name for name in CASES if "webp" not in name])
def test_an_animation_cut_off_ends_with_its_last_whole_frame(name):
    data = CASES[name]
    clip = opened(data[: int(len(data) * 0.7)])

    whole = list(clip.frames())
    result = opened(clip.rewritten(paint_disc))

    assert 2 <= len(whole) < 8
    assert result.info.frames == len(whole)


def test_a_webp_cut_off_is_an_error_that_says_so():
    clip = opened(CASES["webp, lossless"][:-1000])

    with pytest.raises(ImageError, match="damaged or cut off"):
        next(clip.frames())


@pytest.mark.parametrize("name", ["png", "gif, cleared"])
@pytest.mark.parametrize("to", ["WEBP", "AVIF"])
def test_no_frame_is_painted_any_more_when_the_writer_has_failed(name, to):
    clip = opened(CASES[name])

    with pytest.raises(ImageError) as caught:
        clip.rewritten(paint_disc, Writing(to, quality=1000))

    assert caught.value.kind == "broken"
    assert not [one for one in threading.enumerate() if one.name.startswith("frames")]
