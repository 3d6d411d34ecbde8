from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.backends.local import (
    LocalAnalyzer,
    main_direction,
    merge,
    scaled,
    turned_back,
)
from emojifier_bot.core.decode import from_image
from emojifier_bot.domain import BoundingBox, Detection, Landmarks, LandmarkScheme
from tests.fakes.faces import (
    FakeClassifier,
    FakeDetector,
    FakeLandmarker,
    picture_with_faces,
)

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


class TestLocalAnalyzer:
    def analyzer(self, **options) -> LocalAnalyzer:
        return LocalAnalyzer(
            FakeDetector(), FakeLandmarker(), FakeClassifier(**options)
        )

    def test_no_face_is_no_error(self):
        reading = self.analyzer().analyze(from_image(picture_with_faces((64, 48), [])))

        assert reading.faces == ()

    def test_boxes_are_in_pixels_of_the_whole_picture(self):
        picture = from_image(picture_with_faces((1280, 960), [(200, 100, 400, 340)]))

        (face,) = self.analyzer().analyze(picture)

        assert face.box.xyxy == pytest.approx((200, 100, 400, 340), abs=4)

    def test_all_looks_see_the_same_faces_and_each_is_told_once(self):
        boxes = [(50, 40, 150, 160), (400, 300, 520, 450)]
        picture = from_image(picture_with_faces((640, 480), boxes))

        assert len(self.analyzer().analyze(picture)) == 2

    @pytest.mark.parametrize(("probability", "confident"), [(0.9, True), (0.3, False)])
    def test_the_classifiers_threshold_decides_what_is_sure(
        self, probability, confident
    ):
        picture = from_image(picture_with_faces((64, 48), [(10, 10, 40, 40)]))

        (face,) = self.analyzer(probability=probability).analyze(picture)

        assert face.confident is confident


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
