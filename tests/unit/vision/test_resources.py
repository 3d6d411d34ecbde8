from __future__ import annotations

from pathlib import Path

import emojifier_bot
from emojifier_bot.vision import resources

ROOT = Path(emojifier_bot.__file__).parents[1]


def test_a_checkout_uses_its_top_level():
    assert resources.models_dir() == ROOT / "models"
    assert resources.emojis_dir() == ROOT / "emojis"


def test_a_wheel_uses_its_own_copy(monkeypatch, tmp_path):
    package = tmp_path / "emojifier_bot"
    (package / "_data" / "models").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)

    assert resources.models_dir() == package / "_data" / "models"
