"""The shipped theme, as faces choose from it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emojifier_bot.vision.choose import MIXTURE_SHARE, choose
from emojifier_bot.vision.crops import MEAN_FACE
from emojifier_bot.vision.landmark_geometry import INNER_LIP_PAIRS, measure
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import EMOTIONS, EmotionScores
from tests.builders import make_scores

AT_REST = measure(MEAN_FACE)
CLASSIC = open_theme("classic").theme
#: The least distance of two emotive points that a theme may have.
LEAST_DISTANCE = 0.10


def expressions():
    """Return the measures of a face at rest, laughing, winking and asleep."""
    laughing, winking, asleep = (MEAN_FACE.copy() for _ in range(3))
    for upper, lower in INNER_LIP_PAIRS:
        laughing[lower] = laughing[upper] + np.float32([0, 0.4])
    winking[[37, 38, 41, 40], 1] = 0.01
    asleep[[37, 38, 41, 40, 43, 44, 46, 47], 1] = 0.01
    faces = {
        "rest": MEAN_FACE,
        "laughing": laughing,
        "winking": winking,
        "asleep": asleep,
    }
    return {name: measure(points_xy) for name, points_xy in faces.items()}


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("measures", expressions().values(), ids=expressions())
def test_a_pure_emotion_gets_an_emoji_of_its_own(emotion, measures):
    pure = EmotionScores([float(one == emotion) for one in EMOTIONS])

    choice = choose(CLASSIC, pure, measures, confident=True)

    assert choice.sure
    assert EMOTIONS[int(choice.emoji.point.argmax())] == emotion


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_guess_says_little(emotion):
    face = make_scores(emotion, 0.4)

    choice = choose(CLASSIC, face, AT_REST, confident=False)

    assert choice.sure or choice.emoji.mild


def test_points_keep_their_distance():
    distances = [
        (float(np.linalg.norm(first.point - other.point)), first.name, other.name)
        for first, other in itertools.combinations(CLASSIC.emoji, 2)
    ]

    assert len(distances) > 900
    assert min(distances)[0] >= LEAST_DISTANCE - 1e-6


@pytest.mark.parametrize(
    "emoji",
    [
        one
        for one in CLASSIC.emoji
        if one.point.max() <= MIXTURE_SHARE and not one.surprise_only
    ],
    ids=lambda one: one.name,
)
def test_each_mixture_of_the_shipped_theme_can_be_shown(emoji):
    choice = choose(CLASSIC, EmotionScores(emoji.point), AT_REST, confident=False)

    assert choice.sure
