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
PIPELINE = """
from emojifier_bot.app import make_pipeline
from emojifier_bot.config import load_settings
make_pipeline(load_settings())
"""
REPORT = "\nprint('LOADED', *sys.modules)"

#: What only the bot needs.
BOTS = {"dbos", "flask", "prometheus_client", "slack_sdk", "sqlalchemy", "waitress"}


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [(IMPORT, HEAVY | BOTS), (HELP, HEAVY | BOTS), (PIPELINE, BOTS)],
    ids=["import", "help", "pipeline"],
)
def test_nothing_is_loaded_that_is_not_used(program, unwanted, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}{REPORT}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert unwanted.isdisjoint(loaded), sorted(unwanted.intersection(loaded))
