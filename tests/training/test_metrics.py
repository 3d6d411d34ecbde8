from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.metrics import (
    accuracy,
    calibration_error,
    confusion_matrix,
    f1_scores,
    macro_f1,
    per_class,
    reliability,
)

ANGER, CONTEMPT, DISGUST, FEAR = range(4)
#: Anger: 2 of 3 found, by 2 of 3; contempt: 1 of 1, by 1 of 2; disgust: none of 1.
TRUTH = np.array([ANGER, ANGER, ANGER, CONTEMPT, DISGUST])
PREDICTED = np.array([ANGER, ANGER, CONTEMPT, CONTEMPT, ANGER])

labels = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=40
).map(np.array)


def none() -> np.ndarray:
    return np.empty(0, np.int64)


def test_no_faces():
    assert math.isnan(accuracy(none(), none()))
    assert math.isnan(macro_f1(none(), none()))
    assert confusion_matrix(none(), none()).sum() == 0
    assert calibration_error(np.empty((0, 8), np.float32), none()) == 0
    rows = per_class(none(), none())
    assert list(rows) == [str(one) for one in EMOTIONS]
    assert all(not any(row.values()) for row in rows.values())


def test_accuracy():
    assert accuracy(TRUTH, PREDICTED) == pytest.approx(3 / 5)


def test_rows_are_the_truth_and_columns_the_prediction():
    counts = confusion_matrix(TRUTH, PREDICTED)

    assert counts.shape == (8, 8)
    assert counts[:3, :3].tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert counts.sum() == 5


@pytest.mark.parametrize(
    ("name", "precision", "recall", "f1", "count"),
    [
        ("anger", 2 / 3, 2 / 3, 2 / 3, 3),
        ("contempt", 1 / 2, 1, 2 / 3, 1),
        ("disgust", 0, 0, 0, 1),
        ("fear", 0, 0, 0, 0),
    ],
)
def test_each_class(name, precision, recall, f1, count):
    row = per_class(TRUTH, PREDICTED)[name]

    assert row == {
        "precision": pytest.approx(precision),
        "recall": pytest.approx(recall),
        "f1": pytest.approx(f1),
        "count": count,
    }


def test_macro_f1_leaves_out_classes_that_do_not_occur():
    assert macro_f1(TRUTH, PREDICTED) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_a_class_predicted_but_never_true_only_costs_precision():
    assert macro_f1(np.array([ANGER, ANGER]), np.array([ANGER, FEAR])) == (
        pytest.approx(2 / 3)
    )


@given(labels)
def test_laws(pairs):
    truth, predicted = pairs.T
    rows = per_class(truth, predicted)

    assert sum(row["count"] for row in rows.values()) == len(truth)
    hits = sum(row["recall"] * row["count"] for row in rows.values())
    assert hits / len(truth) == pytest.approx(accuracy(truth, predicted))
    for row in rows.values():
        total = row["precision"] + row["recall"]
        harmonic = 2 * row["precision"] * row["recall"] / total if total else 0
        assert row["f1"] == pytest.approx(harmonic)
    assert macro_f1(truth, truth) == 1
    np.testing.assert_array_equal(
        confusion_matrix(truth, predicted), confusion_matrix(predicted, truth).T
    )


@pytest.mark.parametrize(
    ("tops", "right", "expected"),
    [
        ([1.0], [True], 0),
        ([0.9], [False], 0.9),
        ([0.9, 0.9], [True, False], 0.4),
        ([0.5, 0.5], [True, False], 0),
        # Too sure in one bin does not make up for too doubtful in another.
        ([0.9, 0.3], [False, True], (0.9 + 0.7) / 2),
        ([0.9, 0.9, 0.9, 0.3], [True, True, True, False], (0.3 + 0.3) / 4),
    ],
)
def test_calibration_error_by_hand(tops, right, expected):
    probabilities = np.zeros((len(tops), 8), np.float32)
    probabilities[:, FEAR] = tops
    # What is left is spread thin enough.
    rest = (1 - np.array(tops)) / 7
    probabilities[:, [i for i in range(8) if i != FEAR]] = rest[:, None]
    truth = np.where(right, FEAR, ANGER)

    assert calibration_error(probabilities, truth) == pytest.approx(expected, abs=1e-6)


class TestF1Scores:
    def test_no_faces(self):
        assert np.isnan(f1_scores(none(), none())).all()

    def test_they_are_those_of_each_class(self):
        rows = per_class(TRUTH, PREDICTED)

        for row, score in zip(rows.values(), f1_scores(TRUTH, PREDICTED), strict=True):
            assert (
                np.isnan(score)
                if row["count"] == 0
                else score == pytest.approx(row["f1"])
            )


class TestReliability:
    def test_no_faces(self):
        assert reliability(np.empty((0, 8), np.float32), none()) == []

    def test_by_hand(self):
        probabilities = np.full((3, 8), 0.01, np.float32)
        probabilities[:, FEAR] = (0.9, 0.92, 0.5)

        rows = reliability(probabilities, np.array([FEAR, ANGER, FEAR]))

        assert [row["count"] for row in rows] == [1, 2]
        assert [row["accuracy"] for row in rows] == [1, 0.5]
        assert rows[1]["confidence"] == pytest.approx(0.91)
        assert all(row["low"] <= row["confidence"] for row in rows)

    @given(labels)
    def test_the_gaps_add_up_to_the_calibration_error(self, pairs):
        truth, predicted = pairs.T
        probabilities = np.full((len(truth), 8), 0.05, np.float32)
        top = 0.3 + 0.6 * np.arange(len(truth)) / len(truth)
        probabilities[np.arange(len(truth)), predicted] = top

        rows = reliability(probabilities, truth)

        gaps = sum(r["count"] * abs(r["confidence"] - r["accuracy"]) for r in rows)
        assert gaps / len(truth) == pytest.approx(
            calibration_error(probabilities, truth), abs=1e-5
        )
