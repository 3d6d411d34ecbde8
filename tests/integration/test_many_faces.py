"""Thousands of small faces in one small file cost bounded memory and time."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from PIL import Image

from emojifier_bot.vision.multi_scale import MAX_FACES
from tests.datasets import sample

#: The sample's face, small enough that the detector finds every copy of it.
FACE_BOX, FACE_PX = (165, 50, 285, 190), 20
COLUMNS = ROWS = 50
#: Of the whole process: 275 MB at the default confidence, 300 with every candidate, as
#: measured. One batch and one matrix for all faces took more than 4 GB.
MOST_MB = 400
#: Peak memory is read from the kernel: what ``getrusage`` tells of a process includes
#: the peak of the process that started it.
CHILD = """
import json, re, sys
from pathlib import Path
from emojifier_bot import Emojifier

def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024

emojifier = Emojifier(min_confidence=float(sys.argv[1]))
result = emojifier.emojify(sys.stdin.buffer.read())
emoji = sum(bool(face.emoji.name) for face in result.faces)
print(json.dumps({"emoji": emoji, "peak_mb": peak_mb()}))
"""


@pytest.fixture(scope="module")
def crowd() -> bytes:
    face = sample().crop(FACE_BOX).resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (FACE_PX * COLUMNS, FACE_PX * ROWS))
    for index in range(COLUMNS * ROWS):
        row, column = divmod(index, COLUMNS)
        page.paste(face, (column * FACE_PX, row * FACE_PX))
    file = io.BytesIO()
    page.save(file, "PNG", optimize=True)
    assert file.tell() < 80_000
    return file.getvalue()


@pytest.mark.parametrize(
    ("min_confidence", "faces"),
    [
        pytest.param(0.6, COLUMNS * ROWS, id="every-face-gets-an-emoji"),
        pytest.param(0.01, MAX_FACES, id="up-to-the-cap-where-everything-is-a-face"),
    ],
)
def test_memory_stays_bounded(crowd, min_confidence, faces):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(min_confidence)],
        input=crowd,
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )

    told = json.loads(done.stdout)
    assert told["emoji"] >= faces * 0.99
    assert told["emoji"] <= MAX_FACES
    assert told["peak_mb"] < MOST_MB
