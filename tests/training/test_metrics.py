from __future__ import annotations

import math

import numpy as np
import pytest

from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.metrics import (
    accuracy,
    calibration_error,
    confusion_matrix,
    fit_temperature,
    macro_f1,
    per_class,
    pick_sure_threshold,
    risk_coverage,
)

ANGER, CONTEMPT, DISGUST, FEAR = range(4)
#: Anger: 2 of 3 found, by 2 of 3; contempt: 1 of 1, by 1 of 2; disgust: none of 1.
TRUTH = np.array([ANGER, ANGER, ANGER, CONTEMPT, DISGUST])
PREDICTED = np.array([ANGER, ANGER, CONTEMPT, CONTEMPT, ANGER])


def test_no_faces():
    none = np.empty(0, np.int64)
    assert math.isnan(accuracy(none, none))
    assert math.isnan(macro_f1(none, none))
    assert confusion_matrix(none, none).sum() == 0
    assert calibration_error(np.empty((0, 8), np.float32), none) == 0
    rows = per_class(none, none)
    assert list(rows) == [str(one) for one in EMOTIONS]
    assert all(not any(row.values()) for row in rows.values())


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


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.4, 0.8, 1.0, 1.5, 3.0])
def test_a_known_temperature_is_found_again(temperature):
    logits = np.random.default_rng(0).normal(0, 2, (4000, 8)).astype(np.float32)
    # Each row's class is drawn as its probabilities say.
    dice = np.random.default_rng(1).random((4000, 1))
    truth = (dice > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(max=7)

    found = fit_temperature(logits * np.float32(temperature), truth)

    assert found == pytest.approx(temperature, rel=0.06)


def logits_with(tops) -> np.ndarray:
    """Return logits whose class 0 has these probabilities."""
    tops = np.array(tops, np.float64)[:, None]
    return np.log(np.hstack([tops, np.repeat((1 - tops) / 7, 7, axis=1)]))


@pytest.mark.parametrize(
    ("tops", "right", "threshold"),
    [
        ([], [], 1.0),
        ([0.6], [False], 1.0),
        ([0.6], [True], 0.6),
        ([0.9, 0.6], [True, True], 0.6),
        ([0.6, 0.9], [False, True], 0.9),
        # Two of three are not enough, three of four are.
        ([0.9, 0.8, 0.7, 0.6], [True, False, True, True], 0.6),
        ([0.9, 0.8, 0.7, 0.6], [True, False, True, False], 0.9),
        ([0.9, 0.8, 0.7, 0.6], [False, True, True, False], 1.0),
        # Faces with the same probability are sure together or not at all.
        ([0.9, 0.9], [True, False], 1.0),
        ([0.9, 0.9, 0.9, 0.9], [True, False, True, True], 0.9),
    ],
)
def test_sure_threshold_by_hand(tops, right, threshold):
    truth = np.where(np.array(right, bool), 0, 1)

    found = pick_sure_threshold(logits_with(tops), truth, 0.75)

    assert found == pytest.approx(threshold)


def test_risk_coverage_by_hand():
    probabilities = softmax(logits_with([0.9, 0.6, 0.6, 0.8]))
    truth = np.array([0, 0, 1, 1])

    curve = risk_coverage(probabilities, truth)

    # Two faces have the same probability and come together.
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.8, 0.6], atol=1e-6)
    np.testing.assert_allclose(curve.coverages, [0.25, 0.5, 1])
    np.testing.assert_allclose(curve.accuracies, [1, 0.5, 0.5])
