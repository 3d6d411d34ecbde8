from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.multi_scale import (
    LARGE_FACE_PX,
    SHOWN_CONFIDENCE,
    SMALL_FACE_PX,
    UNSEEN_CONFIDENCE,
    main_direction,
    merge,
    needs_closer_look,
    pool,
    scaled,
    turned_back,
)
from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme
from tests.fakes.faces import FakeDetector, picture_with_faces

PX = st.floats(0, 500)
SIDE_PX = st.floats(1, 200)
CONFIDENCE = st.floats(0.01, 1)


def detection(x=0.0, y=0.0, width=10.0, height=10.0, confidence=0.9) -> Detection:
    return Detection(BoundingBox(x, y, x + width, y + height), confidence)


def with_points(one: Detection) -> Detection:
    x, y = one.box.x_min, one.box.y_min
    shares = np.float32([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.3, 0.8], [0.7, 0.8]])
    points_xy = shares * (one.box.width, one.box.height) + (x, y)
    five = Landmarks(points_xy, LandmarkScheme.FIVE_POINT)
    return Detection(one.box, one.confidence, five)


detections = st.builds(detection, PX, PX, SIDE_PX, SIDE_PX, CONFIDENCE)
looks = st.lists(st.lists(detections, max_size=5), max_size=4)


class TestMerge:
    @pytest.mark.parametrize("nothing", [[], [[]], [[], [], [], []]])
    def test_nothing_is_nothing(self, nothing):
        assert merge(nothing) == []

    def test_one_face_seen_twice_is_kept_once_as_the_surer_look_saw_it(self):
        first, second = detection(confidence=0.6), detection(1, 1, confidence=0.8)

        assert merge([[first], [second]]) == [second]

    def test_of_equals_the_earlier_look_wins(self):
        first, second = detection(), detection(1, 1)

        assert merge([[first], [second]]) == [first]

    def test_a_face_inside_a_larger_box_is_the_same_face(self):
        large, small = detection(0, 0, 40, 40), detection(20, 20, 8, 8, 0.5)

        assert merge([[large], [small]]) == [large]

    def test_one_look_settles_its_own_overlaps(self):
        near, nearer = detection(), detection(1, 1, confidence=0.8)

        assert merge([[near, nearer]]) == [near, nearer]

    def test_a_dropped_detection_drops_no_other(self):
        sure, middle, far = (
            detection(0, 0, 10, 10, 0.9),
            detection(4, 0, 10, 10, 0.8),
            detection(8, 0, 10, 10, 0.7),
        )

        assert merge([[sure, far], [middle]]) == [sure, far]

    @given(looks)
    def test_keeps_a_part_of_what_was_found_best_first(self, looks):
        found = [one for look in looks for one in look]

        kept = merge(looks)

        assert all(any(one is other for other in found) for one in kept)
        confidences = [one.confidence for one in kept]
        assert confidences == sorted(confidences, reverse=True)
        assert bool(kept) == bool(found)

    @given(st.lists(detections, max_size=6))
    def test_a_single_look_only_is_sorted(self, look):
        assert len(merge([look])) == len(look)

    @given(looks)
    def test_merging_again_changes_nothing(self, looks):
        kept = merge(looks)

        assert merge([kept]) == kept


class TestScaled:
    @given(detections, st.floats(0.1, 10))
    def test_there_and_back(self, one, scale):
        one = with_points(one)

        back = scaled(scaled(one, scale), 1 / scale)

        assert back.box.xyxy == pytest.approx(one.box.xyxy, rel=1e-4, abs=1e-3)
        assert back.confidence == one.confidence
        np.testing.assert_allclose(
            back.landmarks.points_xy, one.landmarks.points_xy, rtol=1e-4, atol=1e-2
        )

    def test_points_that_are_not_there_stay_away(self):
        assert scaled(detection(), 2).landmarks is None


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
        one = with_points(one)
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
        one = with_points(one)

        back = turned_back(one, quarter_turns, (800, 800))

        size = (one.box.width, one.box.height)
        expected = size if quarter_turns == 2 else size[::-1]
        assert (back.box.width, back.box.height) == pytest.approx(expected, abs=0.01)
        points_xy = back.landmarks.points_xy
        assert (points_xy[:, 0] >= back.box.x_min - 0.01).all()
        assert (points_xy[:, 1] <= back.box.y_max + 0.01).all()


def face(side, confidence, x=100.0) -> Detection:
    return detection(x, 100.0, side, side, confidence)


class TestPool:
    def test_nothing_is_nothing(self):
        assert pool([], []) == []

    def test_of_large_faces_the_large_look_alone_tells(self):
        seen, doubted = face(LARGE_FACE_PX, 0.9), face(LARGE_FACE_PX, 0.2, 101.0)
        unknown = face(LARGE_FACE_PX, 0.95, 300.0)

        (told, unseen) = pool([seen], [doubted, unknown])

        assert told.box == seen.box
        assert told.confidence == pytest.approx(0.9)
        assert unseen.confidence == pytest.approx(UNSEEN_CONFIDENCE)

    def test_of_the_smallest_faces_the_closer_look_tells_most(self):
        (told,) = pool([face(SMALL_FACE_PX, 0.2)], [face(SMALL_FACE_PX, 0.9, 101.0)])

        assert told.confidence == pytest.approx(0.2**0.1 * 0.9**0.9)
        assert 100.9 < told.box.x_min < 101.0

    def test_in_between_both_count_alike(self):
        # The share grows with the logarithm: half way up, 0.55 of 1.
        side = (SMALL_FACE_PX * LARGE_FACE_PX) ** 0.5

        (told,) = pool([face(side, 0.5)], [face(side, 0.5, 102.0)])

        assert told.confidence == pytest.approx(0.5)
        assert told.box.x_min == pytest.approx(100 + 2 * 0.45)

    def test_a_small_face_that_only_the_closer_look_sees_is_shown(self):
        (told,) = pool([], [face(SMALL_FACE_PX, 0.8)])

        assert told.confidence > SHOWN_CONFIDENCE

    def test_a_small_face_that_the_closer_look_denies_is_not(self):
        (told,) = pool([face(SMALL_FACE_PX, 0.95)], [])

        assert told.confidence < SHOWN_CONFIDENCE

    def test_points_are_joined_as_boxes_are(self):
        side = (SMALL_FACE_PX * LARGE_FACE_PX) ** 0.5
        first, second = face(side, 0.5), face(side, 0.5, 102.0)

        (told,) = pool([with_points(first)], [with_points(second)])

        moved = with_points(told).landmarks.points_xy
        np.testing.assert_allclose(told.landmarks.points_xy, moved, atol=1e-3)

    def test_each_face_has_one_partner(self):
        large = [face(20, 0.9), face(20, 0.8, 200.0)]
        close = [face(20, 0.7, 101.0), face(20, 0.6, 201.0)]

        assert len(pool(large, close)) == 2

    @given(st.lists(detections, max_size=6), st.lists(detections, max_size=6))
    def test_nobody_is_surer_than_who_is_surest_and_the_best_come_first(
        self, large, close
    ):
        told = [one.confidence for one in pool(large, close)]

        most = max((one.confidence for one in [*large, *close]), default=0.0)
        assert all(0 < one <= most + 1e-9 for one in told)
        assert told == sorted(told, reverse=True)
        assert bool(told) == bool(large or close)


@pytest.mark.parametrize(
    ("seen", "needs"),
    [
        pytest.param([], True, id="nothing"),
        pytest.param([(LARGE_FACE_PX, 0.9)], False, id="a-large-face"),
        pytest.param([(LARGE_FACE_PX, 0.3)], True, id="a-large-doubt-only"),
        pytest.param([(LARGE_FACE_PX, 0.9), (20.0, 0.5)], True, id="a-small-face"),
        pytest.param([(LARGE_FACE_PX, 0.9), (20.0, 0.4)], False, id="a-small-doubt"),
        pytest.param([(20.0, 0.4)], True, id="nothing-likely"),
    ],
)
def test_a_closer_look_is_for_small_faces(seen, needs):
    assert needs_closer_look([face(*one) for one in seen]) is needs


@pytest.mark.parametrize(
    ("confidences", "direction"),
    [
        pytest.param([[], [], [], []], 0, id="nothing-seen"),
        pytest.param([[0.9], [0.9], [0.9], [0.9]], 0, id="all-alike"),
        pytest.param([[], [], [0.9], []], 2, id="one-face-upside-down"),
        pytest.param([[], [0.64, 0.64], [], []], 0, id="too-unsure-to-count"),
        pytest.param([[0.9], [], [], [0.9, 0.65]], 0, id="not-clearly-more"),
        pytest.param([[0.9], [], [], [0.9, 0.7]], 3, id="clearly-more"),
    ],
)
def test_the_large_look_goes_where_most_is_seen(confidences, direction):
    looks = [[detection(confidence=c) for c in look] for look in confidences]

    assert main_direction(looks) == direction
