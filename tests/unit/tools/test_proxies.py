from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emojifier_bot.tools.proxies import (
    VOTES_RADIUS,
    mixture_of,
    read_proxies,
    read_voted,
    voted_for,
)
from emojifier_bot.vision.decode import DecodeLimits, InProcessDecoder
from emojifier_bot.vision.types import EMOTIONS, Reading
from emojifier_training.data import LabelledExpressions
from tests.builders import make_emoji, make_face, make_landmarks, make_scores
from tests.images import encoded, photo

JPEG = encoded(photo(), "JPEG")
GLAD = make_emoji("glad", point={"happiness": 1})
PLEASED = make_emoji("pleased", point={"happiness": 0.7, "neutral": 0.3})


def votes(*rows):
    return np.array([[row.get(str(one), 0) for one in EMOTIONS] for row in rows], "f4")


class Analyzer:
    """Finds as many faces as it is told, each larger than the one before."""

    def __init__(self, *counts):
        self._counts = iter(counts)

    def analyze(self, _picture):
        faces = [
            make_face(
                EMOTIONS[index],
                landmarks=make_landmarks(eye_distance_px=40.0 + 20 * index),
            )
            for index in range(next(self._counts))
        ]
        return Reading(tuple(faces), "fake")


def read(tmp_path, contents, *counts):
    paths = []
    for index, content in enumerate(contents):
        paths.append(tmp_path / f"{index}.jpg")
        paths[-1].write_bytes(content)
    steps = []
    result = read_proxies(
        {"glad": paths},
        InProcessDecoder(DecodeLimits(1_000_000, 1_000_000)),
        Analyzer(*counts),
        lambda done, total: steps.append((done, total)),
    )
    assert steps == [(done, len(paths)) for done in range(1, len(paths) + 1)]
    return result


def test_no_photos_no_readings(tmp_path):
    result = read(tmp_path, [])

    assert (result.by_emoji, result.problems) == ({}, [])


def test_the_largest_face_of_a_photo_counts_and_it_is_said(tmp_path):
    result = read(tmp_path, [JPEG], 3)

    assert [one.scores.top for one in result.by_emoji["glad"]] == [EMOTIONS[2]]
    assert result.problems == [f"{tmp_path / '0.jpg'} has 3 faces; the largest counts."]


def test_a_photo_without_a_face_is_left_out_and_it_is_said(tmp_path):
    result = read(tmp_path, [JPEG, JPEG], 0, 1)

    assert len(result.by_emoji["glad"]) == 1
    assert "0.jpg has no face" in result.problems[0]


@pytest.mark.parametrize("content", [b"", b"<html>", JPEG[:60]])
def test_a_damaged_photo_is_left_out_and_it_is_said(tmp_path, content):
    result = read(tmp_path, [content, JPEG], 1)

    assert len(result.by_emoji["glad"]) == 1
    assert "0.jpg cannot be read" in result.problems[0]


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


class Landmarker:
    def locate(self, _picture, detections):
        return [make_landmarks() for _ in detections]


class Classifier:
    sure_threshold = 0.5

    def __init__(self):
        self.calls = 0

    def classify(self, _picture, landmarks):
        self.calls += 1
        return [make_scores("happiness", 0.6) for _ in landmarks]


def test_only_faces_that_an_emoji_wants_are_read():
    targets = votes({"happiness": 1}, {"anger": 1}, {"happiness": 0.7, "neutral": 0.3})
    faces = LabelledExpressions(
        np.zeros((3, 48, 48), np.uint8),
        targets,
        targets.argmax(axis=1),
        np.zeros(3, bool),
    )
    classifier = Classifier()

    result = read_voted(
        [GLAD, PLEASED], faces, Landmarker(), classifier, lambda *_: None
    )

    assert {name: len(found) for name, found in result.items()} == {
        "glad": 1,
        "pleased": 1,
    }
    assert classifier.calls == 2
    assert all(one.confident for found in result.values() for one in found)
