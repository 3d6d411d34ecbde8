"""The shipped net is sure of a plain smile, and not of a face unlike any it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.app import make_analyzer
from emojifier_bot.config import load_settings
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.types import EMOTIONS, Emotion

#: The face is 117 pixels high.
SLAT_PX = 5
SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "astronaut.png"


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer(load_settings(face_backend="local"))


@pytest.fixture(scope="module")
def smiling():
    return Image.open(SAMPLE).convert("RGB")


@pytest.fixture(scope="module")
def face(analyzer, smiling):
    (face,) = analyzer.analyze(from_image(smiling)).faces
    return face


def test_a_plain_smile_is_sure(face):
    assert face.confident
    assert EMOTIONS[face.scores.probabilities.argmax()] is Emotion.HAPPINESS


def test_a_face_behind_slats_is_not(analyzer, smiling, face):
    sure = []
    for shift in range(0, 2 * SLAT_PX, 2):
        pixels = np.array(smiling)
        dark = (np.arange(len(pixels)) + shift) // SLAT_PX % 2 == 0
        pixels[dark] = pixels[dark] * 0.3
        picture = from_image(Image.fromarray(pixels))
        (scores,) = analyzer.classifier.classify(picture, [face.landmarks])
        sure.append(scores.top_probability >= analyzer.classifier.sure_threshold)

    # By the model before, which had no measure of distance, four of the five were.
    assert sum(sure) <= 1
