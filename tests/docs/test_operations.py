"""What operators meet is in their page: every log action, figure and way in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emojifier_bot.jobs import workflow
from emojifier_bot.jobs.step_runner import FETCH
from emojifier_bot.slack.manifest import EVENTS_PATH, INSTALL_PATH, REDIRECT_PATH
from tests.metrics import every_metric
from tests.web_pages import pages_app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
#: Of the command line's own; they have nothing to do with the running bot.
REPLAY_ACTIONS = {"picture_done", "picture_failed"}
BOT = ("app", "cli", "db", "http", "jobs", "metrics.py", "slack", "vision", "web")


def actions() -> set[str]:
    sources = [
        file.read_text("utf-8")
        for room in BOT
        for file in (ROOT / "emojifier_bot").rglob("*.py")
        if file.is_relative_to(ROOT / "emojifier_bot" / room)
    ]
    named = (
        r'"action": "(\w+)"',
        r'\["action"\] = "(\w+)"',
        r'_facts\("(\w+)"\)',
        r'run_later\(\s*\w+, "(\w+)"',
        r'\.run_(?:once|marked|with_\w+|polled|best_effort)\(\s*"(\w+)"',
    )
    found = {
        action
        for text in sources
        for pattern in named
        for action in re.findall(pattern, text)
    }
    named_once = {workflow.PREPARE, workflow.COMPLETE, workflow.SHARE, workflow.DRAW}
    return found | named_once | {FETCH}


def told_actions() -> set[str]:
    log = PAGE.partition("## The log")[2]
    rows = re.findall(r"^\| (`.*?`) \|", log, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)} - {"action"}


def test_every_log_action_is_told():
    assert actions() - REPLAY_ACTIONS - told_actions() == set()


def test_no_action_is_told_that_is_gone():
    assert told_actions() - actions() == set()


def test_every_metric_is_told():
    told = set(re.findall(r"^\| `(emojifier_\w+)`", PAGE, re.MULTILINE))

    assert every_metric() == told


@pytest.mark.parametrize("path", [EVENTS_PATH, INSTALL_PATH, REDIRECT_PATH])
def test_slacks_ways_in_are_told(path):
    assert f"`{path}`" in PAGE


def test_every_path_is_told():
    rules = {rule.rule for rule in pages_app().url_map.iter_rules()}
    paths = {rule.partition("<")[0] for rule in rules if not rule.startswith("/test/")}

    assert {path for path in paths if f"`{path}`" not in PAGE} == set()


def test_every_unit_that_is_told_is_there():
    told = set(re.findall(r"systemctl (?:\w+ )+(?:--now )?(emojifier[\w@-]*)", PAGE))
    units = {file.stem for file in (ROOT / "deploy" / "systemd").glob("*.service")}

    assert told
    assert {name.partition("@")[0] for name in told} <= {
        name.partition("@")[0] for name in units
    }


def test_a_database_is_never_told_to_be_copied_as_a_file():
    assert not re.search(r"^ *cp [^\n]*\.db( |$)", PAGE, re.MULTILINE)


def test_packages_are_installed_by_their_hashes_only():
    installs = re.findall(r"pip install ([^\n#]*)", PAGE)

    assert len(installs) == 6
    assert all(
        "--require-hashes" in one or "--force-reinstall --no-deps dist/" in one
        for one in installs
    )
