import json
from dataclasses import dataclass

import numpy as np
import pytest

from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.evaluate_emotion import classify_crops, emotion_figures
from tests.builders import make_scores
from tests.datasets import labelled_expressions as labelled
from tests.fakes.faces import FakeClassifier, FakeLandmarker

ANGER, FEAR = Emotion.ANGER, Emotion.FEAR


@dataclass
class GreyReader(FakeClassifier):
    """A classifier that takes the grey of a crop for its emotion."""

    def classify(self, picture, landmarks):
        del landmarks
        return [make_scores(EMOTIONS[picture.image.getpixel((0, 0))[0]])]


def test_a_row_for_each_crop_in_order():
    calls = []
    greys = np.array([EMOTIONS.index(one) for one in (FEAR, ANGER, FEAR)], np.uint8)
    images = np.broadcast_to(greys[:, None, None], (3, 48, 48))
    faces = labelled([FEAR, ANGER, FEAR], images)

    found = classify_crops(
        FakeLandmarker(), GreyReader(), faces, lambda *now: calls.append(now)
    )

    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert found.argmax(axis=1).tolist() == faces.majority.tolist()
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_emotion_figures_by_hand():
    # Two of three right; sure in two, of which one is right.
    probabilities = np.stack(
        [
            make_scores(FEAR, 0.9).probabilities,
            make_scores(ANGER, 0.5).probabilities,
            make_scores(FEAR, 0.6).probabilities,
        ]
    )

    figures = emotion_figures(probabilities, labelled([FEAR, ANGER, ANGER]), 0.6)

    assert figures["count"] == 3
    assert figures["accuracy"] == pytest.approx(2 / 3)
    # Both classes: one of two predicted or found, F1 of two thirds.
    assert figures["macro_f1"] == pytest.approx(2 / 3)
    assert figures["per_class"]["fear"] == {
        "precision": pytest.approx(1 / 2),
        "recall": 1,
        "f1": pytest.approx(2 / 3),
        "count": 1,
    }
    assert figures["confusion"] == {
        "anger": {"anger": 1, "fear": 1},
        "fear": {"fear": 1},
    }
    assert figures["sure"] == {
        "threshold": 0.6,
        "coverage": pytest.approx(2 / 3),
        "accuracy": pytest.approx(1 / 2),
    }
    gaps = (1 - 0.9) + (1 - 0.5) + 0.6
    assert figures["calibration_error"] == pytest.approx(gaps / 3, abs=1e-6)


def test_intervals_hold_their_figures():
    random = np.random.default_rng(0)
    rows = [make_scores(EMOTIONS[int(i)], 0.6) for i in random.integers(0, 8, 60)]
    probabilities = np.stack([one.probabilities for one in rows])
    faces = labelled([EMOTIONS[int(i)] for i in random.integers(0, 8, 60)])

    figures = emotion_figures(probabilities, faces, 0.5)

    for name in ("accuracy", "macro_f1", "calibration_error"):
        row = figures["intervals"][name]
        assert row["value"] == pytest.approx(figures[name])
        assert row["low"] <= row["value"] <= row["high"]
    assert figures["intervals"]["sure_coverage"]["value"] == 1
    assert json.loads(json.dumps(figures)) == figures
