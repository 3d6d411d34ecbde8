"""Every file, module, test, verb and option of ours that a page mentions exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emojifier_bot.cli.main import PROGRAM
from scripts.render_docs import help_texts
from tests.docs.test_pages import PAGES

ROOT = Path(__file__).parents[2]
#: They name files of older commits.
HISTORY = {"CHANGELOG.md", "stand_in.md"}
#: Where a short path may begin: `jobs/queue.py` is a file of the package.
BASES = ["", "emojifier_bot", "emojifier_bot/vision", "training"]
FOLDERS = "app|cli|config|db|deploy|docs|emojifier_bot|emojis|http|jobs|models"
FOLDERS += "|scripts|slack|tests|training|vision|web"
PATH = re.compile(rf"(?<![\w./])((?:{FOLDERS})/[\w./@-]+\.(?:py|md|toml|ya?ml|txt))\b")
FILE = re.compile(r"`(\w+\.py)`")
#: In quotes is the group of entry points.
MODULE = re.compile(r"(?<![\w\"])emojifier_(?:bot|training)(?:\.[a-z_]+)+\b")
TEST = re.compile(r"\btest_\w+\b(?!\.py)")
CODE = {
    path: path.read_text("utf-8")
    for folder in ("emojifier_bot", "training", "tests", "scripts")
    for path in (ROOT / folder).rglob("*.py")
}
#: A command in a page, with what follows on its line; a backtick ends it.
COMMAND = re.compile(rf"(?<![\w/.]){PROGRAM} ([a-z][^`\n|#;&]*)")
HELP = dict(help_texts())
#: The example of a package that adds a back end.
EXAMPLE = "middle_face.py"

each_page = pytest.mark.parametrize(
    "page",
    [one for one in PAGES if one.name not in HISTORY],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)


def exists(path: str) -> bool:
    return any((ROOT / base / path).exists() for base in BASES)


@each_page
def test_every_file_exists(page):
    # Links are relative to the page; tests/docs/test_pages.py follows them.
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text("utf-8"))
    known = {path.name for path in CODE} | {EXAMPLE}

    assert [path for path in PATH.findall(text) if not exists(path)] == []
    assert set(FILE.findall(text)) - known == set()


@each_page
def test_every_module_exists(page):
    for name in MODULE.findall(page.read_text("utf-8")):
        path = name.replace(".", "/")
        # The last part may be a name in the module.
        above = path.rpartition("/")[0]

        assert exists(path) or exists(f"{path}.py") or exists(f"{above}.py"), name


@each_page
def test_every_test_exists(page):
    named = set(TEST.findall(page.read_text("utf-8")))

    assert {one for one in named if not any(one in text for text in CODE.values())} == (
        set()
    )


@each_page
def test_every_verb_and_option_exists(page):
    for rest in COMMAND.findall(page.read_text("utf-8")):
        words = rest.split()
        # A picture in place of a command stands for `replay`.
        verb = f"{PROGRAM} {'replay' if '.' in words[0] else words[0]}"
        if f"{verb} {' '.join(words[1:2])}" in HELP:
            verb = f"{verb} {words[1]}"
        options = {word for word in words if re.fullmatch(r"--[a-z][a-z-]*", word)}

        assert verb in HELP, rest
        assert {one for one in options if one not in HELP[verb]} == set(), rest
