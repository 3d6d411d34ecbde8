"""Thousands of small faces in one small file cost bounded memory and time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from emojifier_bot.vision.multi_scale import MAX_FACES
from tests.datasets import crowd
from tests.images import encoded

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


@pytest.mark.parametrize(
    ("columns", "rows", "min_confidence", "faces"),
    [
        pytest.param(50, 50, 0.6, 50 * 50, id="every-face-gets-an-emoji"),
        pytest.param(50, 50, 0.01, 50 * 50, id="up-to-the-cap-where-all-is-a-face"),
        pytest.param(10, 150, 0.01, 10 * 150, id="in-tiles-where-all-is-a-face"),
    ],
)
def test_memory_stays_bounded(columns, rows, min_confidence, faces):
    page = encoded(crowd(columns, rows), "PNG", optimize=True)
    assert len(page) < 80_000

    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(min_confidence)],
        input=page,
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )

    told = json.loads(done.stdout)
    assert told["emoji"] >= faces * 0.99
    assert told["emoji"] <= MAX_FACES
    assert told["peak_mb"] < MOST_MB
