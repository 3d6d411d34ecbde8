from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_training.calibration import (
    TEMPERATURES,
    cross_entropies,
    fit_temperature,
    one_hot,
    pick_sure_threshold,
    risk_coverage,
)

COUNT = 4000


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn_from(probabilities: np.ndarray, seed: int = 1) -> np.ndarray:
    """Draw each row's class as its probabilities say."""
    dice = np.random.default_rng(seed).random((len(probabilities), 1))
    return (dice > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=7)


def honest(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits whose probabilities are just what happens."""
    logits = np.random.default_rng(seed).normal(0, 2, (COUNT, 8)).astype(np.float32)
    return logits, drawn_from(softmax(logits))


class TestTemperature:
    @pytest.mark.parametrize("temperature", [0.4, 0.8, 1.0, 1.5, 3.0])
    def test_a_known_one_is_found_again(self, temperature):
        logits, truth = honest()

        found = fit_temperature(logits * np.float32(temperature), one_hot(truth))

        assert found == pytest.approx(temperature, rel=0.06)

    def test_a_shift_of_all_logits_changes_nothing(self):
        logits, truth = honest()
        shares = one_hot(truth)

        assert fit_temperature(logits + 500, shares) == fit_temperature(logits, shares)

    def test_shares_are_fitted_as_they_are(self):
        logits, _ = honest()

        assert fit_temperature(logits * 2, softmax(logits)) == pytest.approx(
            2, rel=0.02
        )

    @pytest.mark.parametrize(("size", "end"), [(1000, -1), (1e-3, 0)])
    def test_it_stays_in_its_range(self, size, end):
        logits, truth = honest()

        found = fit_temperature(logits[:50] * np.float32(size), one_hot(truth[:50]))

        assert found == pytest.approx(TEMPERATURES[end])

    def test_no_other_is_more_likely(self):
        logits, truth = honest(5)
        rows = np.arange(COUNT)

        def loss(temperature):
            return -np.log(softmax(logits / temperature)[rows, truth]).mean()

        found = fit_temperature(logits, one_hot(truth))

        assert loss(found) <= min(loss(found * 1.05), loss(found * 0.95))


def test_cross_entropies():
    shares = np.array([[0.5, 0.5, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0]])
    logits = np.zeros((2, 8))
    logits[1, 2] = np.log(7)

    found = cross_entropies(logits, shares)

    np.testing.assert_allclose(found, [np.log(8), np.log(2)])


def logits_with(tops) -> np.ndarray:
    """Return logits whose class 0 has these probabilities."""
    tops = np.array(tops, np.float64)[:, None]
    return np.log(np.hstack([tops, np.repeat((1 - tops) / 7, 7, axis=1)]))


class TestSureThreshold:
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
    def test_by_hand(self, tops, right, threshold):
        truth = np.where(np.array(right, bool), 0, 1)

        found = pick_sure_threshold(logits_with(tops), truth, 0.75)

        assert found == pytest.approx(threshold)

    @given(
        st.lists(st.tuples(st.integers(2, 9), st.booleans()), max_size=30),
        st.floats(0.3, 1),
    )
    def test_faces_called_sure_are_as_accurate_as_asked(self, faces, accuracy):
        tops = np.array([top / 10 for top, _ in faces])
        right = np.array([is_right for _, is_right in faces], bool)
        logits = logits_with(tops)
        # As they come back from the logits, to the last bit.
        tops = softmax(logits).max(axis=1) if faces else tops

        found = pick_sure_threshold(logits, np.where(right, 0, 1), accuracy)

        good = [
            float(limit)
            for limit in set(tops)
            if right[tops >= limit].mean() >= accuracy
        ]
        assert found == min(good, default=1.0)


class TestRiskCoverage:
    def test_no_faces(self):
        curve = risk_coverage(np.empty((0, 8)), np.empty(0, np.int64))

        assert len(curve.thresholds) == len(curve.coverages) == 0

    def test_by_hand(self):
        probabilities = softmax(logits_with([0.9, 0.6, 0.6, 0.8]))
        truth = np.array([0, 0, 1, 1])

        curve = risk_coverage(probabilities, truth)

        # Two faces have the same probability and come together.
        np.testing.assert_allclose(curve.thresholds, [0.9, 0.8, 0.6], atol=1e-6)
        np.testing.assert_allclose(curve.coverages, [0.25, 0.5, 1])
        np.testing.assert_allclose(curve.accuracies, [1, 0.5, 0.5])

    @given(st.lists(st.tuples(st.integers(2, 9), st.booleans()), min_size=1))
    def test_it_ends_with_all_faces_and_their_accuracy(self, faces):
        right = np.array([is_right for _, is_right in faces], bool)
        probabilities = softmax(logits_with([top / 10 for top, _ in faces]))

        curve = risk_coverage(probabilities, np.where(right, 0, 1))

        assert curve.coverages[-1] == 1
        assert curve.accuracies[-1] == pytest.approx(right.mean())
        assert (np.diff(curve.coverages) > 0).all()
        assert (np.diff(curve.thresholds) < 0).all()
