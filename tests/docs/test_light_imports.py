"""What heavy or optional must wait for its first use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.datasets import SAMPLE

#: What no picture is emojified with.
BOT = {"dbos", "flask", "requests", "rich", "slack_bolt", "sqlalchemy", "structlog"}
PICTURES = {"PIL", "cv2", "numpy", "onnxruntime", "pillow_heif"}
LABORATORY = {"emojifier_training", "matplotlib", "onnx", "torch"}

VERB = """
sys.argv = ["emojifier-bot", {}]
from emojifier_bot.cli.main import run
try:
    run()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
REPLAY = VERB.format(f"'replay', {str(SAMPLE)!r}, '-o', 'out.png'")


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("import emojifier_bot", BOT | PICTURES | LABORATORY),
        ("import emojifier_bot.config", BOT | PICTURES | LABORATORY | {"dotenv"}),
        (VERB.format("'--version'"), BOT | PICTURES | LABORATORY),
        (VERB.format("'--help'"), BOT | PICTURES | LABORATORY),
        (VERB.format("'replay', '--help'"), BOT | PICTURES | LABORATORY),
        (REPLAY, BOT | LABORATORY | {"pillow_heif"}),
    ],
    ids=["import", "config", "version", "help", "help of replay", "replay"],
)
def test_nothing_heavy_is_loaded(program, heavy, tmp_path):
    report = "print('LOADED', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\n{report}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert "emojifier_bot" in loaded
    assert heavy.isdisjoint(loaded), sorted(heavy.intersection(loaded))


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_numpy_starts_no_threads_of_its_own():
    count = "import numpy, os; assert len(os.listdir('/proc/self/task')) == 1"
    program = f"import sys\n{VERB.format(repr('--version'))}\n{count}"

    subprocess.run([sys.executable, "-c", program], check=True)
