"""Names that change their mind, against the whole bot and the system's resolver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rebinding_machine import ASKED, INSIDE, PUBLIC

ROOT = Path(__file__).parents[2]
ALONE = ("unshare", "--map-root-user", "--net", "--mount")
MACHINE = (sys.executable, "-m", "tests.rebinding_machine")


def may_be_alone() -> bool:
    """Tell whether a process may have a network and mounts of its own here."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    tried = subprocess.run([*ALONE, "ip", "link"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not may_be_alone(), reason="needs Linux namespaces and `ip`")
def test_names_that_change_their_mind():
    done = subprocess.run(
        [*ALONE, *MACHINE],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    for address, word in ASKED.items():
        assert (word or "1 posted") in report["told"][address], address
    # Nobody inside was ever connected to, and what was looked up once stayed so.
    assert not set(INSIDE) & set(report["heard"])
    assert report["asked"]["turns.example"] == 1
    assert report["asked"]["fast.example"] == 2
    assert report["heard"][PUBLIC] == 5
