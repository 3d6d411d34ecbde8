import dataclasses

import numpy as np

from emojifier_bot.vision.types import EMOTIONS
from emojifier_training.votes import VOTES_RADIUS, mixture_of, read_voted, voted_for
from tests.builders import make_emoji
from tests.datasets import labelled_expressions
from tests.fakes.faces import FakeClassifier, FakeLandmarker

GLAD = make_emoji("glad", point={"happiness": 1})
PLEASED = make_emoji("pleased", point={"happiness": 0.7, "neutral": 0.3})


def votes(*rows):
    return np.array([[row.get(str(one), 0) for one in EMOTIONS] for row in rows], "f4")


def test_votes_belong_to_the_nearest_mixture_within_reach():
    rows = votes(
        {"happiness": 1},
        {"happiness": 0.9, "neutral": 0.1},
        {"happiness": 0.8, "neutral": 0.2},
        {"happiness": 0.6, "neutral": 0.3, "sadness": 0.1},
        {"anger": 1},
    )

    assert voted_for([GLAD, PLEASED], rows) == {"glad": [0, 1], "pleased": [2, 3]}
    assert np.linalg.norm(rows[4] - GLAD.point) > VOTES_RADIUS


def test_emoji_of_one_mixture_share_their_faces():
    other = make_emoji("also_glad", point={"happiness": 1})

    assert voted_for([GLAD, other], votes({"happiness": 1})) == {
        "glad": [0],
        "also_glad": [0],
    }


def test_a_declared_mixture_goes_before_the_point():
    declared = dataclasses.replace(GLAD, mixture=votes({"anger": 1})[0])

    assert mixture_of(GLAD).tolist() == GLAD.point.tolist()
    assert voted_for([declared], votes({"happiness": 1}, {"anger": 1})) == {"glad": [1]}


class Counting(FakeClassifier):
    calls = 0

    def classify(self, picture, landmarks):
        self.calls += 1
        return super().classify(picture, landmarks)


def test_only_faces_that_an_emoji_wants_are_read():
    targets = votes({"happiness": 1}, {"anger": 1}, {"happiness": 0.7, "neutral": 0.3})
    black = labelled_expressions([EMOTIONS[i] for i in targets.argmax(axis=1)])
    faces = dataclasses.replace(black, targets=targets)
    classifier = Counting()

    result = read_voted(
        [GLAD, PLEASED], faces, FakeLandmarker(), classifier, lambda *_: None
    )

    counts = {name: len(found) for name, found in result.items()}
    assert counts == {"glad": 1, "pleased": 1}
    assert classifier.calls == 2
    assert all(one.confident for found in result.values() for one in found)
