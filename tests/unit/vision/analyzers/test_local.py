from __future__ import annotations

import pytest

from emojifier_bot.vision.analyzers.local import (
    CLOSE_LOOK_PX,
    LARGE_LOOK_PX,
    SMALL_LOOK_PX,
    LocalAnalyzer,
)
from emojifier_bot.vision.decode import from_image
from tests.fakes.faces import (
    FakeClassifier,
    FakeDetector,
    FakeLandmarker,
    picture_with_faces,
)


class Sides(FakeDetector):
    """Remembers the longer side of everything that it looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_px: list[int] = []

    def detect(self, image):
        self.seen_px.append(max(image.shape[:2]))
        return super().detect(image)


SMALL_LOOKS = [SMALL_LOOK_PX] * 4


class TestLooks:
    def looks(self, size_wh, boxes) -> tuple[list[int], int]:
        detector = Sides()
        analyzer = LocalAnalyzer(detector, FakeLandmarker(), FakeClassifier())
        faces = analyzer.detect(from_image(picture_with_faces(size_wh, boxes)))
        return detector.seen_px, len(faces)

    def test_a_portrait_is_looked_at_five_times(self):
        seen_px, faces = self.looks((1280, 960), [(200, 100, 400, 340)])

        assert seen_px == [*SMALL_LOOKS, LARGE_LOOK_PX]
        assert faces == 1

    def test_small_faces_are_looked_at_closer_and_told_once(self):
        boxes = [(200, 100, 400, 340), (600, 100, 624, 124), (700, 100, 724, 124)]
        seen_px, faces = self.looks((1280, 960), boxes)

        assert seen_px == [*SMALL_LOOKS, LARGE_LOOK_PX, CLOSE_LOOK_PX]
        assert faces == 3

    def test_a_face_that_only_the_closer_look_sees_is_found(self):
        seen_px, faces = self.looks((1920, 1440), [(600, 100, 610, 110)])

        assert seen_px[4:6] == [LARGE_LOOK_PX, CLOSE_LOOK_PX]
        assert faces == 1

    def test_a_small_picture_has_no_more_to_show(self):
        seen_px, faces = self.looks((320, 240), [(100, 100, 108, 108)])

        assert CLOSE_LOOK_PX not in seen_px
        assert faces == 1


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
