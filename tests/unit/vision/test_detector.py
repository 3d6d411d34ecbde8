from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.detector import (
    box_area,
    box_iou,
    box_overlap,
    intersection_area,
    scaled,
    turned_back,
    turned_boxes,
)
from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme
from tests.fakes.faces import FakeDetector, picture_with_faces
from tests.strategies import boxes

NONE = np.zeros((0, 4), np.float32)
UNIT = [0, 0, 10, 10]


def xyxy(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("box", "area"), [([], []), (UNIT, [100]), ([3, 3, 3, 9], [0])]
)
def test_area(box, area):
    np.testing.assert_array_equal(box_area(xyxy(*box)), area)


@pytest.mark.parametrize(
    ("other", "shared", "iou", "overlap"),
    [
        (UNIT, 100, 1, 1),
        ([20, 20, 30, 30], 0, 0, 0),
        # They touch.
        ([10, 0, 20, 10], 0, 0, 0),
        ([5, 0, 15, 10], 50, 1 / 3, 0.5),
        ([-10, -10, 20, 20], 100, 1 / 9, 1),
        ([2, 2, 4, 4], 4, 0.04, 0.04),
        ([5, 5, 5, 5], 0, 0, 0),
    ],
)
def test_two_boxes(other, shared, iou, overlap):
    first, second = xyxy(UNIT), xyxy(other)

    assert intersection_area(first, second)[0, 0] == shared
    assert box_iou(first, second)[0, 0] == pytest.approx(iou)
    assert box_overlap(first, second)[0, 0] == pytest.approx(overlap)


@pytest.mark.parametrize("count", [0, 2])
def test_shapes_without_boxes(count):
    some = xyxy(*[UNIT] * count)

    assert box_iou(NONE, some).shape == (0, count)
    assert box_overlap(some, NONE).shape == (count, 0)


@given(boxes(), boxes())
def test_overlap_measures(first, second):
    iou = box_iou(first, second)

    np.testing.assert_allclose(iou, box_iou(second, first).T, atol=1e-5)
    assert ((iou >= 0) & (iou <= 1 + 1e-4)).all()
    assert (box_overlap(first, second) >= iou - 1e-4).all()


@pytest.mark.parametrize(
    ("turn", "size_wh"),
    [
        (0, (40, 60)),
        (90, (60, 40)),
        (-90, (60, 40)),
        (180, (40, 60)),
        # The root mean square of both sides.
        (45, (50.99, 50.99)),
    ],
)
def test_turned_boxes(turn, size_wh):
    center = np.array([[10, 20]], np.float32)

    actual = turned_boxes(center, np.array([[40, 60]], np.float32), turn)

    width, height = size_wh
    wanted = [10 - width / 2, 20 - height / 2, 10 + width / 2, 20 + height / 2]
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, [wanted], atol=0.01)


def test_no_boxes_turn_into_none():
    none = np.zeros((0, 2), np.float32)

    assert turned_boxes(none, none, 30).shape == (0, 4)


FIVE_SHARES = np.float32([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.3, 0.8], [0.7, 0.8]])
PX, SIDE_PX = st.floats(0, 500), st.floats(1, 200)


def detection(x, y, width, height) -> Detection:
    five_xy = FIVE_SHARES * (width, height) + (x, y)
    box = BoundingBox(x, y, x + width, y + height)
    return Detection(box, 0.9, Landmarks(five_xy, LandmarkScheme.FIVE_POINT))


detections = st.builds(detection, PX, PX, SIDE_PX, SIDE_PX)


class TestScaled:
    @given(detections, st.floats(0.1, 10))
    def test_there_and_back(self, one, scale):
        back = scaled(scaled(one, scale), 1 / scale)

        assert back.box.xyxy == pytest.approx(one.box.xyxy, rel=1e-4, abs=1e-3)
        assert back.confidence == one.confidence
        np.testing.assert_allclose(
            back.landmarks.points_xy, one.landmarks.points_xy, rtol=1e-4, atol=1e-2
        )

    def test_points_that_are_not_there_stay_away(self):
        assert scaled(Detection(BoundingBox(0, 0, 9, 9), 0.9), 2).landmarks is None


class TestTurnedBack:
    @pytest.mark.parametrize("quarter_turns", [1, 2, 3])
    def test_finds_the_patch_where_the_unturned_picture_has_it(self, quarter_turns):
        image = np.asarray(picture_with_faces((40, 30), [(5, 8, 17, 14)]))
        detector = FakeDetector()
        turned = np.ascontiguousarray(np.rot90(image, quarter_turns))

        (found,) = detector.detect(turned)
        back = turned_back(found, quarter_turns, (30, 40))

        assert back.box.xyxy == pytest.approx((5, 8, 17, 14))

    @given(detections)
    def test_four_quarter_turns_change_nothing(self, one):
        height, width = 500, 700

        back = one
        for size_hw in ((height, width), (width, height)) * 2:
            back = turned_back(back, 1, size_hw)

        assert back.box.xyxy == pytest.approx(one.box.xyxy, abs=0.01)
        np.testing.assert_allclose(
            back.landmarks.points_xy, one.landmarks.points_xy, atol=0.01
        )

    @given(detections, st.sampled_from([1, 2, 3]))
    def test_points_stay_in_the_box_and_the_size_turns(self, one, quarter_turns):
        back = turned_back(one, quarter_turns, (800, 800))

        size = (one.box.width, one.box.height)
        expected = size if quarter_turns == 2 else size[::-1]
        assert (back.box.width, back.box.height) == pytest.approx(expected, abs=0.01)
        points_xy = back.landmarks.points_xy
        assert (points_xy[:, 0] >= back.box.x_min - 0.01).all()
        assert (points_xy[:, 1] <= back.box.y_max + 0.01).all()
