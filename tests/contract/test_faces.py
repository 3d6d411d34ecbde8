"""What every detector, landmarker, classifier and analyzer keeps, fakes included."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.analyzers.registry import (
    BACKENDS,
    LOCAL,
    BackendOptions,
    build_analyzer,
)
from emojifier_bot.vision.crops import reduced_copy
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.models import ModelSpec, pick_model_spec
from emojifier_bot.vision.rescorer import OnnxRescorer
from emojifier_bot.vision.types import (
    UNREAD,
    BoundingBox,
    Detection,
    LandmarkScheme,
    Reading,
)
from tests.builders import make_face, make_landmarks
from tests.face_apis import VENDORS, hosted
from tests.fakes.face_api import serving
from tests.fakes.faces import (
    FakeAnalyzer,
    FakeClassifier,
    FakeDetector,
    FakeLandmarker,
    FakeRescorer,
    picture_with_faces,
)
from tests.fakes.pipeline import fake_analyzer

SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "astronaut.png"
BLANK = Image.new("RGB", (320, 240), (90, 120, 100))
#: Where the sample's face is, as a person would draw the box.
SAMPLE_BOX = (175, 60, 278, 185)


@dataclass(frozen=True)
class Case:
    """An implementation, and a picture in which it finds one face."""

    make: Callable[[], Any]
    picture: Callable[[], Image.Image]
    box: tuple[float, float, float, float]
    #: Name in the result.
    backend: str = LOCAL


def real(make: Callable[[], Any]) -> Case:
    return Case(make, lambda: Image.open(SAMPLE).convert("RGB"), SAMPLE_BOX)


def fake(make: Callable[[], Any]) -> Case:
    box = (120, 60, 220, 190)
    return Case(make, lambda: picture_with_faces((320, 240), [box]), box)


def spec(task: str, variant: str = "") -> ModelSpec:
    return pick_model_spec(models_dir(), task, variant)


DETECTORS = {
    "fake": fake(FakeDetector),
    "yunet": real(lambda: YuNetDetector(spec("detector"), 0.8)),
}
RESCORERS = {
    "fake": fake(FakeRescorer),
    "onnx": real(lambda: OnnxRescorer(spec("rescorer"))),
}
LANDMARKERS = {
    "fake": fake(FakeLandmarker),
    "onnx": real(lambda: OnnxLandmarker(spec("landmarks"))),
}
CLASSIFIERS = {"fake": fake(FakeClassifier)} | {
    f"onnx {one}": real(lambda one=one: load_classifier(spec("emotion", one)))
    for one in EmotionModel
}
FAKE_FACE = make_face(landmarks=make_landmarks(center_xy=(170, 110)))
SERVERS = ExitStack()


def in_front_of_its_server(name: str) -> Case:
    def make():
        return hosted(name, SERVERS.enter_context(serving(VENDORS[name].fake())))

    return replace(fake(make), backend=name)


ANALYZERS = (
    {
        "fake": Case(
            lambda: FakeAnalyzer([FAKE_FACE]), lambda: BLANK, FAKE_FACE.box.xyxy, "fake"
        ),
        "local over fakes": fake(fake_analyzer),
    }
    | {
        f"local {one}": real(
            lambda one=one: build_analyzer(
                LOCAL, BackendOptions(models_dir(), 0.8, one)
            )
        )
        for one in EmotionModel
    }
    | {name: in_front_of_its_server(name) for name in BACKENDS if name != LOCAL}
)


@pytest.fixture(autouse=True, scope="module")
def _servers():
    with SERVERS:
        yield


@dataclass(frozen=True)
class Ready:
    """A case whose implementation is loaded."""

    subject: Any
    image: Image.Image
    box: BoundingBox
    backend: str

    @property
    def picture(self):
        return from_image(self.image)

    @property
    def detection(self):
        return Detection(self.box, 0.9)


def each_of(cases: dict[str, Case]):
    """Return a fixture that loads each case once."""

    def ready(request) -> Ready:
        case = request.param
        return Ready(case.make(), case.picture(), BoundingBox(*case.box), case.backend)

    return pytest.fixture(params=cases.values(), ids=cases.keys(), scope="module")(
        ready
    )


detector = each_of(DETECTORS)
rescorer = each_of(RESCORERS)
landmarker = each_of(LANDMARKERS)
classifier = each_of(CLASSIFIERS)
analyzer = each_of(ANALYZERS)


def overlap(first: BoundingBox, second: BoundingBox) -> float:
    """Return the shared part over the smaller box."""
    width = min(first.x_max, second.x_max) - max(first.x_min, second.x_min)
    height = min(first.y_max, second.y_max) - max(first.y_min, second.y_min)
    smaller = min(one.width * one.height for one in (first, second))
    return max(width, 0) * max(height, 0) / smaller


class TestFaceDetector:
    def test_finds_the_face_and_its_points_from_the_persons_right(self, detector):
        (found,) = detector.subject.detect(np.asarray(detector.image))

        assert overlap(found.box, detector.box) > 0.7
        assert 0 < found.confidence <= 1
        points = found.landmarks
        assert points.scheme is LandmarkScheme.FIVE_POINT
        right_eye, left_eye, nose, right_mouth, left_mouth = points.points_xy
        assert right_eye[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]
        assert right_eye[1] < nose[1] < left_mouth[1]

    @pytest.mark.parametrize("size_wh", [(320, 240), (64, 200), (33, 31), (1, 1)])
    def test_finds_nothing_in_an_empty_picture_of_any_size(self, detector, size_wh):
        assert detector.subject.detect(np.asarray(BLANK.resize(size_wh))) == []

    def test_finds_several_the_surest_first(self, detector):
        width, height = detector.image.size
        two = Image.new("RGB", (width * 2, height))
        two.paste(detector.image, (0, 0))
        two.paste(detector.image, (width, 0))

        found = detector.subject.detect(np.asarray(two))

        confidences = [one.confidence for one in found]
        assert len(found) == 2
        assert confidences == sorted(confidences, reverse=True)

    def test_is_deterministic_and_leaves_the_image_alone(self, detector):
        image = np.asarray(detector.image).copy()
        before = image.copy()

        first, second = (detector.subject.detect(image) for _ in range(2))

        assert [one.box for one in first] == [one.box for one in second]
        assert (image == before).all()


def rescored(rescorer: Ready, *boxes: BoundingBox) -> list[Detection]:
    candidates = [Detection(one, 0.5) for one in boxes]
    copy = reduced_copy(rescorer.picture, 320)
    return rescorer.subject.rescore(rescorer.picture, candidates, copy)


class TestFaceRescorer:
    def test_no_candidates_no_faces(self, rescorer):
        assert rescored(rescorer) == []

    def test_judges_each_candidate_in_order(self, rescorer):
        corner = BoundingBox(2, 2, 30, 30)

        faces = rescored(rescorer, rescorer.box, corner, rescorer.box)

        assert overlap(faces[0].box, rescorer.box) > 0.7
        assert overlap(faces[1].box, corner) > 0.3
        assert faces[0].confidence == pytest.approx(faces[2].confidence, abs=1e-3)
        assert faces[0].confidence > 0.5
        assert 0 <= faces[1].confidence <= faces[0].confidence <= 1


class TestFaceLandmarker:
    def test_no_detections_no_points(self, landmarker):
        assert landmarker.subject.locate(landmarker.picture, []) == []

    def test_puts_68_points_on_the_face(self, landmarker):
        (points,) = landmarker.subject.locate(
            landmarker.picture, [landmarker.detection]
        )

        assert points.scheme is LandmarkScheme.IBUG_68
        edges = [*points.points_xy.min(axis=0), *points.points_xy.max(axis=0)]
        assert overlap(BoundingBox(*map(float, edges)), landmarker.box) > 0.7

    def test_keeps_order_and_number(self, landmarker):
        shifted = Detection(BoundingBox(5, 5, 60, 70), 0.9)

        first, _, third = landmarker.subject.locate(
            landmarker.picture, [landmarker.detection, shifted, landmarker.detection]
        )

        np.testing.assert_allclose(first.points_xy, third.points_xy, atol=0.01)

    def test_a_face_beyond_the_edge_is_no_error(self, landmarker):
        width, height = landmarker.image.size
        beyond = Detection(
            BoundingBox(width - 20, height - 20, width + 60, height + 60), 0.9
        )

        assert len(landmarker.subject.locate(landmarker.picture, [beyond])) == 1


class TestEmotionClassifier:
    @pytest.fixture
    def landmarks(self, classifier):
        x_min, y_min, x_max, y_max = classifier.box.xyxy
        return make_landmarks(
            center_xy=((x_min + x_max) / 2, y_min + (y_max - y_min) * 0.35),
            eye_distance_px=classifier.box.width * 0.65,
        )

    def test_no_faces_no_scores(self, classifier):
        assert classifier.subject.classify(classifier.picture, []) == []

    def test_gives_a_distribution_for_each_face_in_order(self, classifier, landmarks):
        other = make_landmarks(center_xy=(60, 60), eye_distance_px=30, roll_degrees=20)

        first, _, third = classifier.subject.classify(
            classifier.picture, [landmarks, other, landmarks]
        )

        assert first.probabilities.sum() == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(first.probabilities, third.probabilities, atol=1e-4)

    def test_knows_from_where_on_it_is_sure(self, classifier):
        assert 1 / 8 <= classifier.subject.sure_threshold <= 1


class TestFaceAnalyzer:
    def test_reads_the_face_fully_and_names_the_back_end(self, analyzer):
        reading = analyzer.subject.analyze(analyzer.picture)

        (face,) = reading.faces
        assert overlap(face.box, analyzer.box) > 0.7
        assert face.landmarks.scheme is LandmarkScheme.IBUG_68
        assert isinstance(face.confident, bool)
        assert reading.backend == analyzer.backend

    def test_is_deterministic_and_leaves_the_picture_alone(self, analyzer):
        picture = analyzer.picture
        before = picture.image.tobytes()

        first, second = (analyzer.subject.analyze(picture) for _ in range(2))

        assert [one.box for one in first] == [one.box for one in second]
        assert picture.image.tobytes() == before

    def test_leaves_expressions_unread_where_told_so(self, analyzer):
        read = analyzer.subject.analyze(analyzer.picture)
        unread = analyzer.subject.analyze(analyzer.picture, expressions=False)

        assert [one.box for one in unread] == [one.box for one in read]
        assert [(one.scores, one.confident) for one in unread] == [(UNREAD, False)]

    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_a_tiny_picture_is_no_error(self, analyzer, mode):
        tiny = from_image(Image.new(mode, (1, 1)))

        assert isinstance(analyzer.subject.analyze(tiny), Reading)
