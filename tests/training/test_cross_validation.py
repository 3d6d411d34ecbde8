from __future__ import annotations

import numpy as np
import pytest
from emojifier_training.cross_validation import pooled_figures

from emojifier_bot.vision.types import EMOTIONS


def fold(count, *, seed=0, sharpness=1.0):
    """Return logits whose softmax is the chance of each label, made sharper."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (count, 8))
    powers = np.exp(logits)
    chances = (powers / powers.sum(axis=1, keepdims=True)).cumsum(axis=1)
    truth = (random.random((count, 1)) > chances).sum(axis=1).clip(max=7)
    targets = np.eye(8, dtype=np.float32)[truth]
    return (logits * sharpness).astype(np.float32), targets


def test_a_single_face():
    figures = pooled_figures([fold(1)])

    assert (figures["folds"], figures["count"]) == (1, 1)


def test_faces_of_all_folds_are_judged():
    figures = pooled_figures([fold(300, seed=1), fold(200, seed=2)])

    assert (figures["folds"], figures["count"]) == (2, 500)
    assert sum(row["count"] for row in figures["per_class"].values()) == 500
    for emotion in EMOTIONS:
        row = figures["intervals"][f"f1_{emotion}"]
        assert row["low"] < row["value"] < row["high"]
        assert row["count"] == figures["per_class"][str(emotion)]["count"]


def test_each_fold_is_calibrated_by_the_others():
    logits = [fold(3000, seed=seed, sharpness=3.0) for seed in (1, 2)]

    assert pooled_figures(logits)["calibration_error"] < 0.05


def test_what_one_fold_cannot_know_of_itself_shows():
    # The second fold is sharper than the first knows.
    figures = pooled_figures([fold(2000, seed=1), fold(2000, seed=2, sharpness=4.0)])

    assert figures["calibration_error"] > 0.1


def test_one_fold_calibrates_itself():
    figures = pooled_figures([fold(3000, sharpness=3.0)])

    assert figures["calibration_error"] == pytest.approx(0, abs=0.05)
