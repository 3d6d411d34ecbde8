from __future__ import annotations

from pathlib import Path

import emojifier_bot
from emojifier_bot import vision

ROOT = Path(emojifier_bot.__file__).parents[1]


def test_a_checkout_uses_its_top_level():
    assert vision.models_dir() == ROOT / "models"
    assert vision.emojis_dir() == ROOT / "emojis"


def test_a_wheel_uses_its_own_copy(monkeypatch, tmp_path):
    package = tmp_path / "emojifier_bot"
    (package / "_data" / "models").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(vision, "_PACKAGE", package)

    assert vision.models_dir() == package / "_data" / "models"
