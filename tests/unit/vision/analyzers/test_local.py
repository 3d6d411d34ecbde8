from __future__ import annotations

from dataclasses import replace

import pytest

from emojifier_bot.vision.analyzers.local import LocalAnalyzer
from emojifier_bot.vision.decode import from_image
from tests.fakes.faces import (
    FakeClassifier,
    FakeDetector,
    FakeLandmarker,
    FakeRescorer,
    picture_with_faces,
)


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

    def test_each_face_is_reported_once(self):
        boxes = [(50, 40, 150, 160), (400, 300, 520, 450)]
        picture = from_image(picture_with_faces((640, 480), boxes))

        assert len(self.analyzer().analyze(picture)) == 2

    def test_the_rescorer_decides_what_is_a_face(self):
        boxes = [(50, 40, 150, 160), (400, 300, 430, 340)]
        picture = from_image(picture_with_faces((640, 480), boxes))
        analyzer = replace(
            self.analyzer(),
            detector=FakeDetector(confidence=0.4),
            rescorer=FakeRescorer(least_width_px=60),
        )

        assert replace(analyzer, rescorer=None).detect(picture) == []
        (found,) = analyzer.detect(picture)

        assert found.box.xyxy == pytest.approx(boxes[0], abs=4)
        assert found.confidence == 0.95

    @pytest.mark.parametrize(("probability", "confident"), [(0.9, True), (0.3, False)])
    def test_the_threshold_of_the_classifier_decides_what_is_sure(
        self, probability, confident
    ):
        picture = from_image(picture_with_faces((64, 48), [(10, 10, 40, 40)]))

        (face,) = self.analyzer(probability=probability).analyze(picture)

        assert face.confident is confident
