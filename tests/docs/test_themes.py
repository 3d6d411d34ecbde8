"""Every theme folder is complete, and its art is drawn from its sources."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from emojifier_bot.vision import emojis_dir

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path for path in emojis_dir().iterdir() if path.is_dir())

each_theme = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


def test_the_default_theme_is_there():
    assert "classic" in {folder.name for folder in FOLDERS}


def test_the_pages_say_how_many_emoji_there_are():
    table = tomllib.loads((ROOT / "emojis/classic/theme.toml").read_text("utf-8"))

    for page in ("README.md", "emojifier_bot/web/templates/landing.html"):
        assert f"{len(table['emoji'])} emoji" in (ROOT / page).read_text("utf-8")


@each_theme
def test_table_and_art_name_the_same_emoji_author_and_licence(folder):
    table = tomllib.loads((folder / "theme.toml").read_text("utf-8"))
    named = sorted(row["name"] for row in table["emoji"])

    assert named == sorted(path.stem for path in folder.glob("*.png"))
    assert named == sorted(path.stem for path in folder.glob("*.svg"))
    assert table["name"] == folder.name
    assert table["author"]
    assert table["license"]


def test_art_is_in_step_with_its_sources():
    done = subprocess.run(
        [sys.executable, "scripts/render_emoji.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
