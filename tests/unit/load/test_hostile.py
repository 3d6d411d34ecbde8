from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.datasets import sample
from tests.load.hostile import (
    ALONE,
    ATTACKED,
    BEGIN,
    END,
    MOST_MB,
    PAGE,
    Findings,
    Side,
    complaints,
    table,
)
from tests.load.tricks import many_scans


def findings(**more) -> Findings:
    found = Findings(60.0, 1800.0)
    found.sides[ALONE] = Side([0.01] * 20, [0.3] * 20)
    found.sides[ATTACKED] = Side([0.02] * 20, [0.59] * 20)
    found.peaks_mb = {"web": 200.0, "decoder": MOST_MB}
    # Connections that the first attack opened are kept.
    found.files = {"web": [15, 23, 26]}
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_twice_as_long_is_as_long_as_others_may_wait():
    assert complaints(findings()) == []
    assert "Everything held." in table(findings())


def test_what_happens_at_once_may_take_many_times_as_long():
    found = findings()
    found.sides[ATTACKED].acknowledged_seconds = [0.09] * 20

    assert complaints(found) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"waited_seconds": [0.59] * 18 + [0.7] * 2}, "at 95 %"),
        ({"waited_seconds": [0.7] * 11 + [0.5] * 9}, "at 50 %"),
        ({"acknowledged_seconds": [0.11] * 20}, "acknowledged_seconds"),
        ({"missing": 1}, "1 without a result"),
        ({"refused": 1}, "1 refused"),
    ],
)
def test_others_that_suffer_are_told(change, complaint):
    found = findings()
    for name, value in change.items():
        setattr(found.sides[ATTACKED], name, value)

    assert complaint in " ".join(complaints(found))
    assert "Not held:" in table(found)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"peaks_mb": {"decoder": MOST_MB + 1}}, "decoder: 601 MB"),
        ({"files": {"web": [15, 23, 27]}}, "27 open files instead of 23"),
        ({"deleted": 1}, "1 results of others were deleted"),
        ({"problems": ["token_leak"]}, "token_leak"),
    ],
)
def test_processes_beyond_their_bounds_are_told(change, complaint):
    assert complaint in " ".join(complaints(findings(**change)))


def test_the_page_has_a_place_for_the_table():
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    assert before
    assert END in rest


def test_a_picture_of_many_scans_is_a_picture():
    few, many = (many_scans(sample(), scans) for scans in (1, 300))

    assert many.count(b"\xff\xda") == few.count(b"\xff\xda") + 299
    with Image.open(io.BytesIO(many)) as image:
        assert image.size == sample().size
        image.load()
