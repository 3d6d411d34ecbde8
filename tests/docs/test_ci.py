"""CI begins as a newcomer does, and GitHub's workflow runs what ``.ci/run`` runs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / ".ci" / "run").read_text("utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
#: What the README and CONTRIBUTING tell to run, before anything else is installed.
NEWCOMER = ["demo", "test", "check"]


def targets(text: str) -> list[str]:
    """Return the targets of make that are run, in order."""
    found = re.findall(r"^[^#\n]*\bmake ([a-z-]+)$", text, re.MULTILINE)
    return [one for one in found if one != "install"]


def test_a_newcomer_s_commands_come_first():
    assert targets(SCRIPT)[: len(NEWCOMER)] == NEWCOMER
    installed = SCRIPT.index("apt-get")
    assert all(SCRIPT.index(f"make {one}\n") < installed for one in NEWCOMER)


def test_the_workflow_runs_the_same_in_the_same_order():
    assert targets(WORKFLOW) == targets(SCRIPT)
