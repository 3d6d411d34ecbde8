"""What processes give up and give back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

#: Eight threads have files one after the other, at the same moments; in the end, what
#: is resident more than before. The first free one teaches glibc to keep the next ones.
PROGRAM = """
import threading
from pathlib import Path
from emojifier_bot.vision.sandbox.lockdown import return_large_blocks

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def hold():
    for size_mb in SIZES_MB:
        file = b"x" * (size_mb * 1_000_000)
        together.wait()
        del file
        together.wait()
    is_measured.wait()

return_large_blocks()
SIZES_MB = (30, 28, 29, 27)
together, is_measured = threading.Barrier(9), threading.Event()
before = resident_bytes()
threads = [threading.Thread(target=hold) for _ in range(8)]
for one in threads:
    one.start()
for _ in range(2 * len(SIZES_MB)):
    together.wait()
print(resident_bytes() - before)
is_measured.set()
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="another library of C gives memory back in its own way",
)
def test_threads_keep_nothing_of_the_files_that_they_had():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # It was 260 MB.
    assert int(done.stdout) < 20_000_000
