"""What heavy or optional must wait for its first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"PIL", "cv2", "onnx", "onnxruntime", "pillow_heif", "slack_bolt", "torch"}

IMPORT = "import emojifier_bot"
HELP = """
sys.argv = ["emojifier-bot", "--help"]
from emojifier_bot.cli.main import run
try:
    run()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
REPORT = "\nprint('LOADED', *sys.modules)"


@pytest.mark.parametrize("program", [IMPORT, HELP], ids=["import", "help"])
def test_nothing_heavy_is_loaded(program, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}{REPORT}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert HEAVY.isdisjoint(loaded), sorted(HEAVY.intersection(loaded))
