"""What the written pages promise is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("models/*/*.md")]
)
TARGETS = set(
    re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
)
#: Folders that exist on one person's machine only.
MACHINE_PATH = re.compile(r"(?<![\w.~])/(home|root|Users|work|mnt|tmp)/\w")

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def test_the_first_pages_are_there():
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}

    assert {"CONTRIBUTING.md", "README.md", "docs/settings.md"} <= names


@each_page
def test_no_machine_paths(page):
    assert not MACHINE_PATH.search(page.read_text("utf-8"))


@each_page
def test_local_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    local = [target for target in targets if "://" not in target]

    assert [target for target in local if not (page.parent / target).exists()] == []


@each_page
def test_every_make_command_is_a_target(page):
    named = set(re.findall(r"(?:`|^\s*\$? ?)make ([a-z-]+)", page.read_text("utf-8")))

    assert named <= TARGETS
