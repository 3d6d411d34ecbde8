from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.boxes import (
    box_area,
    box_iou,
    box_overlap,
    clip_boxes,
    intersection_area,
    suppress_overlaps,
    turned_boxes,
)
from tests.strategies_faces import boxes

NONE = np.zeros((0, 4), np.float32)
UNIT = [0, 0, 10, 10]


def xyxy(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([], []),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([-5, -6, 3, 4], [0, 0, 3, 4]),
        ([90, 40, 120, 70], [90, 40, 100, 50]),
        ([-5, -5, 500, 500], [0, 0, 100, 50]),
        ([120, 60, 130, 70], [100, 50, 100, 50]),
    ],
)
def test_clip(box, clipped):
    actual = clip_boxes(xyxy(*box), (100, 50))

    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, xyxy(*clipped))


@given(boxes())
def test_clipping_twice_is_clipping_once(found):
    copy = found.copy()
    once = clip_boxes(found, (100, 50))

    np.testing.assert_array_equal(clip_boxes(once, (100, 50)), once)
    np.testing.assert_array_equal(found, copy)


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
    ("found", "confidences", "kept"),
    [
        ([], [], []),
        ([UNIT], [0.9], [0]),
        ([UNIT, [1, 0, 11, 10]], [0.7, 0.9], [1]),
        ([UNIT, [30, 0, 40, 10]], [0.7, 0.9], [1, 0]),
        # Equal ones: the earlier stays.
        ([UNIT, UNIT], [0.9, 0.9], [0]),
        # The middle one goes; what it overlaps with beyond the best stays.
        ([UNIT, [4, 0, 14, 10], [8, 0, 18, 10]], [0.9, 0.8, 0.7], [0, 2]),
    ],
)
def test_suppression(found, confidences, kept):
    scores = np.array(confidences, np.float32)

    assert suppress_overlaps(xyxy(*found), scores, iou=0.3).tolist() == kept


@given(boxes(), st.data())
def test_suppressing_twice_is_suppressing_once(found, data):
    share = st.floats(0, 1, width=32)
    drawn = data.draw(st.lists(share, min_size=len(found), max_size=len(found)))
    scores = np.array(drawn, np.float32)
    kept = suppress_overlaps(found, scores, iou=0.4)

    again = suppress_overlaps(found[kept], scores[kept], iou=0.4)

    assert again.tolist() == list(range(len(kept)))
    overlaps = box_iou(found[kept], found[kept]) - np.eye(len(kept))
    assert (overlaps <= 0.4).all()


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
