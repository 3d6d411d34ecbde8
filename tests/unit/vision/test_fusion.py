from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.vision.fusion import (
    LARGE_FACE_PX,
    NEAR_FACE_PX,
    SHOWN_CONFIDENCE,
    SMALL_FACE_PX,
    UNSEEN_CONFIDENCE,
    distinct,
    fuse_scales,
    merge,
    require_agreement,
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


class TestFuseScales:
    def test_nothing_is_nothing(self):
        assert fuse_scales([], []) == []

    def test_for_large_faces_the_main_pass_alone_counts(self):
        seen, doubted = face(LARGE_FACE_PX, 0.9), face(LARGE_FACE_PX, 0.2, 101.0)
        unknown = face(LARGE_FACE_PX, 0.95, 300.0)

        (fused, unseen) = fuse_scales([seen], [doubted, unknown])

        assert fused.box == seen.box
        assert fused.confidence == pytest.approx(0.9)
        assert unseen.confidence == pytest.approx(UNSEEN_CONFIDENCE)

    def test_for_the_smallest_faces_the_fine_pass_counts_most(self):
        (fused,) = fuse_scales(
            [face(SMALL_FACE_PX, 0.2)], [face(SMALL_FACE_PX, 0.9, 101.0)]
        )

        assert fused.confidence == pytest.approx(0.2**0.1 * 0.9**0.9)
        assert 100.9 < fused.box.x_min < 101.0

    def test_in_between_both_count_alike(self):
        # The share grows with the logarithm: half way up, 0.55 of 1.
        side = (SMALL_FACE_PX * LARGE_FACE_PX) ** 0.5

        (fused,) = fuse_scales([face(side, 0.5)], [face(side, 0.5, 102.0)])

        assert fused.confidence == pytest.approx(0.5)
        assert fused.box.x_min == pytest.approx(100 + 2 * 0.45)

    def test_a_small_face_that_only_the_fine_pass_sees_is_shown(self):
        (fused,) = fuse_scales([], [face(SMALL_FACE_PX, 0.8)])

        assert fused.confidence > SHOWN_CONFIDENCE

    def test_a_small_face_that_the_fine_pass_misses_is_not(self):
        (fused,) = fuse_scales([face(SMALL_FACE_PX, 0.95)], [])

        assert fused.confidence < SHOWN_CONFIDENCE

    def test_points_are_joined_as_boxes_are(self):
        side = (SMALL_FACE_PX * LARGE_FACE_PX) ** 0.5
        first, second = face(side, 0.5), face(side, 0.5, 102.0)

        (fused,) = fuse_scales([with_points(first)], [with_points(second)])

        moved = with_points(fused).landmarks.points_xy
        np.testing.assert_allclose(fused.landmarks.points_xy, moved, atol=1e-3)

    def test_each_face_has_one_partner(self):
        large = [face(20, 0.9), face(20, 0.8, 200.0)]
        close = [face(20, 0.7, 101.0), face(20, 0.6, 201.0)]

        assert len(fuse_scales(large, close)) == 2

    @given(st.lists(detections, max_size=6), st.lists(detections, max_size=6))
    def test_nobody_is_surer_than_who_is_surest_and_the_best_come_first(
        self, large, close
    ):
        fused = [one.confidence for one in fuse_scales(large, close)]

        most = max((one.confidence for one in [*large, *close]), default=0.0)
        assert all(0 < one <= most + 1e-9 for one in fused)
        assert fused == sorted(fused, reverse=True)
        assert bool(fused) == bool(large or close)


class TestRequireAgreement:
    @pytest.mark.parametrize("confidence", [0.7, 0.9])
    def test_a_face_that_both_passes_see_is_believed(self, confidence):
        main, coarse = face(NEAR_FACE_PX, confidence), face(NEAR_FACE_PX, 0.2, 101.0)

        assert require_agreement([main], [coarse])[0] is main

    @pytest.mark.parametrize(
        ("confidence", "believed"), [(0.7, 0.7 * 0.75), (0.9, 0.9)]
    )
    def test_a_face_that_one_pass_sees_must_be_as_sure_as_a_turned_one(
        self, confidence, believed
    ):
        one = face(NEAR_FACE_PX, confidence)

        for found in (require_agreement([one], []), require_agreement([], [one])):
            assert [f.confidence for f in found] == [pytest.approx(believed)]

    def test_the_coarse_pass_adds_no_small_face(self):
        assert require_agreement([], [face(NEAR_FACE_PX - 1, 0.9)]) == []
