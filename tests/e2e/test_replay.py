"""``replay`` on real pictures with the shipped models."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.images import encoded, flat, opened, oriented_exif

SURE = ("--min-confidence", "0.8")
SIDEWAYS = 6
COPIES = 40
#: Of what is printed, the command line is ahead of whoever reads it by no more: a few
#: of the pictures above, however busy the machine is.
AHEAD_BYTES = 4096


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_one_photo(run, sample, tmp_path):
    (tmp_path / "photo.png").write_bytes(sample)

    done = run("replay", "photo.png", *SURE)

    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert done.stderr == b"photo.png: 1 face, photo.emojified.png\n"
    assert listed(tmp_path) == ["photo.emojified.png", "photo.png"]
    before = np.asarray(opened(sample).convert("RGB"))
    after = np.asarray(opened((tmp_path / "photo.emojified.png").read_bytes()))
    rows, columns = np.nonzero((before != after).any(axis=-1))
    # The face is covered, the rest is as it was.
    assert (before[90:160, 190:260] != after[90:160, 190:260]).any(
        axis=-1
    ).mean() > 0.95
    assert (rows.min(), columns.min()) > (10, 130)
    assert (rows.max(), columns.max()) < (220, 320)


def test_a_folder_with_everything_in_it(run, sample, tmp_path):
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    photo = opened(sample).convert("RGB")
    stored = photo.rotate(90)
    exif = oriented_exif(SIDEWAYS, secret=True)
    (photos / "a.jpg").write_bytes(encoded(stored, "JPEG", quality=92, exif=exif))
    (photos / "b.png").write_bytes(encoded(flat((90, 120, 100), (300, 200)), "PNG"))
    (photos / "c.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (photos / "d.webp").write_bytes(encoded(photo, "WEBP", quality=90))
    (photos / "e.emojified.png").write_bytes(sample)
    (photos / "notes.txt").write_text("no picture")
    (photos / "sub" / "f.png").write_bytes(sample)

    done = run("replay", "photos", "-o", "out", "--json", "--debug", *SURE)

    assert done.returncode == 1, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["input"]: one["output"] for one in found} == {
        "photos/a.jpg": "out/a.emojified.jpg",
        "photos/b.png": None,
        "photos/c.jpg": None,
        "photos/d.webp": "out/d.emojified.webp",
    }
    assert listed(tmp_path / "out") == [
        *("a.debug.jpg", "a.emojified.jpg", "d.debug.webp", "d.emojified.webp")
    ]
    turned, blank, broken, plain = found
    (one,), (other,) = turned["faces"], plain["faces"]
    assert one["box"] == pytest.approx(other["box"], abs=15)
    assert (turned["width"], turned["height"]) == (512, 512)
    assert list(one["emotions"]) == sorted(one["emotions"])
    assert list(turned["milliseconds"]) == [
        *("decode", "analyze", "choose", "composite", "encode")
    ]
    assert blank["faces"] == []
    assert "error" not in blank
    assert broken["error"]["message"]
    assert b"secret" not in (tmp_path / "out" / "a.emojified.jpg").read_bytes()
    told = done.stderr.decode().splitlines()
    assert told[-1] == "4 pictures: 2 emojified, 1 without faces, 1 failed."
    noted = [line.split(":")[0] for line in told[:-1]]
    assert noted == ["photos/b.png", "photos/c.jpg"]


def test_from_pipe_to_pipe(run, sample):
    photo = encoded(opened(sample).convert("RGB"), "JPEG", quality=90)

    done = run("replay", "-", "-o", "-", "-q", *SURE, stdin=photo)

    assert (done.returncode, done.stderr) == (0, b"")
    result = opened(done.stdout)
    assert (result.format, result.size) == ("JPEG", (512, 512))


def test_odd_names(run, sample, tmp_path):
    names = [b"-dash.png", b"new\nline.png", b"bad\xff.png", b"[1] *? [b]x[-b].png"]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123 - names in bytes
            file.write(sample)

    done = run("replay", "--json", *SURE, "--", *names)

    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [os.fsencode(one["input"]) for one in found] == names
    for one in found:
        assert (tmp_path / one["output"]).is_file()


def test_a_seed_repeats_a_surprise(run, sample, tmp_path):
    (tmp_path / "a.png").write_bytes(sample)
    options = ("--surprise", "--seed", "7", "--quality", "60", "-v", *SURE)

    first = run("replay", "a.png", "-o", "1.jpg", "--theme", "classic", *options)
    second = run("replay", "a.png", "-o", "2.jpg", *options)

    assert (first.returncode, second.returncode) == (0, 0)
    assert (tmp_path / "1.jpg").read_bytes() == (tmp_path / "2.jpg").read_bytes()
    assert b"action=picture_done" in first.stderr


@pytest.fixture
def many(tmp_path, sample):
    """Return a folder that keeps the command line busy for seconds."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(COPIES):
        (folder / f"{number:02}.png").write_bytes(sample)
    return folder


@pytest.fixture
def start(command, tmp_path):
    """Return a function that starts the command line and does not wait."""
    begin, environment = command

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*begin, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pipesize=AHEAD_BYTES,
            # Whoever runs the tests in the background has interruptions ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - see above
        )

    return start


def test_an_interruption_is_clean(start, many):
    with start("replay", "many", "-o", "out", "--json") as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)

    assert process.returncode == 130
    assert said == b""
    results = listed(many.parent / "out")
    assert 0 < len(results) < COPIES
    assert all(name.endswith(".emojified.png") for name in results)
    for name in results:
        Image.open(io.BytesIO((many.parent / "out" / name).read_bytes())).verify()


def test_a_closed_pipe_is_silent(start, many):
    with start("replay", many.name, "-o", "out", "--json") as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert said == b""
    assert len(listed(many.parent / "out")) < COPIES


def test_outputs_that_are_no_files(run, sample, tmp_path):
    (tmp_path / "a.png").write_bytes(sample)
    (tmp_path / "blank.png").write_bytes(encoded(flat((90, 120, 100), (64, 48)), "PNG"))

    written = run("replay", "a.png", "-o", "/dev/stdout", *SURE)
    faceless = run(
        "replay", "-", "-o", "-", stdin=(tmp_path / "blank.png").read_bytes()
    )

    assert opened(written.stdout).size == (512, 512)
    assert opened(faceless.stdout).size == (64, 48)
    assert (written.returncode, faceless.returncode) == (0, 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110 - a device
@pytest.mark.parametrize(
    "line",
    [
        "replay a.png -o - > /dev/full",
        "replay a.png -o a.jpg --json --force > /dev/full",
        "models list > /dev/full",
        "--help > /dev/full",
        "completion zsh > /dev/full",
    ],
)
def test_a_full_disk_is_one_sentence(command, sample, tmp_path, line):
    start, environment = command
    (tmp_path / "a.png").write_bytes(sample)

    done = subprocess.run(
        ["bash", "-c", f'"$0" -m emojifier_bot {line}', start[0]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "Standard output cannot be used: No space left on device."
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_process_substitution_gets_the_picture(command, sample, tmp_path):
    start, environment = command
    (tmp_path / "a.png").write_bytes(sample)

    subprocess.run(
        [
            *("bash", "-c"),
            '"$0" -m emojifier_bot a.png -o >(cat > copy.png) && wait $!',
            start[0],
        ],
        cwd=tmp_path,
        env=environment,
        check=True,
    )

    assert opened((tmp_path / "copy.png").read_bytes()).size == (512, 512)
