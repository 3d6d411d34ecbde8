from __future__ import annotations

import numpy as np
import pytest
from emojifier_training.conditions import (
    CONDITIONS,
    changed_picture,
    drop,
    robustness,
    sized,
    tilted,
)
from emojifier_training.evaluate_emotion import classify_crops
from emojifier_training.fusion import MeanGeometry, beside, mean_face
from hypothesis import given, settings
from hypothesis import strategies as st

from emojifier_bot.tools.read_faces import (
    BOX_SHARE,
    READ_PX,
    crop_detection,
    crop_picture,
)
from emojifier_bot.vision.types import EMOTIONS, Emotion
from tests.builders import make_landmarks, make_scores
from tests.fakes.faces import FakeClassifier, FakeLandmarker
from tests.strategies_faces import landmarks
from tests.training.test_evaluate_emotion import labelled

CROP = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_gives_a_picture_with_the_face_in_its_middle(name):
    picture, detection = changed_picture(CROP, CONDITIONS[name])

    side = picture.image.width
    assert picture.image.size == (side, side)
    assert detection.box.center_xy == pytest.approx((side / 2, side / 2))
    assert detection.box.width == pytest.approx(BOX_SHARE * side)
    if not name.startswith("face of"):
        assert side == READ_PX


def test_without_a_change_it_is_what_the_other_figures_read():
    picture, detection = changed_picture(CROP, lambda crop: crop)

    assert (
        picture.image.convert("L").tobytes()
        == crop_picture(CROP).image.convert("L").tobytes()
    )
    assert detection.box == crop_detection().box


def test_colour_crops_are_taken_too():
    picture, _ = changed_picture(np.dstack([CROP] * 3), CONDITIONS["dark"])

    assert picture.image.mode == "RGB"


@pytest.mark.parametrize("face_px", [24, 400])
def test_faces_get_their_size(face_px):
    _, detection = changed_picture(CROP, sized(face_px))

    assert detection.box.height == pytest.approx(face_px, abs=1)


def test_a_tilt_turns_counter_clockwise():
    # Bright on the right; turned by 90° it is bright on top.
    turned = tilted(90)(np.dstack([CROP] * 3))

    assert turned[:8].mean() > turned[-8:].mean() + 100


@pytest.mark.parametrize(
    ("name", "darker", "brighter"),
    [
        ("lit from the left", np.s_[:, -20:], np.s_[:, :20]),
        ("lit from the right", np.s_[:, :20], np.s_[:, -20:]),
        ("lit from above", np.s_[-20:], np.s_[:20]),
    ],
)
def test_half_lit_faces_have_their_light_where_it_says(name, darker, brighter):
    crop = np.full((96, 96, 3), 200, np.uint8)

    lit = CONDITIONS[name](crop)

    assert lit[darker].mean() < 100 < lit[brighter].mean()


class TestDrop:
    def test_of_nothing(self):
        none = np.empty(0, np.int64)

        assert np.isnan(drop(none, none, none)["accuracy_drop"])

    def test_by_hand(self):
        truth = np.array([0, 0, 1, 1])

        lost = drop(truth, truth, np.array([0, 1, 1, 1]))

        assert lost["accuracy"] == 0.75
        assert lost["accuracy_drop"] == 25
        assert lost["macro_f1_drop"] == pytest.approx(
            100 * (1 - (2 / 3 + 4 / 5) / 2), abs=1e-4
        )
        assert lost["accuracy_drop_low"] <= 25 <= lost["accuracy_drop_high"]

    # A thousand draws for each example.
    @settings(max_examples=5, deadline=None)
    @given(st.lists(st.tuples(*[st.integers(0, 7)] * 2), min_size=1, max_size=9))
    def test_the_same_predictions_lose_nothing(self, pairs):
        truth, same = np.array(pairs).T

        lost = drop(truth, same, same)

        assert lost["accuracy_drop"] == lost["accuracy_drop_high"] == 0
        assert lost["macro_f1_drop"] == 0


class BrightReader(FakeClassifier):
    """A classifier that takes grey for an emotion, and what is bright for the last."""

    def classify(self, picture, landmarks):  # noqa: ARG002 - the port's
        grey = picture.image.getpixel((0, 0))[0]
        return [make_scores(EMOTIONS[min(grey, len(EMOTIONS) - 1)])]


def test_robustness_has_a_row_for_each_condition():
    told = []
    faces = labelled(Emotion.FEAR, Emotion.FEAR)
    reader = BrightReader()
    read = classify_crops(FakeLandmarker(), reader, faces, lambda *_: None)

    rows = robustness(
        FakeLandmarker(), reader, faces, read, lambda *now: told.append(now)
    )

    assert list(rows) == list(CONDITIONS)
    # The fake reads the grey itself: what keeps it loses nothing.
    assert rows["tilted by 30°"]["accuracy_drop"] == 0
    assert rows["burnt out"]["accuracy_drop"] == 100
    assert told[-1] == (len(CONDITIONS) * 2, len(CONDITIONS) * 2)
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


class PointsReader(FakeClassifier):
    """A classifier that keeps the points it is given."""

    def classify(self, picture, landmarks):  # noqa: ARG002 - the port's
        self.points_xy = [one.points_xy for one in landmarks]
        return [make_scores() for _ in landmarks]


class TestParts:
    @given(landmarks(noise=0.1))
    def test_the_mean_face_has_the_frame_of_the_face(self, points):
        found = mean_face(points).points_xy
        again = mean_face(mean_face(points)).points_xy

        size = np.ptp(found, axis=0).max()
        np.testing.assert_allclose(again, found, atol=0.01 * size)

    def test_the_mean_face_is_left_as_it_is(self):
        face = make_landmarks(roll_degrees=20)

        np.testing.assert_allclose(mean_face(face).points_xy, face.points_xy, atol=0.05)

    def test_another_model_sees_no_geometry(self):
        reader = PointsReader()
        hidden = MeanGeometry(reader)
        face = make_landmarks()

        scores = hidden.classify(crop_picture(CROP), [face])

        assert hidden.sure_threshold == reader.sure_threshold
        assert len(scores) == 1
        np.testing.assert_allclose(
            reader.points_xy[0], mean_face(face).points_xy, atol=1e-4
        )

    def test_parts_are_set_beside_the_whole(self):
        right = make_scores(Emotion.FEAR).probabilities[None]
        wrong = make_scores(Emotion.ANGER).probabilities[None]
        truth = np.array([EMOTIONS.index(Emotion.FEAR)])

        rows = beside(truth, right, {"same": right, "worse": wrong})

        assert rows["same"]["accuracy_drop"] == 0
        assert rows["worse"]["accuracy_drop"] == 100
