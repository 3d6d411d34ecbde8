from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from emojifier_bot.config import settings_table

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_in_step():
    done = subprocess.run(
        [sys.executable, "scripts/render_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_docs_name_no_setting_that_does_not_exist():
    known = {row.variable for row in settings_table()}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]

    for page in pages:
        named = re.findall(r"EMOJIFIER_[A-Z_]*[A-Z]", page.read_text("utf-8"))
        assert set(named) <= known, page
