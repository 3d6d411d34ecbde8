"""What heavy or optional must wait for its first use."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.datasets import SAMPLE

ROOT = Path(__file__).parents[2]
#: What no picture is emojified with.
BOT = {"dbos", "flask", "requests", "rich", "slack_bolt", "sqlalchemy", "structlog"}
PICTURES = {"PIL", "cv2", "numpy", "onnxruntime", "pillow_heif"}
LABORATORY = {"emojifier_training", "matplotlib", "onnx", "torch"}

RUN = """
from emojifier_bot.cli.main import run
run()
"""
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


#: What the extra `bot` installs; markdown-it-py is also needed by rich.
EXTRA = BOT - {"requests", "rich", "structlog"} | {
    *("alembic", "cryptography", "jinja2", "prometheus_client", "psycopg"),
    *("slack_sdk", "waitress"),
}
WITHOUT = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRA}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def test_the_extra_has_a_name_for_each_of_its_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert len(project["optional-dependencies"]["bot"]) == len(EXTRA) + 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["replay", str(SAMPLE), "-o", "out.png", "--debug"], 0, "1 face, out.png"),
        (["themes", "verify"], 0, ""),
        (["calibrate", "."], 2, "There is no photo in ."),
        (["check"], 0, "The Slack bot's commands need the extra `bot`: docs/py"),
        pytest.param(["check"], 1, "wrong  slack     The package", id="set up"),
        (["manifest", "--socket-mode"], 0, ""),
        (["keys", "new"], 1, "is not installed. The Slack bot's commands need the ext"),
        (["worker"], 1, "is not installed. The Slack bot's commands need the extra `b"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_pictures_need_no_package_of_the_bot(tmp_path, arguments, code, says):
    program = f"sys.argv = {['emojifier-bot', *arguments]}\n{RUN}"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + program],
        cwd=tmp_path,
        env={**os.environ, "SLACK_BOT_TOKEN": "", "PYTHONWARNINGS": "error"}
        | ({"SLACK_BOT_TOKEN": "x", "SLACK_APP_TOKEN": "y"} if code == 1 else {}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_numpy_starts_no_threads_of_its_own():
    count = "import numpy, os; assert len(os.listdir('/proc/self/task')) == 1"
    program = f"import sys\n{VERB.format(repr('--version'))}\n{count}"

    subprocess.run([sys.executable, "-c", program], check=True)
