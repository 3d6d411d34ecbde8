"""Pictures of strangers, decoded in a real process of their own."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import ImageError
from emojifier_bot.vision.clips.types import Writing
from emojifier_bot.vision.decode import DecodeLimits, decode
from emojifier_bot.vision.sandbox import protocol
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder, start_clip_decoder
from emojifier_bot.vision.sandbox.lockdown import memory_in_use, resident_bytes
from emojifier_bot.vision.sandbox.process import _ENVIRONMENT, DecoderProcess
from emojifier_bot.vision.sandbox.protocol import ChildLimits
from tests import profiles
from tests.clips import animation, panned
from tests.fakes.decoder_child import WRITTEN
from tests.fuzz.attack import children, traces
from tests.fuzz.seeds import seeds
from tests.images import assert_same_pixels, encoded, photo, png_file

PNG = encoded(photo(), "PNG")
FAST = ChildLimits(memory_bytes=300_000_000, cpu_seconds=1, wall_seconds=60.0)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps it")


def wrong(entry: str):
    """Return what starts a child of `tests.fakes.decoder_child`."""
    return partial(DecoderProcess, entry=f"tests.fakes.decoder_child:{entry}")


def first_wrong(entry: str) -> IsolatedDecoder:
    """Return a decoder whose first child goes wrong, and no other one."""
    starts = iter([wrong(entry), DecoderProcess])
    return IsolatedDecoder(FAST, start=lambda given: next(starts)(given))  # noqa: PLW0108 - one after the other


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder() as one:
        yield one


@pytest.fixture(autouse=True)
def _nothing_is_left(request, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if "decoder" in request.fixturenames:
        yield
        return
    before = traces()
    yield
    assert traces() - before == set()


@pytest.mark.parametrize("data", dict(seeds()).values(), ids=dict(seeds()))
def test_every_format_comes_out_as_in_this_process(decoder, data):
    here, there = decode(data), decoder.decode(data)

    assert_same_pixels(there.image, here.image)
    assert there.source_format == here.source_format
    assert there.lossless == here.lossless
    assert there.source_bytes == len(data)
    assert (there.jpeg is None) == (here.jpeg is None)
    if here.jpeg is not None:
        assert there.jpeg.tables == here.jpeg.tables
        assert there.jpeg.aligned == here.jpeg.aligned
    assert (there.icc_profile is None) == (here.icc_profile is None)
    assert decoder.deaths == {}


def test_what_becomes_white_is_asked_again_there(decoder):
    values = np.full((60, 80), 0.8, np.float32)
    values[20:30, 20:30] = 40
    data = encoded(Image.fromarray(values), "TIFF")

    there = decoder.decode(data)
    again = there.rescaled([(25.0, 25.0, 8.0)])

    assert_same_pixels(there.image, decode(data).image)
    assert_same_pixels(again.image, decode(data, hidden=[(25.0, 25.0, 8.0)]).image)
    grey = [one.image.getpixel((70, 50)) for one in (there, again)]
    assert grey == [(1, 1, 1), (204, 204, 204)]
    assert decoder.decode(PNG).rescaled is None


def test_a_profile_with_texts_comes_out_without(decoder):
    there = decoder.decode(encoded(photo(), "PNG", icc_profile=profiles.SRGB))

    assert there.icc_profile
    assert b"desc" not in there.icc_profile


def test_a_picture_that_was_cut_off_says_so(decoder):
    data = encoded(photo(256, 256), "JPEG", quality=90)
    there = decoder.decode(data[: int(len(data) * 0.8)])

    assert "rows are missing" in there.notes[0]
    assert there.source_bytes == 0


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"nothing", "not_an_image"),
        (b"8BPS....", "unsupported"),
        (PNG[:60], "broken"),
        (encoded(photo(), "JPEG")[:100], "truncated"),
        (png_file(20_000, 20_000, depth=8, kind=0, rows=b""), "too_many_pixels"),
    ],
)
def test_refusals_are_those_of_this_process(decoder, data, kind):
    with pytest.raises(ImageError) as here:
        decode(data)
    with pytest.raises(ImageError) as there:
        decoder.decode(data)

    assert (there.value.kind, there.value.message) == (kind, here.value.message)
    assert decoder.deaths == {}


def test_larger_and_smaller_pictures_by_turns(decoder):
    for size in ((9, 9), (1800, 1200), (30, 40)):
        image = photo(*size)
        assert_same_pixels(decoder.decode(encoded(image, "PNG")).image, image)


def test_pixels_that_are_too_many_cost_the_next_picture_only():
    with first_wrong("gives_too_many_pixels") as one:
        assert one.decode(PNG).image.size == (8, 8)
        with pytest.raises(ImageError) as caught:
            one.decode(PNG)

        assert caught.value.kind == "decode_crash"
        assert_same_pixels(one.decode(PNG).image, photo())


WRONG = [
    ("segfaults", "decode_crash", "SIGSEGV"),
    ("aborts", "decode_crash", "SIGABRT"),
    ("raises", "decode_crash", "exit 1"),
    ("eats_memory", "decode_crash", "exit 1"),
    ("spins", "decode_timeout", "SIGXCPU"),
    ("closes", "decode_crash", "closed its connection"),
    ("talks_nonsense", "decode_crash", "wrong answer"),
    ("lies_about_the_size", "decode_crash", "wrong answer"),
    ("gives_half_the_pixels", "decode_crash", "exit 0"),
    ("is_killed_mid_answer", "decode_crash", "SIGKILL"),
]


@linux_only
@pytest.mark.parametrize(("entry", "kind", "cause"), WRONG)
def test_a_child_that_goes_wrong_costs_one_picture(caplog, entry, kind, cause):
    with first_wrong(entry) as one:
        with pytest.raises(ImageError) as caught:
            one.decode(PNG)

        assert caught.value.kind == kind
        assert one.deaths == {cause: 1}
        died = [row for row in caplog.records if row.action == "decoder_died"]
        assert [row.cause for row in died] == [cause]
        assert_same_pixels(one.decode(PNG).image, photo())


@linux_only
@pytest.mark.parametrize(
    "entry",
    ["sleeps", "stops", "never_stops_talking", "gives_no_pixels", "reads_no_picture"],
)
def test_a_child_that_takes_too_long_is_killed(entry):
    limits = replace(FAST, wall_seconds=2.0)
    with IsolatedDecoder(limits, start=wrong(entry)) as one:
        one.warm_up()
        began = time.monotonic()
        with pytest.raises(ImageError) as caught:
            one.decode(PNG + bytes(2_000_000))

        assert caught.value.kind == "decode_timeout"
        assert one.deaths == {"too slow": 1}
        assert 1 < time.monotonic() - began < 30


@pytest.mark.parametrize("entry", ["does_not_start", "is_not_ready", "is_not_there"])
def test_a_child_that_does_not_start_is_told(entry, capfd):
    with IsolatedDecoder(FAST, start=wrong(entry)) as one:
        with pytest.raises(ImageError) as caught:
            one.warm_up()

        assert caught.value.kind == "decoder_down"
    assert ("is_not_there" in capfd.readouterr().err) == (entry == "is_not_there")


BY_LANDLOCK = {"read", "write", "spy"}
BY_SECCOMP = {
    *("dial", "send", "run", "signal", "own", "fork", "limit", "niceness", "pin"),
    *("cut", "mode", "time", "label", "unshare"),
}


@linux_only
def test_a_child_that_was_taken_over_finds_nothing_and_reaches_nobody():
    with (
        IsolatedDecoder(FAST, start=wrong("tries_everything")) as one,
        pytest.raises(ImageError) as caught,
    ):
        one.decode(PNG)

    *told, knows = caught.value.message.split(", ")
    went = dict(one.split(" ", 1) for one in told)
    assert went.pop("open") == str(errno.EMFILE)
    assert set(went) == BY_LANDLOCK | BY_SECCOMP
    status = one._logged
    behind = (BY_LANDLOCK if status.landlock else set()) | (
        BY_SECCOMP if status.seccomp else set()
    )
    refused = {str(errno.EPERM), str(errno.EACCES)}
    assert {name: went[name] for name in behind if went[name] not in refused} == {}
    # The last one our own package sets when it is imported.
    assert set(knows.split()[1:]) <= {*_ENVIRONMENT, "ORT_DISABLE_TELEMETRY"}
    assert not WRITTEN.exists()


@linux_only
def test_what_the_kernel_keeps_from_it_is_told_once(caplog):
    with (
        caplog.at_level(logging.INFO, "emojifier_bot.vision.sandbox.isolated"),
        IsolatedDecoder() as one,
    ):
        for _ in range(2):
            one.warm_up()
            one._idle.pop().close()

    (told,) = [one for one in caplog.records if one.action == "decoder_ready"]
    assert isinstance(told.landlock, int)
    assert isinstance(told.seccomp, bool)


@linux_only
def test_it_is_the_first_to_die_when_memory_runs_out():
    with IsolatedDecoder() as one:
        one.warm_up()
        score = Path(f"/proc/{one.pids[0]}/oom_score_adj").read_text()

    assert score.strip() == "1000"


@pytest.mark.parametrize("raised", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["PIL.Image.frombuffer", "numpy.empty"])
def test_one_that_was_left_in_the_middle_is_not_used_again(monkeypatch, raised, where):
    def fail(*_: object) -> None:
        raise raised

    with IsolatedDecoder() as one:
        one.warm_up()
        first = one.pids
        with monkeypatch.context() as patch:
            patch.setattr(where, fail)
            with pytest.raises(raised):
                one.decode(PNG)

        assert one.deaths == {"was given up": 1}
        assert not _lives(first[0])
        assert_same_pixels(one.decode(PNG).image, photo())


def test_no_descriptors_left_is_an_error_of_ours(monkeypatch):
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with IsolatedDecoder() as one:
        monkeypatch.setattr("socket.socketpair", fail)
        with pytest.raises(ImageError) as caught:
            one.decode(PNG)

    assert caught.value.kind == "decoder_down"


@linux_only
def test_a_picture_that_needs_too_much_memory_is_refused():
    data = png_file(4000, 3000, depth=8, kind=0, rows=bytes(4001 * 3000))
    limits = ChildLimits(memory_bytes=30_000_000)
    with IsolatedDecoder(limits) as one:
        with pytest.raises(ImageError) as caught:
            one.decode(data)

        assert caught.value.kind == "too_many_pixels"
        assert "memory" in caught.value.message
        assert_same_pixels(one.decode(PNG).image, photo())
        assert one.deaths == {}


@linux_only
def test_a_picture_whose_profile_needs_too_much_memory_is_refused():
    # Read by ICC's version 3, which is not written anew: it is converted in a copy.
    profile = profiles.rgb_profile()
    profile = profile[:8] + b"\3" + profile[9:]
    image = Image.new("RGB", (4000, 3000), "teal")
    data = encoded(image, "JPEG", icc_profile=profile)
    # Of 48 MB for a picture each there is room for one.
    with IsolatedDecoder(ChildLimits(memory_bytes=75_000_000)) as one:
        with pytest.raises(ImageError) as caught:
            one.decode(data)

        assert caught.value.kind == "too_many_pixels"
        assert_same_pixels(one.decode(PNG).image, photo())
        assert one.deaths == {}


def slowly(frames):
    for _ in frames:
        time.sleep(0.02)


def test_a_clip_has_its_time_and_no_more():
    data = animation(panned(100), "GIF", duration=10)
    with IsolatedDecoder(ChildLimits(clip_seconds=0.5)) as one:
        with pytest.raises(ImageError) as caught, one.open_clip(data) as clip:
            slowly(clip.frames())

        assert caught.value.kind == "decode_timeout"
        assert one.deaths == {"too slow": 1}


def test_a_clip_whose_writer_fails_costs_no_process():
    data = animation(panned(9), "PNG")
    with IsolatedDecoder() as one:
        for _ in range(3):
            with pytest.raises(ImageError) as caught, one.open_clip(data) as clip:
                clip.rewritten(lambda _frame: None, Writing("WEBP", quality=1000))

            assert caught.value.kind == "broken"
        with one.open_clip(data) as clip:
            assert clip.rewritten(lambda _frame: None)
        assert one.deaths == {}


@linux_only
def test_what_clips_need_makes_their_decoder_no_larger_than_others():
    with (
        closing(DecoderProcess(FAST)) as pictures,
        closing(start_clip_decoder(FAST)) as clips,
    ):
        # Python's own memory differs by a little from start to start; it was 55 MB.
        assert most_bytes(clips.pid) - most_bytes(pictures.pid) < 10_000_000


def most_bytes(pid: int) -> int:
    """Return how much memory a process can have."""
    limit, _ = resource.prlimit(pid, resource.RLIMIT_DATA)
    return limit - memory_in_use(pid)[1] + resident_bytes(pid)


def test_processor_time_is_counted_for_each_picture_anew():
    """Together they take longer than one may."""
    data = png_file(4000, 3000, depth=8, kind=0, rows=bytes(4001 * 3000))
    limits = ChildLimits(cpu_seconds=1)
    with IsolatedDecoder(limits) as one:
        pids = set()
        used = 0.0
        while used < 2:
            one.decode(data)
            pids.add(one._idle[0].pid)
            fields = Path(f"/proc/{one._idle[0].pid}/stat").read_text().split()
            used = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
        assert one.deaths == {}
        assert len(pids) == 1


def test_a_child_that_was_killed_while_idle_costs_nothing():
    with IsolatedDecoder() as one:
        one.decode(PNG)
        first = one._idle[0].pid
        os.kill(first, signal.SIGKILL)
        one._idle[0]._process.wait()

        assert_same_pixels(one.decode(PNG).image, photo())
        assert one._idle[0].pid != first


def test_a_child_is_replaced_when_it_has_done_its_share(monkeypatch):
    monkeypatch.setattr("emojifier_bot.vision.sandbox.process.PICTURES_PER_CHILD", 2)
    with IsolatedDecoder() as one:
        pids = []
        for _ in range(5):
            one.decode(PNG)
            pids.append(one._idle[0].pid if one._idle else None)
    assert pids[0] is not None
    assert pids[1] is None
    assert len({pid for pid in pids if pid}) == 3
    assert protocol.PICTURES_PER_CHILD == 100


def test_many_threads_share_few_children():
    pictures = {size: photo(size, 40) for size in range(20, 60)}
    before = set(children())
    with (
        IsolatedDecoder(processes=2) as one,
        ThreadPoolExecutor(max_workers=8) as pool,
    ):
        files = {size: encoded(image, "PNG") for size, image in pictures.items()}
        found = dict(zip(files, pool.map(one.decode, files.values()), strict=True))
        assert len(one._idle) <= 2
        assert len(set(children()) - before) <= 2
    for size, decoded in found.items():
        assert_same_pixels(decoded.image, pictures[size])


def test_one_that_is_closed_leaves_nothing_to_those_at_work():
    one = IsolatedDecoder()
    one.warm_up()
    with one.process() as busy:
        one.close()
        assert_same_pixels(busy.decode(PNG).image, photo())
    assert busy._process.poll() is not None


PARENT = """
import sys, time
from functools import partial
from emojifier_bot.vision.sandbox.isolated import IsolatedDecoder
from emojifier_bot.vision.sandbox.process import DecoderProcess
from emojifier_bot.vision.sandbox.protocol import ChildLimits
from threading import Thread
process = DecoderProcess(ChildLimits(), entry=sys.argv[1])
print(process.pid, flush=True)
Thread(target=process.decode, args=(b"data",), daemon=True).start()
time.sleep(600)
"""


@linux_only
@pytest.mark.parametrize(
    "entry",
    ["emojifier_bot.vision.sandbox.child:main", "tests.fakes.decoder_child:sleeps"],
)
def test_when_the_parent_is_killed_the_child_goes_too(entry):
    command = [sys.executable, "-c", PARENT, entry]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as parent:
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}/stat").exists()
        parent.kill()
    until = time.monotonic() + 120
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def test_a_hundred_megapixels_in_a_small_file():
    rows = bytes(10_001 * 10_000)
    bomb = png_file(10_000, 10_000, depth=8, kind=0, rows=rows)
    assert len(bomb) < 1_000_000

    with IsolatedDecoder() as one:
        with pytest.raises(ImageError, match=r"100\.0 megapixels") as caught:
            one.decode(bomb)
        assert caught.value.kind == "too_many_pixels"

    # Where pixels were allowed, memory still is not.
    limits = ChildLimits(DecodeLimits(max_pixels=10**9), memory_bytes=150_000_000)
    with IsolatedDecoder(limits) as one:
        with pytest.raises(ImageError) as caught:
            one.decode(bomb)
        assert caught.value.kind == "too_many_pixels"


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0" * 4


HUGE = 2**32 - 1
TIFFS = {
    "strips without end": [(256, 4, 1, 64), (257, 4, 1, 64), (273, 4, HUGE, 8)],
    "sides without end": [(256, 4, 1, HUGE), (257, 4, 1, HUGE)],
    "bits without end": [(256, 4, 1, 9), (257, 4, 1, 9), (258, 3, HUGE, 8)],
    "samples without end": [(256, 4, 1, 9), (257, 4, 1, 9), (277, 3, 1, 65535)],
    "a colour map of four billion": [(256, 4, 1, 9), (257, 4, 1, 9), (320, 3, HUGE, 8)],
    "texts of four billion": [(270, 2, HUGE, 8)] * 400,
    "kinds that are none": [(256, 99, 1, 9), (257, 0, HUGE, 9)],
    "tiles of nothing": [
        (256, 4, 1, 9),
        (257, 4, 1, 9),
        (322, 4, 1, 0),
        (323, 4, 1, 0),
    ],
    "a directory of itself": [(256, 4, 1, 9), (257, 4, 1, 9), (330, 4, 1, 8)],
}


@pytest.mark.parametrize("tags", TIFFS.values(), ids=TIFFS)
def test_absurd_tiffs(decoder, tags):
    with pytest.raises(ImageError) as caught:
        decoder.decode(tiff(*tags))
    assert caught.value.kind in {"broken", "too_many_pixels"}


def box(name: bytes, *contents: bytes, full: int | None = None) -> bytes:
    body = (b"" if full is None else struct.pack(">I", full)) + b"".join(contents)
    return struct.pack(">I", len(body) + 8) + name + body


def huge_grid(side: int, tiles_per_side: int) -> bytes:
    """Make a HEIC whose one picture is a grid that repeats one tile."""
    sound = encoded(photo(64, 64), "HEIF")
    start = sound.index(b"hvcC") - 4
    codec = sound[start : start + int.from_bytes(sound[start : start + 4], "big")]
    start = sound.index(b"mdat") + 4
    tile = sound[start:]
    count = tiles_per_side**2
    grid = struct.pack(
        ">BBBBII", 0, 1, tiles_per_side - 1, tiles_per_side - 1, side, side
    )
    size = [box(b"ispe", struct.pack(">II", n, n), full=0) for n in (side, 64)]

    def meta(offset: int) -> bytes:
        places = ((1, offset, len(grid)), (2, offset + len(grid), len(tile)))
        return box(
            b"meta",
            box(b"hdlr", b"\0" * 4, b"pict", b"\0" * 13, full=0),
            box(b"pitm", struct.pack(">H", 1), full=0),
            box(
                b"iinf",
                struct.pack(">H", 2),
                *(
                    box(b"infe", struct.pack(">HH", n, 0), kind, b"\0", full=2 << 24)
                    for n, kind in ((1, b"grid"), (2, b"hvc1"))
                ),
                full=0,
            ),
            box(
                b"iref",
                box(
                    b"dimg",
                    struct.pack(">HH", 1, min(count, 65535)),
                    struct.pack(">H", 2) * min(count, 65535),
                ),
                full=0,
            ),
            box(
                b"iprp",
                box(b"ipco", *size, codec),
                box(
                    b"ipma",
                    struct.pack(">IHBBHBBB", 2, 1, 1, 0x81, 2, 2, 0x82, 0x83),
                    full=0,
                ),
            ),
            box(
                b"iloc",
                struct.pack(">BBH", 0x44, 0, 2),
                *(struct.pack(">HHHII", n, 0, 1, at, size) for n, at, size in places),
                full=0,
            ),
            full=0,
        )

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    offset = len(head) + len(meta(0)) + 8
    return head + meta(offset) + box(b"mdat", grid, tile)


def test_a_grid_of_this_make_is_a_picture(decoder):
    assert decoder.decode(huge_grid(128, 2)).image.size == (128, 128)


@pytest.mark.parametrize(
    ("side", "tiles"), [(16384, 255), (65535, 255), (2**31, 255), (7000, 110)]
)
def test_huge_grids(side, tiles):
    limits = ChildLimits(memory_bytes=600_000_000, cpu_seconds=5, wall_seconds=60.0)
    with IsolatedDecoder(limits) as one:
        with pytest.raises(ImageError) as caught:
            one.decode(huge_grid(side, tiles))
        assert caught.value.kind in {"too_many_pixels", "broken", "decode_timeout"}
