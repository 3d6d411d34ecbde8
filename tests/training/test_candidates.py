from __future__ import annotations

import numpy as np
import pytest

from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme
from emojifier_training.candidates import (
    Candidates,
    at_most,
    judged_targets,
    load,
    mine,
)
from tests.datasets import labelled_picture as picture
from tests.training.test_evaluate_detector import box

POINTS = np.arange(10, dtype=np.float32).reshape(5, 2)


def ignore(*_):
    """Hear of no progress."""


def detection(xyxy, confidence=0.5, points=None):
    five = None if points is None else Landmarks(points, LandmarkScheme.FIVE_POINT)
    return Detection(BoundingBox(*xyxy), confidence, five)


@pytest.mark.parametrize(
    ("shift", "target"),
    [(0, 1.0), (10, 1.0), (100, 0.0), (40 * (1 - 0.4) / (1 + 0.4), 0.5)],
)
def test_a_candidate_is_as_much_of_a_face_as_it_overlaps_one(shift, target):
    moved = np.float32([[shift, 10, 40 + shift, 50]])

    assert judged_targets(moved, picture(box(0))) == pytest.approx([target], abs=1e-5)


def test_nobody_knows_what_lies_on_a_face_that_nobody_could_judge():
    boxes = np.float32([box(0), box(1), box(3)])

    targets = judged_targets(boxes, picture(box(1), invalid=[box(0), box(1)]))

    np.testing.assert_array_equal(targets, [np.nan, 1.0, 0.0])


def test_without_candidates_there_are_no_targets():
    assert judged_targets(np.empty((0, 4), np.float32), picture()).shape == (0,)


class TestMine:
    def test_proposed_ones_come_first_and_missed_faces_behind(self):
        pictures = [picture(), picture(box(0), box(1), invalid=[box(2)])]
        found = {0: [], 1: [detection(box(1), 0.7, POINTS), detection(box(4), 0.2)]}

        c = mine(lambda one: found[pictures.index(one)], pictures, ignore)

        assert c.pictures.tolist() == [1, 1, 1]
        assert c.xyxy.tolist() == [list(box(1)), list(box(4)), list(box(0))]
        np.testing.assert_allclose(c.confidences, [0.7, 0.2, np.nan])
        assert c.targets.tolist() == [1.0, 0.0, 1.0]
        np.testing.assert_array_equal(c.points_xy[0], POINTS)
        assert np.isnan(c.points_xy[1:]).all()
        assert c.sides.tolist() == [40.0] * 3

    def test_there_and_back(self, tmp_path):
        c = mine(lambda _: [detection(box(0))], [picture()], ignore)

        c.save(tmp_path / "some.npz", logits=np.zeros(1))

        assert load(tmp_path / "some.npz").xyxy.tolist() == c.xyxy.tolist()
        assert [one.name for one in tmp_path.iterdir()] == ["some.npz"]


def test_the_surest_without_a_face_stay():
    confidences = np.float32([0.1, 0.5, 0.3, 0.2, 0.9])
    c = Candidates(
        np.array([0, 0, 0, 0, 1]),
        np.full((5, 2), 100),
        np.zeros((5, 4), np.float32),
        np.zeros((5, 5, 2), np.float32),
        confidences,
        np.float32([1, 0, 0, 0, 0]),
        np.full((5, 4), np.nan, np.float32),
    )

    assert at_most(1, c).confidences.tolist() == confidences[[0, 1, 4]].tolist()
