from __future__ import annotations

import math

import pytest

from emojifier_bot.cli.console import without_nan
from emojifier_bot.vision.intervals import Measured
from emojifier_training.figures import (
    shown,
    with_intervals,
)
from emojifier_training.summary import (
    HEADINGS,
    TARGETS,
    Row,
    Target,
    cells,
    evaluation_page,
    markdown_table,
)

HIGH = Target("emotion", "accuracy", 0.8, 0.9)
LOW = Target("landmarks", "error", 0.04, 0.03, lower_is_better=True)
BOUND = Target("speed", "cost", 10, None, lower_is_better=True)


def measured(value):
    return Measured(value, value - 0.01, value + 0.01, 50)


class TestTargets:
    @pytest.mark.parametrize("key", TARGETS)
    def test_the_aim_is_beyond_the_must(self, key):
        target = TARGETS[key]

        assert target.must is not None
        assert target.aim is None or target.met(target.aim, target.must)
        assert target.aim is None or not target.met(target.must, target.aim)


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


def test_the_page_holds_the_table():
    rows = [Row(HIGH, measured(0.85), "50 faces"), Row(LOW, None, "no data")]

    table = markdown_table(rows)

    assert table in evaluation_page(rows)
    lines = table.splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 1}


class TestFigures:
    @pytest.mark.parametrize(
        ("figures", "expected"),
        [
            ({}, {}),
            (math.nan, None),
            ({"a": [math.nan, {"b": 1.0}]}, {"a": [None, {"b": 1.0}]}),
        ],
    )
    def test_json_has_no_nan(self, figures, expected):
        assert without_nan(figures) == expected

    def test_intervals_stand_beside_their_figures(self):
        row = {"value": 0.5, "low": 0.4, "high": math.nan, "count": 3}

        assert with_intervals(row) == {"value": "0.5 (0.4 – )", "count": "3"}
        assert with_intervals({"low": 0.2, "count": 3}) == {"low": "0.2", "count": "3"}

    def test_what_is_not_defined_is_left_blank(self):
        assert with_intervals({"ap": math.nan, "ap_low": 1.0, "ap_high": 1.0}) == {
            "ap": ""
        }
        assert shown(math.nan) == ""
