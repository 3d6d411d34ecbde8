from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision import detector
from emojifier_bot.vision.detector import (
    COLUMNS,
    box_area,
    box_iou,
    box_overlap,
    decode_level,
    intersection_area,
    moved,
    scaled,
    suppress,
    turned_boxes,
)
from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme
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


TURNS = st.floats(-180, 180)


def similarity(scale, turn_degrees, shift_xy) -> np.ndarray:
    cos = scale * math.cos(math.radians(turn_degrees))
    sin = scale * math.sin(math.radians(turn_degrees))
    return np.array([[cos, -sin, shift_xy[0]], [sin, cos, shift_xy[1]]])


class TestMoved:
    def test_nothing_stays_nothing(self):
        assert moved([], similarity(2, 30, (5, 5))) == []

    @given(detections, PX, PX, st.floats(0.1, 10))
    def test_without_a_turn_edges_and_points_move_alike(self, one, x, y, scale):
        (there,) = moved([one], similarity(scale, 0, (x, y)))

        wanted = np.array(one.box.xyxy) * scale + (x, y, x, y)
        assert there.box.xyxy == pytest.approx(wanted, rel=1e-4, abs=0.02)
        points_xy = one.landmarks.points_xy * scale + (x, y)
        np.testing.assert_allclose(there.landmarks.points_xy, points_xy, rtol=1e-4)
        assert there.confidence == one.confidence

    @given(detections, st.sampled_from([-90, 90, 180]))
    def test_quarter_turns_swap_the_sides(self, one, turn):
        (there,) = moved([one], similarity(1, turn, (800, 800)))

        size = (one.box.width, one.box.height)
        wanted = size if turn == 180 else size[::-1]
        assert (there.box.width, there.box.height) == pytest.approx(wanted, abs=0.02)

    @given(detections, TURNS, PX)
    def test_there_and_back_the_middle_is_the_same(self, one, turn, x):
        there = similarity(1, turn, (x, 0))
        inverse = np.linalg.inv(np.vstack([there, [0, 0, 1]]))[:2]

        (back,) = moved(moved([one], there), inverse)

        assert back.box.center_xy == pytest.approx(one.box.center_xy, abs=0.02)
        np.testing.assert_allclose(
            back.landmarks.points_xy, one.landmarks.points_xy, atol=0.02
        )


class TestDecodeLevel:
    def outputs(self, cells, sure=()):
        outputs = [np.zeros((cells, n), np.float32) for n in (1, 1, 4, 10)]
        for cell, value in sure:
            outputs[0][cell], outputs[1][cell] = value, value
        return outputs

    def test_nothing_sure_enough(self):
        rows = decode_level(self.outputs(12, [(3, 0.4)]), 8, 4, 0.5)

        assert rows.shape == (0, COLUMNS)

    def test_cells_lie_row_by_row(self):
        outputs = self.outputs(12, [(6, 0.9)])
        outputs[2][6] = (0.5, 0.25, math.log(2), 0.0)
        outputs[3][6] = np.arange(10) / 10

        (row,) = decode_level(outputs, 8, 4, 0.5)

        # The second row's third cell; a box two cells wide and one high.
        np.testing.assert_allclose(row[:4], [20 - 8, 10 - 4, 16, 8], atol=1e-4)
        points = [(2 + 0.2 * n, 1 + 0.1 + 0.2 * n) for n in range(5)]
        np.testing.assert_allclose(row[4:14].reshape(5, 2), np.array(points) * 8)
        assert row[14] == pytest.approx(0.9)

    def test_scores_out_of_range_are_clipped(self):
        outputs = self.outputs(1)
        outputs[0][0], outputs[1][0] = 1.7, 0.64

        assert decode_level(outputs, 8, 1, 0.1)[0, 14] == pytest.approx(0.8)


class TestSuppress:
    def row(self, x, y, side, confidence):
        return [x, y, side, side, *[0] * 10, confidence]

    def test_nothing_is_nothing(self):
        assert suppress(np.empty((0, COLUMNS), np.float32)).shape == (0, COLUMNS)

    def test_the_surest_of_those_that_overlap_stays(self):
        rows = np.float32(
            [
                self.row(0, 0, 20, 0.6),
                self.row(100, 0, 20, 0.7),
                self.row(2, 2, 20, 0.9),
            ]
        )

        assert suppress(rows)[:, 14].tolist() == pytest.approx([0.9, 0.7])

    def test_a_face_has_the_mean_of_its_boxes_and_points(self):
        rows = np.float32(
            [
                self.row(0, 0, 20, 0.75),
                self.row(100, 0, 20, 0.7),
                self.row(4, 0, 20, 0.25),
            ]
        )
        rows[0, 4:14], rows[2, 4:14] = 8, 12

        first, second = suppress(rows)

        np.testing.assert_allclose(first[:4], [1, 0, 20, 20])
        np.testing.assert_allclose(first[4:14], 9)
        np.testing.assert_allclose(second, rows[1])

    def test_a_box_counts_for_the_face_that_it_overlaps_most(self):
        rows = np.float32(
            [
                self.row(0, 0, 20, 0.9),
                self.row(8, 0, 20, 0.8),
                self.row(7, 0, 20, 0.4),
            ]
        )

        first, second = suppress(rows)

        assert first[0] == 0
        assert second[0] == pytest.approx((8 * 0.8 + 7 * 0.4) / 1.2)

    def test_empty_boxes_make_nothing_infinite(self):
        rows = np.float32([self.row(0, 0, 1e-30, 0.9), self.row(5, 0, 1e-30, 0.8)])

        assert np.isfinite(suppress(rows)).all()

    @pytest.mark.parametrize("most", [0, 6])
    def test_more_pairs_are_not_blended(self, monkeypatch, most):
        monkeypatch.setattr(detector, "BLENDED_PAIRS", most)
        rows = np.float32(
            [
                self.row(0, 0, 20, 0.9),
                self.row(4, 0, 20, 0.5),
                self.row(50, 0, 20, 0.3),
            ]
        )

        assert (suppress(rows)[0, 0] > 0) == (most == 6)
