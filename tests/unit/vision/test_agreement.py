from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.agreement import (
    agreement,
    cohen_kappa,
    compared,
    match_faces,
)
from tests.builders import make_face, make_landmarks

LEFT, RIGHT = (150.0, 150.0), (450.0, 150.0)


def face(center_xy=LEFT, emotion="happiness"):
    return make_face(emotion, landmarks=make_landmarks(center_xy=center_xy))


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ([], [], ()),
        ([face()], [], ()),
        ([], [face()], ()),
        ([face()], [face()], ((0, 0),)),
        ([face(LEFT), face(RIGHT)], [face(RIGHT), face(LEFT)], ((0, 1), (1, 0))),
        ([face(LEFT)], [face(RIGHT)], ()),
        # Each face is matched once only, by what overlaps most.
        ([face(LEFT)], [face((160.0, 150.0)), face(LEFT)], ((0, 1),)),
    ],
    ids=["none", "one", "other", "same", "crossed", "apart", "best"],
)
def test_faces_are_matched_by_their_boxes(first, second, pairs):
    assert tuple(sorted(match_faces(first, second))) == pairs


def test_kappa_of_a_published_table():
    # Cohen's worked example: 88 + 40 + 12 of 200 on the diagonal, kappa 0.492.
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first, second = (
        np.concatenate(
            [np.full(count, index[axis]) for index, count in np.ndenumerate(table)]
        )
        for axis in (0, 1)
    )

    assert cohen_kappa(first, second) == pytest.approx(0.4915, abs=5e-4)


@pytest.mark.parametrize("labels", [[], [3, 3, 3]], ids=["none", "one class"])
def test_kappa_is_not_defined_without_something_to_tell_apart(labels):
    same = np.array(labels, np.int64)

    assert math.isnan(cohen_kappa(same, same))


@given(
    st.lists(st.integers(0, 7), min_size=2, max_size=40).filter(
        lambda x: set(x) > {x[0]}
    )
)
def test_kappa_of_a_rater_with_himself_is_one(labels):
    same = np.array(labels)

    assert cohen_kappa(same, same) == pytest.approx(1)


def test_figures_of_two_pictures():
    pictures = [
        compared("a", [face(LEFT), face(RIGHT)], [face(LEFT, "sadness")], (0.1, 0.4)),
        compared("b", [face()], [face(), face(RIGHT)], (0.3, 0.2)),
    ]

    figures = agreement(pictures)

    assert figures["faces_matched"] == 2
    assert (figures["only_in_first"], figures["only_in_second"]) == (1, 1)
    assert figures["same_emotion"]["value"] == 0.5
    assert figures["first_seconds"] == pytest.approx(0.2)
    assert figures["differ"] == [
        {"first": "happiness", "second": "sadness", "faces": 1}
    ]


def test_without_faces_nothing_is_claimed():
    figures = agreement([compared("a", [], [], (0.1, 0.1))])

    assert figures["faces_matched"] == 0
    assert math.isnan(figures["kappa"]["value"])
    assert figures["differ"] == []


def test_what_differs_is_what_the_sheet_shows():
    one = compared("a", [face(LEFT), face(RIGHT)], [face(LEFT, "sadness")], (0, 0))

    pairs = [(a and a.scores.top, b and b.scores.top) for a, b in one.differing]

    assert pairs == [("happiness", "sadness"), ("happiness", None)]
