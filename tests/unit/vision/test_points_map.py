from __future__ import annotations

import numpy as np

from emojifier_bot.vision.calibration import FaceReading
from emojifier_bot.vision.points_map import (
    APART_PX,
    CIRCLE,
    SIZE_WH,
    corners,
    draw_points,
    place,
    spread,
)
from emojifier_bot.vision.themes import open_theme
from emojifier_bot.vision.types import EMOTIONS, EmotionScores

SHIPPED = open_theme("classic")


def test_pure_emotions_lie_on_the_circle_and_neutral_in_its_middle():
    at = dict(zip(EMOTIONS, corners().tolist(), strict=True))
    middle = (SIZE_WH[0] / 2, SIZE_WH[1] / 2)
    away = {
        emotion: float(np.hypot(*np.subtract(place, middle)))
        for emotion, place in at.items()
    }

    assert {round(away[one], 6) for one in CIRCLE} == {500.0}
    assert away["neutral"] == 0
    assert len({tuple(np.round(one, 3)) for one in at.values()}) == 8


def test_a_mixture_lies_between_its_emotions():
    half = np.zeros((1, 8), np.float32)
    half[0, :2] = 0.5

    np.testing.assert_allclose(place(half)[0], corners()[:2].mean(axis=0))


def test_emoji_are_moved_apart_but_not_far():
    heap = np.full((12, 2), 600.0)

    apart = spread(heap)

    away = np.linalg.norm(apart[:, None] - apart[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert away.min() > 0.8 * APART_PX
    assert np.linalg.norm(apart - heap, axis=1).max() < 4 * APART_PX


def test_every_emoji_and_the_faces_are_drawn():
    free = np.zeros((1, 8), np.float32)
    free[0, [EMOTIONS.index("disgust"), EMOTIONS.index("sadness")]] = 0.5
    faces = [FaceReading(EmotionScores(free[0]), {}, True)]

    bare, seen = draw_points(SHIPPED, {}), draw_points(SHIPPED, {"sob": faces})

    assert (bare.mode, bare.size) == ("RGB", SIZE_WH)
    yellow = np.abs(np.asarray(bare, int) - (255, 210, 70)).max(axis=2) < 40
    assert yellow.mean() > 0.02
    changed = np.argwhere(np.asarray(bare) != np.asarray(seen))[:, 1::-1]
    assert len(changed) > 0
    np.testing.assert_allclose(changed.mean(axis=0), place(free)[0], atol=2)
