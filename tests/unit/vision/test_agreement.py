from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.agreement import (
    Compared,
    agreement,
    cohen_kappa,
    pair_faces,
)
from tests.builders import make_face, make_landmarks

LEFT, RIGHT = (150.0, 150.0), (450.0, 150.0)


def face(center_xy=LEFT, emotion="happiness"):
    return make_face(emotion, landmarks=make_landmarks(center_xy=center_xy))


A, B, CLOSE = face(LEFT), face(RIGHT), face((160.0, 150.0))


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ([], [], []),
        ([A], [], [(A, None)]),
        ([], [A], [(None, A)]),
        ([A, B], [B, A], [(A, A), (B, B)]),
        ([A], [B], [(A, None), (None, B)]),
        # Each face is matched once only, by what overlaps most.
        ([A], [CLOSE, A], [(A, A), (None, CLOSE)]),
    ],
    ids=["none", "one", "other", "crossed", "apart", "best"],
)
def test_faces_are_matched_by_their_boxes(first, second, pairs):
    assert pair_faces(first, second) == pairs


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
    sad = face(LEFT, "sadness")
    one = Compared(pair_faces([A, B], [sad]), (0.1, 0.4))
    two = Compared(pair_faces([A], [A, B]), (0.3, 0.2))

    figures = agreement([one, two])

    assert one.differing == [(A, sad), (B, None)]
    assert figures["faces_matched"] == 2
    assert (figures["only_in_first"], figures["only_in_second"]) == (1, 1)
    assert figures["same_emotion"]["value"] == 0.5
    assert figures["first_seconds"] == pytest.approx(0.2)
    assert figures["differ"] == [
        {"first": "happiness", "second": "sadness", "faces": 1}
    ]


def test_without_faces_nothing_is_claimed():
    figures = agreement([Compared([], (0.1, 0.1))])

    assert figures["faces_matched"] == 0
    assert math.isnan(figures["kappa"]["value"])
    assert figures["differ"] == []
