"""docs/evaluation.md has a row for every target, with what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emojifier_training.summary import HEADINGS, TARGETS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evaluation.md"

pytestmark = pytest.mark.skipif(
    not PAGE.is_file(), reason="nothing was measured yet: `make evaluate`"
)


def tables(path):
    return re.findall(r"(?:^\|.*\n)+", path.read_text("utf-8"), re.MULTILINE)


def test_every_target_has_its_row():
    (table,) = tables(PAGE)
    heading, _, *rows = table.splitlines()

    assert heading == f"| {' | '.join(HEADINGS)} |"
    told = [tuple(row.split(" | ")[:2]) for row in rows]
    wanted = [(f"| {one.task}", one.what) for one in TARGETS.values()]
    assert told == wanted


def test_every_row_that_can_be_measured_was():
    for row in tables(PAGE)[0].splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2] or "not measurable here" in cells[-1], row
