from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.fusion import (
    MOST_CONFIDENCE,
    NEAR_FACE_PX,
    SHARES,
    SHOWN_CONFIDENCE,
    SIDES_PX,
    UNSEEN_CONFIDENCE,
    distinct,
    merge,
    pool_scales,
)
from emojifier_bot.vision.types import BoundingBox, Detection, Landmarks, LandmarkScheme

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
passes = st.lists(st.lists(detections, max_size=5), max_size=4)


class TestMerge:
    @pytest.mark.parametrize("nothing", [[], [[]], [[], [], [], []]])
    def test_nothing_is_nothing(self, nothing):
        assert merge(nothing) == []

    def test_one_face_seen_twice_is_kept_once_as_the_surer_pass_saw_it(self):
        first, second = detection(confidence=0.6), detection(1, 1, confidence=0.8)

        assert merge([[first], [second]]) == [second]

    def test_of_equals_the_earlier_pass_wins(self):
        first, second = detection(), detection(1, 1)

        assert merge([[first], [second]]) == [first]

    def test_a_face_inside_a_larger_box_is_the_same_face(self):
        large, small = detection(0, 0, 40, 40), detection(20, 20, 8, 8, 0.5)

        assert merge([[large], [small]]) == [large]

    def test_one_pass_settles_its_own_overlaps(self):
        near, nearer = detection(), detection(1, 1, confidence=0.8)

        assert merge([[near, nearer]]) == [near, nearer]

    def test_a_dropped_detection_drops_no_other(self):
        sure, middle, far = (
            detection(0, 0, 10, 10, 0.9),
            detection(4, 0, 10, 10, 0.8),
            detection(8, 0, 10, 10, 0.7),
        )

        assert merge([[sure, far], [middle]]) == [sure, far]

    @given(passes)
    def test_keeps_a_part_of_what_was_found_best_first(self, passes):
        found = [one for found in passes for one in found]

        kept = merge(passes)

        assert all(any(one is other for other in found) for one in kept)
        confidences = [one.confidence for one in kept]
        assert confidences == sorted(confidences, reverse=True)
        assert bool(kept) == bool(found)

    @given(st.lists(detections, max_size=6))
    def test_a_single_pass_only_is_sorted(self, found):
        assert len(merge([found])) == len(found)

    @given(passes)
    def test_merging_again_changes_nothing(self, passes):
        kept = merge(passes)

        assert merge([kept]) == kept


def face(side, confidence, x=100.0) -> Detection:
    return detection(x, 100.0, side, side, confidence)


class TestDistinct:
    def test_of_nothing(self):
        assert distinct([]) == []

    def test_the_surest_of_one_face_stays(self):
        first, second, other, inside = (
            Detection(BoundingBox(*edges), confidence)
            for edges, confidence in (
                ((0, 0, 100, 100), 0.7),
                ((5, 5, 105, 105), 0.9),
                ((60, 0, 160, 100), 0.5),
                ((20, 20, 60, 60), 0.8),
            )
        )

        found = distinct([first, second, other, inside])

        assert found == [second, inside, other]


#: Sides of faces that the fine, the main and the coarse pass know best.
TINY_PX, SMALL_PX, HUGE_PX = SIDES_PX[0], 25.0, SIDES_PX[-1]


def logit(confidence: float) -> float:
    return math.log(confidence / (1 - confidence))


class TestPoolScales:
    def test_nothing_is_nothing(self):
        assert pool_scales([], None, []) == pool_scales([], [], []) == []

    def test_the_shares_of_all_passes_are_one(self):
        np.testing.assert_allclose(np.sum(SHARES, axis=0), 1)

    @pytest.mark.parametrize("side", [4.0, TINY_PX, SMALL_PX, 64.0, HUGE_PX, 500.0])
    def test_what_all_passes_say_is_said(self, side):
        one = face(side, 0.8)

        (pooled,) = pool_scales([one], [one], [one])

        assert pooled.confidence == pytest.approx(0.8)
        np.testing.assert_allclose(pooled.box.xyxy, one.box.xyxy)

    @pytest.mark.parametrize("column", range(len(SIDES_PX)))
    def test_the_logits_count_by_the_size(self, column):
        side = SIDES_PX[column]
        said = 0.7, 0.6, 0.9

        (pooled,) = pool_scales(*([face(side, one)] for one in said))

        wanted = sum(
            share[column] * logit(one) for share, one in zip(SHARES, said, strict=True)
        )
        assert logit(pooled.confidence) == pytest.approx(wanted, abs=1e-3)

    def test_between_two_sizes_the_logarithm_of_the_side_tells(self):
        side = math.sqrt(SIDES_PX[1] * SIDES_PX[2])

        (pooled,) = pool_scales([face(side, 0.8)], None, [])

        main, _, coarse = ((one[1] + one[2]) / 2 for one in SHARES)
        wanted = main * logit(0.8) + coarse * logit(UNSEEN_CONFIDENCE)
        assert logit(pooled.confidence) == pytest.approx(wanted / (main + coarse))

    def test_a_pass_that_did_not_run_says_nothing(self):
        (run,) = pool_scales([face(SMALL_PX, 0.9)], [], [])
        (left,) = pool_scales([face(SMALL_PX, 0.9)], None, [])

        assert run.confidence < SHOWN_CONFIDENCE < left.confidence

    def test_nobody_is_so_sure_that_the_others_do_not_count(self):
        sure, doubted = face(SMALL_PX, 1.0), face(SMALL_PX, 0.2)

        (pooled,) = pool_scales([sure], [doubted], [doubted])

        assert pooled.confidence < MOST_CONFIDENCE
        assert math.isfinite(logit(pooled.confidence))

    @pytest.mark.parametrize("passes", [([], [TINY_PX], []), ([], None, [HUGE_PX])])
    def test_a_face_that_only_the_pass_for_its_size_sees_is_shown(self, passes):
        found = [one and [face(side, 0.95) for side in one] for one in passes]

        (pooled,) = pool_scales(*found)

        assert pooled.confidence > SHOWN_CONFIDENCE

    @pytest.mark.parametrize("passes", [([TINY_PX], [], []), ([HUGE_PX], None, [])])
    def test_a_face_that_the_pass_for_its_size_misses_is_not(self, passes):
        found = [one and [face(side, 0.95) for side in one] for one in passes]

        (pooled,) = pool_scales(*found)

        assert pooled.confidence < SHOWN_CONFIDENCE

    def test_boxes_and_points_go_to_who_is_surer_and_knows_more(self):
        first, second = face(SIDES_PX[2], 0.9), face(SIDES_PX[2], 0.3, 104.0)

        (pooled,) = pool_scales([with_points(first)], [with_points(second)], [])

        # Both passes know faces of this size as well: three parts to one.
        assert pooled.box.x_min == pytest.approx(101.0)
        moved = with_points(pooled).landmarks.points_xy
        np.testing.assert_allclose(pooled.landmarks.points_xy, moved, atol=1e-3)

    def test_a_face_whose_points_one_pass_lacks_has_none(self):
        one = face(SMALL_PX, 0.9)

        (pooled,) = pool_scales([with_points(one)], [one], [])

        assert pooled.landmarks is None

    def test_each_face_has_one_partner(self):
        large = [face(20, 0.9), face(20, 0.8, 200.0)]
        close = [face(20, 0.7, 101.0), face(20, 0.6, 201.0)]

        assert len(pool_scales(large, close, [])) == 2

    def test_the_coarse_pass_adds_no_small_face(self):
        small, near = face(NEAR_FACE_PX - 1, 0.9), face(NEAR_FACE_PX, 0.9)

        assert pool_scales([], None, [small]) == []
        assert len(pool_scales([], None, [near])) == 1

    @given(*[st.lists(detections, max_size=6)] * 3)
    def test_nobody_is_surer_than_who_is_surest_and_the_best_come_first(
        self, main, fine, coarse
    ):
        found = [one.confidence for one in pool_scales(main, fine, coarse)]

        most = max((one.confidence for one in [*main, *fine, *coarse]), default=0.0)
        assert all(0 < one <= max(most, UNSEEN_CONFIDENCE) + 1e-9 for one in found)
        assert found == sorted(found, reverse=True)
        assert bool(found) or not (main or fine)
