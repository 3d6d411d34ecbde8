"""``bench`` with the shipped models."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from emojifier_training.cli import app

pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")


def test_each_model_is_timed():
    done = CliRunner().invoke(app, ["bench", "--quick", "--json"])

    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert len(rows) == 4
    assert all(row["milliseconds"] > 0 for row in rows.values())
    differences = [row.get("batching_differs", 0.0) for row in rows.values()]
    assert max(differences) < 1e-3
