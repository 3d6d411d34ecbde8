"""Every model folder is complete, and its weights are the ones it names."""

from __future__ import annotations

import hashlib
import re
import tomllib

import pytest

from emojifier_bot.vision import models_dir

FOLDERS = sorted(path for path in models_dir().iterdir() if path.is_dir())

each_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


def test_there_is_a_model_for_each_task():
    tasks = {folder.name.partition("_")[0] for folder in FOLDERS}

    assert tasks == {"detector", "rescorer", "landmarks", "emotion"}


@each_model
def test_name_weights_table_and_card_belong_together(folder):
    table = tomllib.loads((folder / "model.toml").read_text("utf-8"))
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    weights = (folder / table["file"]).read_bytes()

    # Task, architecture and month.
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)+_20\d{2}(0[1-9]|1[0-2])", folder.name)
    assert hashlib.sha256(weights).hexdigest() == table["sha256"]
    assert table["license_note"]
    assert re.search(r"^#+ .*licen[cs]e", card, re.IGNORECASE | re.MULTILINE)
    assert "research" in card.lower()
