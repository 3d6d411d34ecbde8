"""A worker that is killed with a picture in its hands leaves nothing of it anywhere."""

from __future__ import annotations

import io
import os
import secrets
import subprocess
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.fakes.slack import SlackServer
from tests.running_bot import (
    PATIENCE_SECONDS,
    SAMPLE,
    Bot,
    address_of,
    process,
)

#: A row of pixels that nobody's picture has: width times red, green and blue.
PATTERN_PX, STRIPES = 64, 40
SHARED_MEMORY = Path("/dev/shm")
SECONDS = 120


def marked_picture() -> tuple[bytes, list[bytes]]:
    """Return a photo of a face, and what shows that its bytes or pixels are kept."""
    in_file = secrets.token_hex(32)
    row = secrets.token_bytes(PATTERN_PX * 3)
    picture = Image.open(io.BytesIO(SAMPLE)).convert("RGB")
    stripe = Image.frombytes("RGB", (PATTERN_PX, 1), row)
    for y in range(STRIPES):
        picture.paste(stripe, (0, y))
    info = PngInfo()
    info.add_text("Marker", in_file)
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=info)
    blue_first = Image.merge("RGB", stripe.split()[::-1]).tobytes()
    return out.getvalue(), [in_file.encode(), row, blue_first]


def holding(marks: list[bytes], *folders: Path) -> list[str]:
    """Return the files, of whatever kind, that hold one of some marks."""
    found = []
    # Others make and remove folders meanwhile, which `Path.rglob` does not bear.
    walks = [walk for folder in folders for walk in os.walk(folder)]
    for file in [Path(where, name) for where, _, names in walks for name in names]:
        if not file.is_file() or file.is_symlink():
            continue
        try:
            data = file.read_bytes()
        except OSError:
            continue
        if any(mark in data for mark in marks):
            found.append(str(file))
    return found


def children_of(pid: int) -> list[int]:
    """Return the processes below one, the nearest first."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="],
        capture_output=True,
        text=True,
        check=True,
    )
    parents = dict(map(int, line.split()) for line in listed.stdout.splitlines())
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def wait_for_end(pids: list[int]) -> None:
    """Wait until processes are gone; those below a killed one end by themselves."""
    until = time.monotonic() + SECONDS
    while alive := [pid for pid in pids if Path(f"/proc/{pid}/fd").exists()]:
        assert time.monotonic() < until, alive
        time.sleep(0.1)


def test_marks_are_found_where_they_are(tmp_path):
    data, marks = marked_picture()
    (tmp_path / "kept.png").write_bytes(data)
    (tmp_path / "pixels").write_bytes(Image.open(io.BytesIO(data)).tobytes())
    (tmp_path / "other").write_bytes(SAMPLE)

    found = [Path(one).name for one in holding(marks, tmp_path)]

    assert sorted(found) == ["kept.png", "pixels"]


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no such shared memory here")
def test_nothing_of_a_picture_is_left_after_kill_9(tmp_path):
    data, marks = marked_picture()
    database = f"sqlite:///{tmp_path / 'bot.db'}"
    home = tmp_path / "worker"
    with SlackServer() as slack, ExitStack() as stack:
        run = partial(process, slack=slack, database=database)
        web = stack.enter_context(run("serve", "--no-worker", folder=tmp_path / "web"))
        bot = Bot(slack, address_of(web))
        channel = bot.channel()
        # The bytes stay in the worker's hands while Slack does not take them.
        slack.faults.add("upload", held=threading.Event(), times=1)
        with run("worker", folder=home, fast=True, killed=True) as worker:
            bot.ada.command(channel, bot.address("/marked.png", data))
            bot.slack.wait_until(
                lambda: slack.calls_of("files.getUploadURLExternal"), PATIENCE_SECONDS
            )
            below = children_of(worker.pid)

            assert holding(marks, tmp_path, SHARED_MEMORY) == []

        wait_for_end(below)
        assert holding(marks, tmp_path, SHARED_MEMORY) == []
        assert [one for one in (home / "tmp").rglob("*") if one.is_file()] == []

        stack.enter_context(run("worker", folder=tmp_path / "next", fast=True))
        bot.result(channel)
        assert holding(marks, tmp_path, SHARED_MEMORY) == []
