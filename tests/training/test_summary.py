import math

import pytest

from emojifier_bot.vision.intervals import Measured
from emojifier_training.summary import (
    HEADINGS,
    TARGETS,
    Row,
    Target,
    cells,
    write_page,
)

HIGH = Target("emotion", "accuracy", 0.8, 0.9)
LOW = Target("landmarks", "error", 0.04, 0.03, lower_is_better=True)
BOUND = Target("speed", "cost", 10, None, lower_is_better=True)


def measured(value):
    return Measured(value, value - 0.01, value + 0.01, 50)


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [
        (HIGH, 0.9, "aim"),
        (HIGH, 0.8, "must"),
        (HIGH, 0.79, "no"),
        (LOW, 0.03, "aim"),
        (LOW, 0.04, "must"),
        (LOW, 0.05, "no"),
        (BOUND, 10, "must"),
        (BOUND, 11, "no"),
        (HIGH, math.nan, ""),
    ],
)
def test_what_is_reached(target, value, reached):
    assert Row(target, measured(value), "50 faces").reached == reached


def test_what_was_not_measured_says_why():
    row = Row(TARGETS["accuracy_posed"], None, "kept apart")

    assert row.reached == ""
    assert "value" not in row.as_dict()
    assert cells(row)[2:4] == ("", "")
    assert cells(row)[-1] == "kept apart"


def test_a_row_as_people_read_it():
    assert cells(Row(LOW, measured(0.035), "50 faces")) == (
        "landmarks",
        "error",
        "0.035",
        "0.025 – 0.045",
        "≤ 0.040",
        "≤ 0.030",
        "must",
        "50 faces",
    )


def test_a_page_keeps_its_prose(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- targets -->\n| old |\n\nNotes.\n")

    write_page(page, [Row(HIGH, measured(0.85), "50 faces"), Row(LOW, None, "no")])

    head, *table, _, notes = page.read_text("utf-8").splitlines()[2:]
    assert (head, notes) == ("<!-- targets -->", "Notes.")
    assert len(table) == 4
    assert {line.count("|") for line in table} == {len(HEADINGS) + 1}


def test_a_new_page_is_the_table(tmp_path):
    write_page(tmp_path / "page.md", [])

    assert len((tmp_path / "page.md").read_text("utf-8").splitlines()) == 3
