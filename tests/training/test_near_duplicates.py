from __future__ import annotations

import cv2
import numpy as np
import pytest

from emojifier_training.data import read_expressions
from emojifier_training.near_duplicates import (
    BLOCK,
    has_near_duplicate,
    held_out,
    unseen,
)

FACE_PX = 48


def photographs(count: int, seed: int = 1) -> np.ndarray:
    """Return ``(N, 60, 60)`` pictures that have nothing to do with each other."""
    noise = np.random.default_rng(seed).normal(size=(count, 60, 60))
    soft = np.stack([cv2.GaussianBlur(one, (0, 0), 5) for one in noise])
    return np.uint8(np.clip(128 + 60 * soft / soft.std(), 0, 255))


def crops(pictures: np.ndarray, left: int = 6, top: int = 6) -> np.ndarray:
    return pictures[:, top : top + FACE_PX, left : left + FACE_PX]


def shaded(images: np.ndarray) -> np.ndarray:
    return np.uint8(images * 0.6 + 30)


def saved_badly(images: np.ndarray) -> np.ndarray:
    encoded = [
        cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 20]) for one in images
    ]
    return np.stack([cv2.imdecode(one, cv2.IMREAD_GRAYSCALE) for _, one in encoded])


class TestHasNearDuplicate:
    @pytest.mark.parametrize(
        "change",
        [
            crops,
            lambda some: crops(some, left=8, top=5),
            lambda some: shaded(crops(some, left=4, top=8)),
            lambda some: saved_badly(crops(some)),
        ],
        ids=["the same file", "cropped anew", "shaded", "saved badly"],
    )
    def test_the_same_photograph(self, change):
        pictures = photographs(20)
        others = np.concatenate([crops(photographs(30, seed=2)), change(pictures)])

        assert has_near_duplicate(crops(pictures), others).all()

    def test_another_photograph(self):
        pictures, others = photographs(60), photographs(60, seed=2)

        assert not has_near_duplicate(crops(pictures), crops(others)).any()

    def test_which_of_them(self):
        pictures = crops(photographs(40))

        found = has_near_duplicate(pictures, pictures[[3, 17]])

        assert np.flatnonzero(found).tolist() == [3, 17]

    def test_more_than_are_compared_at_a_time(self):
        pictures = crops(photographs(BLOCK + 1))

        found = has_near_duplicate(pictures, pictures[-1:])

        assert np.flatnonzero(found).tolist() == [BLOCK]

    @pytest.mark.parametrize(("count", "others"), [(0, 3), (3, 0), (0, 0)])
    def test_none_of_them(self, count, others):
        found = has_near_duplicate(
            crops(photographs(3))[:count], crops(photographs(3))[:others]
        )

        assert found.tolist() == [False] * count


def test_what_training_has_is_not_held_out():
    images = crops(photographs(4))
    images = np.concatenate([images, shaded(images[:1]), images[2:3]])
    held = np.array([1, 0, 0, 1, 0, 1], bool)

    found = unseen(images, held, ~held)

    # The first is shaded in the fifth, the last is the third again.
    assert found.tolist() == [False, False, False, True, False, False]
    assert held.tolist() == [True, False, False, True, False, True]


def test_the_validation_part_of_ferplus(shared_data):
    faces = read_expressions(shared_data / "data" / "expressions")

    found = held_out(faces)

    assert faces.is_validation.sum() == 1500
    assert found.sum() == 1246
