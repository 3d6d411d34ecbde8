"""Videos come out as they came in: times, turn and sound; nothing is told of them."""

from __future__ import annotations

import io
import sys
from contextlib import nullcontext
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ErrorKind, ImageError
from emojifier_bot.vision.clips.limits import ClipLimits
from emojifier_bot.vision.clips.opening import open_clip
from emojifier_bot.vision.clips.types import Writing
from emojifier_bot.vision.decode import DecodeLimits
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
from emojifier_bot.vision.sandbox.protocol import ChildLimits
from tests.clips import (
    DISC_RGB,
    SIZE_WH,
    animation,
    disc_center,
    disc_mask,
    paint_disc,
    panned,
)
from tests.videos import (
    av,
    facts,
    shown,
    sound_packets,
    video,
    with_edits,
    with_matrix,
    with_times,
)

COUNT = 20
FRAMES = panned(COUNT, step_px=2)
TICKS = [0]
for step in [512, 700, 340, 1500] * 5:
    TICKS.append(TICKS[-1] + step)
SECRET = {"title": "secret-title", "comment": "secret-place", "location": "+48+011/"}
VIDEOS = {
    "mp4": video(FRAMES, metadata=SECRET),
    "mov": video(FRAMES, "mov", metadata=SECRET),
    "webm": video(FRAMES, "webm", metadata=SECRET),
    "variable rate": video(FRAMES, ticks=TICKS[:COUNT]),
    "silent": video(FRAMES, sound=False),
}


def opened(data, limits=DecodeLimits(), clip_limits=ClipLimits()):  # noqa: B008 - frozen
    clip = open_clip(data, limits, clip_limits)
    assert clip is not None
    return clip


@pytest.mark.parametrize("name", VIDEOS)
def test_times_size_and_sound_stay(name):
    data = VIDEOS[name]
    clip = opened(data)

    result = clip.rewritten(paint_disc)

    given, written = shown(data), shown(result)
    assert [time for time, _ in written] == pytest.approx([time for time, _ in given])
    assert sound_packets(result) == sound_packets(data)
    assert clip.info.has_sound == bool(sound_packets(data))
    assert (clip.info.frames, clip.info.size_wh) == (COUNT, SIZE_WH)
    assert facts(result)["seconds"] == pytest.approx(facts(data)["seconds"], abs=0.06)
    assert len(result) <= 1.5 * len(data) + 20_000
    for index, ((_, before), (_, after)) in enumerate(zip(given, written, strict=True)):
        disc = disc_mask(index, before.shape)
        y, x = np.mgrid[: before.shape[0], : before.shape[1]]
        center = disc_center(index)
        far = np.hypot(x - center[0], y - center[1]) > 30
        off = before[far].astype(int) - after[far]
        assert np.sqrt(np.mean(off**2)) < 4
        assert abs(after[disc].mean(axis=0) - DISC_RGB).max() < 12


@pytest.mark.parametrize("name", ["mp4", "mov", "webm"])
def test_nothing_is_told_of_whoever_filmed_it(name):
    assert b"secret" in VIDEOS[name]

    result = opened(VIDEOS[name]).rewritten(paint_disc)

    assert b"secret" not in result
    assert b"+48+011" not in result
    told = facts(result)
    assert set(told["metadata"]) <= {
        "major_brand",
        "minor_version",
        "compatible_brands",
        "encoder",
    }


def test_a_cover_picture_is_neither_shown_nor_kept():
    data = video(FRAMES, cover=True)
    assert len(facts(data)["streams"]) == 3

    result = opened(data).rewritten(paint_disc)

    assert [kind for kind, _ in facts(result)["streams"]] == ["video", "audio"]
    assert len(shown(result)) == COUNT


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_turned_video_becomes_an_upright_one(rotation):
    data = video(FRAMES, rotation=rotation)
    clip = opened(data)
    upright = SIZE_WH if rotation == 180 else SIZE_WH[::-1]

    assert clip.info.size_wh == upright
    frame = next(clip.frames())
    assert frame.picture.image.size == upright
    # Display matrices turn counter-clockwise, as numpy does.
    want = np.rot90(np.asarray(FRAMES[0]), rotation // 90)
    off = np.asarray(frame.picture.image).astype(int) - want
    assert np.sqrt(np.mean(off**2)) < 10

    again = opened(clip.rewritten(lambda _frame: None))
    assert again.info.size_wh == upright
    off = np.asarray(next(again.frames()).picture.image).astype(int) - want
    assert np.sqrt(np.mean(off**2)) < 10


@pytest.mark.parametrize(
    ("matrix", "turn"),
    {
        (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
        (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
        (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
        (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
        (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    }.items(),
)
def test_a_mirrored_video_is_painted_and_written_as_players_show_it(matrix, turn):
    clip = opened(with_matrix(video(FRAMES), *matrix))
    want = np.asarray(FRAMES[0].transpose(turn))

    again = opened(clip.rewritten(lambda _frame: None))

    for one in (clip, again):
        found = np.asarray(next(one.frames()).picture.image)
        assert found.shape == want.shape
        assert np.sqrt(np.mean((found.astype(int) - want) ** 2)) < 10


@pytest.mark.parametrize("name", ["mp4", "mov"])
def test_the_header_stands_before_the_frames(name):
    result = opened(VIDEOS[name]).rewritten(paint_disc)

    assert 0 < result.index(b"moov") < result.index(b"mdat")


@pytest.mark.parametrize("to", ["MP4", "MOV", "WEBM", "GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_another_extension_converts(name, to):
    clip = opened(VIDEOS[name])

    again = opened(clip.rewritten(paint_disc, Writing(to)))

    assert (again.info.format, again.info.frames) == (to, COUNT)
    assert again.info.seconds == pytest.approx(clip.info.seconds, abs=0.05)
    is_video = to in {"MP4", "MOV", "WEBM"}
    assert again.info.has_sound == is_video
    picture = np.asarray(list(again.frames())[-1].picture.image.convert("RGB"))
    center_x, center_y = disc_center(COUNT - 1)
    assert abs(picture[center_y, center_x].astype(int) - DISC_RGB).max() < 16


@pytest.mark.parametrize("to", ["MP4", "WEBM"])
def test_an_animation_of_odd_sides_becomes_a_video(to):
    frames = [one.resize((161, 121)) for one in panned(5)]
    clip = opened(animation(frames, "GIF", duration=[100, 50, 80, 100, 70]))

    result = clip.rewritten(paint_disc, Writing(to))

    times = [time for time, _ in shown(result)]
    assert times == pytest.approx([0, 0.1, 0.15, 0.23, 0.33])
    assert {picture.shape[:2] for _, picture in shown(result)} == {
        (122, 162) if to == "MP4" else (121, 161)
    }


@pytest.mark.parametrize("to", ["MP4", "MOV", "WEBM"])
def test_the_last_frame_is_shown_for_as_long_as_before(to):
    delays = [100, 50, 80, 100, 3000]
    clip = opened(animation(panned(5), "GIF", duration=delays))

    converted = clip.rewritten(paint_disc, Writing(to))
    again = opened(converted).rewritten(paint_disc)

    for result in (converted, again):
        assert opened(result).info.durations_ms == pytest.approx(delays)
        assert facts(result)["seconds"] == pytest.approx(3.33)


def test_a_long_frame_of_a_fine_clock_keeps_its_time_as_a_png():
    # The fraction of its seconds, 76801/15360, is none that a PNG can hold.
    clip = opened(video(FRAMES[:4], ticks=[0, 512, 1024, 77825], sound=False))

    again = opened(clip.rewritten(paint_disc, Writing("PNG")))

    assert again.info.durations_ms == pytest.approx(clip.info.durations_ms, abs=0.1)
    assert again.info.durations_ms[2] == pytest.approx(5000.07, abs=0.1)


def test_hdr_becomes_what_screens_show():
    data = video(FRAMES, color_primaries=9, color_trc=18, colorspace=9)
    clip = opened(data)

    assert any("HDR" in note or "bright" in note for note in clip.info.notes)
    result = clip.rewritten(paint_disc)

    with av.open(io.BytesIO(result)) as container:
        stream = container.streams.video[0].codec_context
        assert (stream.color_trc, stream.color_primaries) == (1, 1)
    _, last = shown(result)[-1]
    center_x, center_y = disc_center(COUNT - 1)
    assert abs(last[center_y, center_x].astype(int) - DISC_RGB).max() < 20


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (ClipLimits(max_seconds=0.5), "EMOJIFIER_MAX_SECONDS"),
        (ClipLimits(max_frames=COUNT - 1), "EMOJIFIER_MAX_FRAMES"),
        (ClipLimits(max_pixels=COUNT * 160 * 120 - 1), "EMOJIFIER_MAX_CLIP_PIXELS"),
    ],
)
@pytest.mark.parametrize("name", ["mp4", "mov", "webm"])
def test_a_video_past_a_bound_is_refused(name, limits, named):
    with pytest.raises(ImageError, match=named):
        opened(VIDEOS[name], clip_limits=limits)
    with pytest.raises(ImageError, match="EMOJIFIER_MAX_PIXELS"):
        opened(VIDEOS[name], DecodeLimits(max_pixels=160 * 120 - 1))


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_what_is_damaged_is_an_error_or_ends_early(name):
    data = VIDEOS[name]
    for end in range(100, len(data), len(data) // 12):
        counts, kinds = [0], {ErrorKind.BROKEN}
        try:
            counts.append(len(list(opened(data[:end]).frames())))
        except ImageError as error:
            kinds.add(error.kind)
        assert max(counts) <= COUNT
        assert kinds == {ErrorKind.BROKEN}


def resized(sizes_wh, codec, container):
    """Return a video whose stream changes its size, five frames each."""
    buffer, base = io.BytesIO(), Fraction(1, 10)
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height = sizes_wh[0]
        stream.pix_fmt = "yuv420p"
        for at, size_wh in enumerate(sizes_wh):
            encoder = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height = size_wh
            encoder.pix_fmt, encoder.time_base = "yuv420p", base
            if codec == "libx264":
                encoder.options = {"x264-params": "repeat-headers=1:bframes=0"}
            packets = []
            for index in range(5):
                frame = av.VideoFrame.from_image(FRAMES[0].resize(size_wh))
                frame.pts, frame.time_base = 5 * at + index, base
                packets += encoder.encode(frame)
            for packet in packets + encoder.encode(None):
                packet.stream, packet.time_base = stream, base
                out.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("codec", "container"), [("libvpx-vp9", "webm"), ("libx264", "mp4")]
)
def test_frames_of_a_stream_that_changes_its_size_have_the_first_ones(codec, container):
    data = resized([(160, 120), (80, 60), (320, 240)], codec, container)

    sizes = [one.picture.image.size for one in opened(data).frames()]
    assert sizes == [(160, 120)] * 15
    bounded = opened(data, DecodeLimits(max_pixels=160 * 120))
    assert 5 <= len(list(bounded.frames())) <= 10
    with IsolatedDecoder() as decoder:
        with decoder.open_clip(data) as clip:
            assert len(list(clip.frames())) == 15
        assert decoder.deaths == {}


def test_frames_larger_than_the_header_says_count_as_what_they_are():
    data = resized([(160, 120), (320, 240)], "libvpx-vp9", "webm")
    bound = 5 * 160 * 120 + 4 * 320 * 240
    assert bound > 10 * 160 * 120
    clip = opened(data, clip_limits=ClipLimits(max_pixels=bound))

    with pytest.raises(ImageError, match="megapixels so far") as caught:
        list(clip.frames())

    assert caught.value.kind == ErrorKind.CLIP_TOO_LONG


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (9, nullcontext()),
        (10, pytest.raises(ImageError, match="megapixels so far")),
    ],
)
def test_what_a_later_frame_is_refused_for_is_no_answer_to_the_next_one(asked, refusal):
    data = resized([(160, 120), (320, 240)], "libvpx-vp9", "webm")
    # The last of ten frames is too much.
    limits = ClipLimits(max_pixels=5 * 160 * 120 + 4 * 320 * 240)
    with IsolatedDecoder(ChildLimits(clip=limits)) as decoder:
        with refusal, decoder.open_clip(data) as clip:
            for _ in islice(clip.frames(), asked):
                pass

        with decoder.open_clip(VIDEOS["mp4"]) as clip:
            assert len(list(clip.frames())) == COUNT
        assert decoder.deaths == {}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux limits memory")
def test_too_little_memory_is_no_damage():
    data = video([FRAMES[0].resize((1920, 1080))] * 8, sound=False)
    # What writes clips takes most of that.
    limits = ChildLimits(memory_bytes=80_000_000)

    with IsolatedDecoder(limits) as decoder:
        with pytest.raises(ImageError) as caught, decoder.open_clip(data) as clip:
            list(clip.frames())

        assert caught.value.kind == ErrorKind.TOO_MANY_PIXELS
        assert decoder.deaths == {}


def test_sound_alone_is_no_video():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        tone = out.add_stream("aac", rate=48_000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate = 48_000
        out.mux(tone.encode(frame))
        out.mux(tone.encode(None))

    with pytest.raises(ImageError, match="video is damaged"):
        open_clip(buffer.getvalue(), DecodeLimits())


def test_without_the_library_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(ImageError, match=r"need the extra `video` \(PyAV\)"):
        open_clip(VIDEOS["mp4"], DecodeLimits())


def test_a_process_of_its_own_gives_the_same():
    with IsolatedDecoder() as decoder:
        for name in ("mp4", "webm"):
            with decoder.open_clip(VIDEOS[name]) as clip:
                assert len(list(clip.frames())) == COUNT
                there = clip.rewritten(paint_disc)
                assert sound_packets(there) == sound_packets(VIDEOS[name])
                here = opened(VIDEOS[name]).rewritten(paint_disc)
                for (_, one), (_, other) in zip(shown(there), shown(here), strict=True):
                    assert abs(one.astype(int) - other).mean() < 1
        assert decoder.deaths == {}


#: In its ticks, 15360 a second, a frame is shown for 512.
IN_ORDER = video(FRAMES, sound=False, max_b_frames=0)
LATE = [3600 * 15360 + 512 * number for number in range(COUNT)]
#: Frames that are shown, or the kind of the refusal, by what the times of a video are.
ABSURD = {
    "a part": (with_edits(IN_ORDER, (200, 4 * 512)), 6),
    "a pause": (with_edits(IN_ORDER, (2000, -1), (600, 0)), 18),
    "a pause of weeks": (with_edits(IN_ORDER, (2**31 - 1, -1), (600, 0)), 18),
    "twice": (with_edits(IN_ORDER, (667, 0), (667, 0)), 40),
    "thousands of times": (with_edits(IN_ORDER, *[(667, 0)] * 9000), "clip_too_long"),
    "nothing": (with_edits(IN_ORDER, (667, 10**6)), "broken"),
    "a pause alone": (with_edits(IN_ORDER, (667, -1)), "broken"),
    "standing still": (with_edits(IN_ORDER, (667, 0), rate=0), 20),
    "backwards": (with_edits(IN_ORDER, (667, 0), rate=-1), 20),
    "a million a second": (with_times(IN_ORDER, 10**6, (COUNT, 1)), COUNT),
    "two billion a second": (with_times(IN_ORDER, 2**31 - 1, (COUNT, 1)), COUNT),
    "one in a thousand seconds": (
        with_times(IN_ORDER, 15360, (COUNT, 15_360_000)),
        "clip_too_long",
    ),
    "all at once": (with_times(IN_ORDER, 15360, (COUNT, 0)), COUNT),
    # FFmpeg takes it for one.
    "no ticks a second": (with_times(IN_ORDER, 0, (COUNT, 512)), "clip_too_long"),
    "back in time": (with_times(IN_ORDER, 15360, (COUNT, 2**32 - 1)), COUNT),
    "more frames than there are": (
        with_times(IN_ORDER, 15360, (2**32 - 1, 512)),
        COUNT,
    ),
    "webm, a thousand a second": (video(FRAMES, "webm", rate=1000), COUNT),
    "webm, a million a second": (video(FRAMES, "webm", rate=10**6), COUNT),
    "webm, late": (video(FRAMES, "webm", ticks=LATE, sound=False), COUNT),
    "gif, without delays": (animation(FRAMES, "GIF", duration=0), COUNT),
    "gif, of hours": (animation(FRAMES, "GIF", duration=655_350), "clip_too_long"),
    "apng, without delays": (animation(FRAMES, "PNG", duration=0), COUNT),
    "apng, of days": (animation(FRAMES, "PNG", duration=65_535_000), "clip_too_long"),
    "webp, of days": (animation(FRAMES, "WEBP", duration=2**24 - 1), "clip_too_long"),
    "mp4, late": (video(FRAMES, ticks=LATE, sound=False), COUNT),
}


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder() as decoder:
        yield decoder


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_times_are_shown_or_refused(decoder, name):
    data, expected = ABSURD[name]
    try:
        with decoder.open_clip(data) as clip:
            found = len(list(clip.frames()))
            result = clip.rewritten(paint_disc)
    except ImageError as error:
        found = error.kind
    else:
        given, written = shown(data), shown(result)
        assert (len(written), data[:4]) == (found, result[:4])
        if not name.endswith(("at once", "in time", "a million a second")):
            times, wanted = ([time for time, _ in one] for one in (written, given))
            assert times == pytest.approx(wanted, abs=0.001)

    assert found == expected
    assert decoder.deaths == {}
