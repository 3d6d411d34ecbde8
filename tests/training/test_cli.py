"""The command line of the laboratory, with and without the packages of its extra."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from emojifier_training.cli import app, command_line

#: Of the project: Python finds its package there, installed or not.
FOLDER = Path(__file__).parents[2] / "training"
#: Every package of the extra, whether it is installed here or not.
EXTRAS = ("torch", "onnx", "matplotlib")
PROGRAM = (
    "import sys; sys.modules |= dict.fromkeys(sys.argv.pop(1).split(','));"
    "from emojifier_training.cli import run; run()"
)


def call(blocked, *arguments):
    """Run the command line in a process where some packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(blocked), *map(str, arguments)],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["train", "detector"], "torch, which is"),
        (["export", "detector", "--to", "model"], "torch and onnx, which are"),
        (["card", "."], "onnx and matplotlib, which are"),
        (["bench"], "onnx, which is"),
    ],
    ids=["train", "export", "card", "bench"],
)
def test_without_the_extra_it_says_what_to_install(arguments, needs):
    done = call(EXTRAS, *arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"`emojifier-training {arguments[0]}` needs {needs} not installed. "
        "Install with: make train-env\n"
    )


def test_help_loads_nothing_heavy():
    program = (
        "import sys; from emojifier_training.cli import app; app(['--help'], "
        "standalone_mode=False); print(*sorted(sys.modules), file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "evaluate" in done.stdout
    loaded = set(done.stderr.split())
    assert loaded.isdisjoint({*EXTRAS, "cv2", "numpy", "onnxruntime", "slack_bolt"})


def test_a_command_is_logged_as_it_was_typed():
    typed = command_line("train", "emotion", start_from=None, run="my runs/a")

    assert typed == "emojifier-training train emotion --run 'my runs/a'"


def test_each_model_is_timed():
    pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")

    done = CliRunner().invoke(app, ["bench", "--quick", "--json"])

    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert len(rows) == 5
    assert all(row["milliseconds"] > 0 for row in rows.values())
