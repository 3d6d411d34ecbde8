"""Pictures are emojified in processes that may die alone."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from emojifier_bot.app import picture_process
from emojifier_bot.app.picture_process import (
    PictureProcess,
    PictureProcesses,
    _read_error,
)
from emojifier_bot.config import load_settings
from emojifier_bot.config.settings import Secret
from emojifier_bot.domain import Explanation, FaceSummary
from emojifier_bot.emotion_models import ReadingMode
from emojifier_bot.errors import (
    ConfigError,
    EmojifierError,
    HostedApiError,
    ImageError,
    PlanError,
    StoreError,
)
from emojifier_bot.vision.edits import parse_edits
from emojifier_bot.vision.formats import sniff
from emojifier_bot.vision.options import EmojifyOptions
from emojifier_bot.vision.plan import DrawEmoji, Leave, Plan
from emojifier_bot.vision.sandbox.lockdown import give_way, memory_in_use
from emojifier_bot.vision.sandbox.process import MOST_KEPT_BYTES
from tests.builders import make_plan
from tests.datasets import crowd, sample
from tests.emotion_words import found_in
from tests.images import encoded
from tests.threads import in_thread, wait_until

AS_POSTED = EmojifyOptions(for_channel=True)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps it")


@pytest.fixture(scope="module")
def processes():
    with PictureProcesses(load_settings()) as one:
        one.warm_up()
        yield one


@pytest.fixture(scope="module")
def face() -> Image.Image:
    return sample().crop((100, 0, 350, 250))


@pytest.mark.parametrize("has_plan", [False, True])
def test_a_result_waits_for_room(processes, face, has_plan):
    data, asked = encoded(face, "PNG"), []
    result = processes(data, "", AS_POSTED, room=asked.append)
    if has_plan:
        result = processes.render(data, "", result.plan, room=asked.append)

    assert asked[-1] == len(result.data) > 0
    assert sniff(result.data).name == "PNG"


def as_asked(text: str) -> EmojifyOptions:
    return replace(AS_POSTED, edits=parse_edits(text))


@pytest.mark.parametrize(
    ("input_format", "expected"),
    [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP"), ("TIFF", "JPEG")],
)
def test_a_result_has_the_format_that_a_channel_shows(
    processes, face, input_format, expected
):
    result = processes(encoded(face, input_format), "", AS_POSTED)

    assert sniff(result.data).name == result.format == expected
    assert [one.spoken for one in result.faces] == result.alt_text.split(": ")[1:]
    assert result.milliseconds.keys() >= {"decode", "analyze", "encode"}


def test_a_clip_stays_a_clip(face):
    frames = [face.resize((240, 240)).rotate(angle) for angle in (0, 2, 4, 6)]
    data = encoded(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=60
    )
    settings = replace(load_settings(), decode_seconds=0.5)
    with PictureProcesses(settings) as processes:
        result = processes(data, "", AS_POSTED)
        shown = processes.preview(data, "", AS_POSTED, None)
        posted = processes.render(data, "", shown.plan)

    assert (shown.format, posted.format) == ("JPEG", "GIF")
    assert (posted.data, posted.digest) == (result.data, shown.digest)
    assert (result.format, result.frames) == ("GIF", 4)
    assert [one.spoken for one in result.faces] == result.alt_text.split(": ")[1:]
    with Image.open(io.BytesIO(result.data)) as image:
        assert image.n_frames == 4


def test_a_clip_that_is_always_a_little_further_has_an_end(monkeypatch):
    entry = "tests.fakes.decoder_child:always_further"
    monkeypatch.setattr(picture_process, "ENTRY", entry)
    with closing(PictureProcess(replace(load_settings(), clip_seconds=0.3))) as process:
        with pytest.raises(ImageError) as caught:
            process.emojify(b"a clip", "", AS_POSTED)

        assert caught.value.kind == "decode_timeout"
        assert process.cause_of_death == "too slow"


def test_nobody_is_told_how_far_what_others_asked_for_is(face):
    frames = [face.resize((240, 240)).rotate(angle) for angle in range(40)]
    data = encoded(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=60
    )
    told = []
    with closing(PictureProcess(load_settings())) as process:
        shown = process.emojify(
            data, "", AS_POSTED, progress=lambda *far: told.append(far)
        )
        count = len(told)
        process.render(data, "", shown.plan)

    assert len(told) == count > 0


@pytest.mark.parametrize("failing", ["progress", "room"])
def test_nobody_gets_the_result_that_somebody_else_did_not_wait_for(face, failing):
    frames = [face.resize((240, 240)).rotate(angle) for angle in range(40)]
    clip = encoded(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=60
    )

    def fail(*_: int) -> None:
        raise StoreError("The database does not answer.")

    with PictureProcesses(load_settings()) as pool:
        with pytest.raises(StoreError):
            pool(clip, "", AS_POSTED, **{failing: fail})
        result = pool(encoded(face, "PNG"), "", AS_POSTED)

    assert (result.format, result.frames) == ("PNG", 1)
    assert sniff(result.data).name == "PNG"
    assert pool.deaths == {"was given up": 1}


def test_a_picture_without_faces_is_not_encoded(processes):
    result = processes(
        encoded(Image.new("RGB", (90, 90), "grey"), "PNG"), "", AS_POSTED
    )

    assert (result.faces, result.data) == ((), b"")
    assert "encode" not in result.milliseconds


def test_a_plan_is_made_in_one_job_and_painted_in_another(processes, face):
    data = encoded(face, "PNG")

    shown = processes.preview(data, "", AS_POSTED, None)
    at_once = processes(data, "", AS_POSTED)
    painted = processes.render(data, "", Plan.from_json(shown.plan.to_json()))
    changed = processes(data, "", as_asked("1=:sunglasses:"))

    assert shown.plan == at_once.plan == painted.plan
    assert painted.data == at_once.data != shown.data
    assert "analyze" not in painted.milliseconds
    assert changed.faces == (
        FaceSummary("😎", "drawn as cool in sunglasses", sure=True),
    )
    assert changed.alt_text == "1 face: drawn as cool in sunglasses"
    assert changed.plan.faces[0].decision == DrawEmoji("sunglasses")


def test_edits_change_what_is_read(processes, face):
    data = encoded(face, "PNG")

    assert processes(data, "", as_asked("blur")).plan.covers
    with pytest.raises(PlanError, match="There is no face 7"):
        processes(data, "", as_asked("skip 7"))
    with pytest.raises(PlanError, match="640 x 480 pixels, and this one has 250"):
        processes.render(data, "", make_plan(1))


def test_a_plan_of_very_many_faces_comes_over(processes):
    blank = encoded(Image.new("RGB", (640, 480), "grey"), "PNG")
    face = make_plan(1, Leave()).faces[0]
    many = tuple(replace(face, number=n + 1) for n in range(2000))
    plan = replace(make_plan(0), faces=many)

    result = processes.render(blank, "", plan)

    assert result.plan == plan
    assert [one.count for one in result.faces] == [2000]


def test_refusals_come_over(processes):
    with pytest.raises(ImageError) as caught:
        processes(b"no picture", "", AS_POSTED)
    assert caught.value.kind == "not_an_image"
    with pytest.raises(ConfigError, match="no theme 'swordfish'"):
        processes(encoded(sample(), "JPEG"), "swordfish", AS_POSTED)


def test_all_that_is_known_about_an_error_comes_over():
    busy = HostedApiError(
        "Wait.", kind="face_api_busy", retryable=True, retry_after_seconds=3.0
    )
    found = _read_error(**picture_process.error_values(busy)["error"])

    assert isinstance(found, HostedApiError)
    assert vars(found) == vars(busy)


def test_a_process_that_dies_costs_one_picture(processes, face, caplog):
    pid = processes.pids[-1]  # the next picture's
    file = encoded(face, "PNG")
    os.kill(pid, signal.SIGSTOP)

    def kill() -> None:
        wait_until(lambda: processes._busy)  # it has the picture
        os.kill(pid, signal.SIGKILL)

    with in_thread(kill, lambda: None), pytest.raises(ImageError) as caught:
        processes(file, "", AS_POSTED)

    assert caught.value.kind == "decode_crash"
    died = [one for one in caplog.records if one.action == "picture_process_died"]
    assert [one.cause for one in died] == ["SIGKILL"]
    assert processes(encoded(face, "PNG"), "", AS_POSTED).faces


def test_a_picture_that_takes_too_long_is_given_up(face, monkeypatch):
    monkeypatch.setattr(picture_process, "AFTER_DECODING_SECONDS", 0.0)
    settings = load_settings(decode_seconds=0.1, face_budget_seconds=0.1)
    with PictureProcesses(settings) as one:
        one.warm_up()
        os.kill(one.pids[0], signal.SIGSTOP)
        with pytest.raises(ImageError) as caught:
            one(encoded(face, "PNG"), "", AS_POSTED)

        assert caught.value.kind == "decode_timeout"
        assert one.deaths == {"too slow": 1}


@linux_only
def test_a_picture_that_needs_more_memory_than_there_is_is_refused(face):
    settings = load_settings(picture_memory_mb=40)
    large = face.resize((4000, 4000))
    with PictureProcesses(settings) as one:
        with pytest.raises(EmojifierError) as caught:
            one(encoded(large, "JPEG"), "", AS_POSTED)

        assert caught.value.kind in {"too_many_pixels", "decode_crash"}
        assert one(encoded(face, "PNG"), "", AS_POSTED).faces


@linux_only
def test_a_result_that_needs_more_memory_than_there_is_is_refused_for_that(face):
    transparent = face.resize((2800, 2800))
    transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
    data = encoded(transparent, "WEBP", quality=60, method=0)
    with (
        PictureProcesses(load_settings(picture_memory_mb=200)) as one,
        pytest.raises(ImageError) as caught,
    ):
        one(data, "", AS_POSTED)

    assert caught.value.kind == "too_many_pixels"
    assert caught.value.message.startswith("As WEBP this picture needs more memory")


@linux_only
def test_a_result_that_could_be_smaller_is_better_than_none(face):
    options = {"quality": 80, "progressive": True, "subsampling": "4:4:4"}
    large = encoded(face.resize((4000, 3000)), "JPEG", **options)
    # Pixels of 48 MB; Huffman tables of its own would take 72 MB of coefficients.
    with PictureProcesses(load_settings(picture_memory_mb=100)) as one:
        assert one(large, "", AS_POSTED).format == "JPEG"


@linux_only
def test_it_knows_no_secret_of_slacks_and_dies_before_the_worker(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "swordfish")
    settings = load_settings(encryption_keys=Secret("swordfish"))
    with PictureProcesses(settings) as one:
        one.warm_up()
        process = Path("/proc", str(one.pids[0]))

        assert b"swordfish" not in (process / "environ").read_bytes()
        assert int((process / "oom_score_adj").read_text()) == 500
        heap = re.search(r"(\w+)-(\w+) rw-p \S+ \S+ \S+ +\[heap\]", _maps(process))
        start, end = (int(text, 16) for text in heap.groups())
        with (process / "mem").open("rb") as memory:
            memory.seek(start)
            assert b"swordfish" not in memory.read(end - start)


def _maps(process: Path) -> str:
    return (process / "maps").read_text()


def test_it_ends_with_the_worker(processes, face):
    processes(encoded(face, "PNG"), "", AS_POSTED)
    pid = processes.pids[0]
    processes.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@linux_only
def test_what_one_picture_took_is_not_missing_for_the_next(monkeypatch):
    # A process that gave way ends for that.
    monkeypatch.setattr(picture_process, "LONG_SECONDS", 1000.0)
    with closing(PictureProcess(load_settings())) as process:
        at_first = memory_in_use(process.pid)[1]
        assert process.emojify(encoded(crowd(10, 10), "PNG"), "", AS_POSTED).faces
        # 150 MB more, so that every large group ended the process it was read in.
        assert not process.is_spent
        assert memory_in_use(process.pid)[1] - at_first < MOST_KEPT_BYTES
        # Pixels of 240 MB in its decoder, and here 60 MB in one piece for a result that
        # could be smaller: a second one of them had no room.
        largest = encoded(sample().resize((8900, 6700)), "JPEG", progressive=True)
        for _ in range(3):
            assert process.emojify(largest, "", AS_POSTED).faces
        assert not process.is_spent


@linux_only
def test_a_picture_that_takes_long_gives_way_and_its_process_goes(face, monkeypatch):
    seen = []

    def noted(pid: int, nice: int) -> None:
        give_way(pid, nice)
        seen.append(set(niceness(pid)))

    monkeypatch.setattr(picture_process, "give_way", noted)
    monkeypatch.setattr(picture_process, "LONG_SECONDS", 0.1)
    monkeypatch.setattr(picture_process, "LOOK_SECONDS", 0.02)
    with PictureProcesses(load_settings()) as one:
        one.warm_up()
        before = one.pids[-1]
        # Nobody waits while one loads what it needs.
        assert seen[0] == {picture_process.NICENESS}
        assert set(niceness(before)) == {picture_process.NICENESS}
        assert one(encoded(crowd(8, 8), "PNG"), "", AS_POSTED).faces

        assert {picture_process.LONG_NICENESS} in seen
        assert before not in one.pids
        assert one.deaths == {}
        assert one(encoded(face, "PNG"), "", AS_POSTED).faces


def niceness(pid: int) -> list[int]:
    """Return what each thread of a process and of its decoder has."""
    folders = [Path("/proc", str(one)) for one in (pid, *children_of(pid))]
    threads = [one for folder in folders for one in folder.glob("task/*/stat")]
    return [int(one.read_text().rpartition(")")[2].split()[16]) for one in threads]


def children_of(pid: int) -> list[int]:
    found = Path("/proc", str(pid), "task").glob("*/children")
    return [int(child) for one in found for child in one.read_text().split()]


@pytest.mark.parametrize("reading", list(ReadingMode))
def test_faces_are_explained_there(processes, face, reading):
    options = replace(AS_POSTED, reading=reading)

    explained = processes.why(encoded(face, "JPEG"), "", options)

    assert sniff(explained.data).name == "PNG"
    (said,) = explained.sentences
    assert said.startswith("face 1: ")
    assert explained.left_out == 0
    assert ("It beat " in said) == (reading == ReadingMode.EXPRESSIONS)
    if reading != ReadingMode.EXPRESSIONS:
        assert found_in(said) == set()


def test_without_faces_there_is_nothing_to_explain(processes):
    blank = encoded(Image.new("RGB", (90, 90), "grey"), "PNG")

    assert processes.why(blank, "", AS_POSTED) == Explanation(b"", ())


def test_the_reading_mode_of_the_settings_counts_there(processes, face):
    data = encoded(face, "JPEG")

    plans = [processes(data, "", AS_POSTED).plan.reading]
    with PictureProcesses(replace(load_settings(), reading="off")) as unread:
        plans += [unread(data, "", AS_POSTED).plan.reading]
        alt_text = unread(data, "", AS_POSTED).alt_text

    assert plans == ["expressions", "off"]
    assert alt_text == "1 face covered"
