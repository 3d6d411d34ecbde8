"""``bench models`` with the shipped models, and what it says without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from emojifier_bot.cli.main import app
from tests.datasets import tiny_data

runner = CliRunner()


@pytest.mark.requires_torch
def test_each_model_stands_beside_a_peer():
    pytest.importorskip("torch", reason="needs torch")

    done = runner.invoke(app, ["bench", "models", "--quick", "--json"])

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    peers = {row["peer"] for row in found["beside"]}
    assert {"YuNet-n", "PFLD-like, × 0.75", "mini-XCEPTION", "ten calls"} <= peers
    assert all(row["ratio"] > 0 for row in found["beside"])
    assert all(apart < 1e-3 for apart in found["batching_differs"].values())
    assert found["int8"] == []


@pytest.mark.requires_torch
def test_eight_bits_are_tried(tmp_path):
    pytest.importorskip("torch", reason="needs torch")
    arguments = ["bench", "models", "--quick", "--int8", "--data", tiny_data(tmp_path)]

    done = runner.invoke(app, [*map(str, arguments), "--json"])

    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["int8"]
    assert [row["file"] for row in rows].count("float") == 2
    small = {row["file"]: row["bytes"] for row in rows}
    assert small["int8 weights and activations"] < small["float"] / 2


def test_without_torch_it_says_what_to_do():
    program = (
        "import sys; sys.modules['torch'] = None;"
        "from emojifier_bot.cli.main import run; run()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, "bench", "models"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == (
        "The peers need torch, which is not installed: make train-env.\n"
    )
