from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.errors import EmojifierError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import LocalAnalyzer, build
from emojifier_bot.vision.analyzers.registry import BackendOptions
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.types import UNREAD, BoundingBox
from tests.builders import make_landmarks
from tests.datasets import crowd
from tests.fakes.faces import (
    FakeClassifier,
    FakeDetector,
    FakeLandmarker,
    FakeRescorer,
    picture_with_faces,
)

SAMPLE = Path(__file__).parents[4] / "docs" / "sample" / "astronaut.png"


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

    @pytest.mark.parametrize(
        ("box", "is_face"),
        [
            ((300, 200, 400, 300), True),
            # Drawn tightly around eyes and mouth, or wide around the head.
            ((312, 215, 388, 290), True),
            ((200, 110, 500, 410), True),
            ((0, 0, 640, 480), False),
            ((440, 200, 540, 300), False),
        ],
    )
    def test_a_box_that_somebody_drew_is_believed_where_points_lie_in_it(
        self, box, is_face
    ):
        class Landmarker(FakeLandmarker):
            def locate(self, picture, detections):
                del picture
                at = make_landmarks(center_xy=(350.0, 235.0), eye_distance_px=60.0)
                return [at for _ in detections]

        analyzer = replace(self.analyzer(), landmarker=Landmarker())
        picture = from_image(picture_with_faces((640, 480), []))

        (face,) = analyzer.read_at(picture, [BoundingBox(*box)])

        assert (face is not None) is is_face
        assert analyzer.read_at(picture, []) == []
        if is_face:
            assert face.scores.top == "happiness"
            (unread,) = analyzer.read_at(
                picture, [BoundingBox(*box)], expressions=False
            )
            assert unread.scores is UNREAD

    @pytest.mark.parametrize(("probability", "confident"), [(0.9, True), (0.3, False)])
    def test_the_threshold_of_the_classifier_decides_what_is_sure(
        self, probability, confident
    ):
        picture = from_image(picture_with_faces((64, 48), [(10, 10, 40, 40)]))

        (face,) = self.analyzer(probability=probability).analyze(picture)

        assert face.confident is confident

    def test_the_classifier_is_not_asked_where_no_expression_is_read(self):
        picture = from_image(picture_with_faces((64, 48), [(10, 10, 40, 40)]))
        without = replace(self.analyzer(), classifier=None)

        (face,) = without.analyze(picture)

        assert face.scores is UNREAD
        assert without.analyze(picture, expressions=False).faces[0].scores is UNREAD


def test_the_number_of_threads_changes_nothing():
    picture = from_image(crowd(4, 3))
    options = BackendOptions(models_dir(), 0.5, "fused")

    alone, together = (
        build(replace(options, threads=threads)).analyze(picture) for threads in (1, 3)
    )

    assert len(alone) > 8
    for one, other in zip(alone, together, strict=True):
        assert one.detection.box == other.detection.box
        np.testing.assert_array_equal(
            one.landmarks.points_xy, other.landmarks.points_xy
        )
        np.testing.assert_array_equal(
            one.scores.probabilities, other.scores.probabilities
        )


def test_without_expressions_no_emotion_model_is_opened(tmp_path):
    models = tmp_path / "models"
    shutil.copytree(models_dir(), models)
    for folder in models.glob("emotion_*"):
        shutil.rmtree(folder)
    options = BackendOptions(models, 0.8, "fused", threads=1)

    analyzer = build(replace(options, expressions=False))

    (face,) = analyzer.analyze(from_image(Image.open(SAMPLE).convert("RGB")))
    assert face.scores is UNREAD
    with pytest.raises(EmojifierError):
        build(options)
