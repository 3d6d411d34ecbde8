from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from emojifier_bot.vision.result import Result
from emojifier_bot.vision.types import (
    EMOTIONS,
    BoundingBox,
    Detection,
    Emotion,
    EmotionScores,
    GeometryBound,
    Landmarks,
    LandmarkScheme,
    Measure,
    frozen_array,
)
from tests.builders import (
    make_detection,
    make_emoji,
    make_emojified_face,
    make_face,
    make_placement,
    make_plan,
    make_scores,
    make_theme,
)


def make_result(*faces, **changes: object) -> Result:
    fields = {
        "width": 40,
        "height": 30,
        "faces": faces,
        "plan": make_plan(0),
        "alt_text": "…",
        "encoded": b"as it is",
        "format": "JPEG",
        "encode_for": lambda extension: extension.encode(),
        "extensions": (".jpg", ".jpeg"),
    }
    return Result(**(fields | changes))


def test_the_emotions_have_one_order_everywhere():
    assert EMOTIONS == (
        Emotion.ANGER,
        Emotion.CONTEMPT,
        Emotion.DISGUST,
        Emotion.FEAR,
        Emotion.HAPPINESS,
        Emotion.NEUTRAL,
        Emotion.SADNESS,
        Emotion.SURPRISE,
    )
    assert list(EMOTIONS) == sorted(EMOTIONS)


@pytest.mark.parametrize(
    ("values", "shape"),
    [([], (0,)), ([1, 2], (2,)), ([[1, 2]], (1, 2)), (np.zeros((0, 4)), (0, 4))],
)
def test_a_frozen_array_is_a_read_only_copy(values, shape):
    array = frozen_array(values, shape)

    assert array.dtype == np.float32
    assert not array.flags.writeable
    assert not np.shares_memory(array, np.asarray(values))


@pytest.mark.parametrize(
    ("values", "shape", "message"),
    [
        ([], (2,), r"expected shape \(2,\), got \(0,\)"),
        ([1, 2], (1, 2), "expected shape"),
        ([math.nan, 1], (2,), "finite"),
        ([math.inf, 1], (2,), "finite"),
    ],
)
def test_a_frozen_array_says_what_it_expected(values, shape, message):
    with pytest.raises(ValueError, match=message):
        frozen_array(values, shape)


def test_a_box_tells_its_sides_and_middle():
    box = BoundingBox(10, 20, 40, 60)

    assert box.xyxy == (10, 20, 40, 60)
    assert (box.width, box.height) == (30, 40)
    assert box.center_xy == (25, 40)
    assert BoundingBox(3, 3, 3, 3).width == 0


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ((1, 0, 0, 1), "min <= max"),
        ((0, 1, 1, 0), "min <= max"),
        ((math.nan, 0, 1, 1), "finite"),
        ((0, 0, math.inf, 1), "finite"),
    ],
)
def test_a_box_inside_out_is_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        BoundingBox(*edges)


@pytest.mark.parametrize("scheme", LandmarkScheme)
def test_landmarks_have_as_many_points_as_their_scheme(scheme):
    points_xy = np.ones((scheme.value, 2), np.float32)

    landmarks = Landmarks(points_xy, scheme)
    points_xy[0] = 7

    assert (landmarks.points_xy == 1).all()
    for wrong in (points_xy[1:], points_xy[:, :1], points_xy * np.nan):
        with pytest.raises(ValueError, match="expected"):
            Landmarks(wrong, scheme)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, math.nan])
def test_a_confidence_is_a_share(confidence):
    assert Detection(make_detection().box, 1.0).landmarks is None
    with pytest.raises(ValueError, match="confidence"):
        make_detection(confidence=confidence)


def test_scores_by_name():
    scores = make_scores(Emotion.FEAR, 0.65)

    assert scores.top is Emotion.FEAR
    assert scores.top_probability == pytest.approx(0.65)
    assert scores[Emotion.SADNESS] == pytest.approx(0.05)
    assert list(scores.as_dict()) == [str(emotion) for emotion in EMOTIONS]
    assert sum(scores.as_dict().values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "probabilities",
    [
        [],
        [1.0],
        [0.0] * 8,
        [0.2] * 8,
        [1.5, -0.5, 0, 0, 0, 0, 0, 0],
        [math.nan] * 8,
    ],
)
def test_scores_that_are_no_distribution_are_refused(probabilities):
    with pytest.raises(ValueError, match="expected"):
        EmotionScores(np.array(probabilities, np.float32))


def test_a_face_lends_its_detections_box():
    face = make_face()

    assert face.box is face.detection.box


@pytest.mark.parametrize(
    ("bound", "allowed"),
    [
        (GeometryBound(Measure.SMILE_WIDTH), [True, True, True, True]),
        (GeometryBound(Measure.SMILE_WIDTH, 0.2), [False, True, True, True]),
        (GeometryBound(Measure.SMILE_WIDTH, maximum=0.5), [True, True, True, False]),
        (GeometryBound(Measure.SMILE_WIDTH, 0.2, 0.5), [False, True, True, False]),
    ],
)
def test_a_bound_is_half_open(bound, allowed):
    assert [bound.allows(value) for value in (0.1, 0.2, 0.3, 0.5)] == allowed


def test_an_emojis_point_is_a_read_only_copy():
    emoji = make_emoji(point={"anger": 0.5, "fear": 0.5})

    assert emoji.point.tolist() == [0.5, 0, 0, 0.5, 0, 0, 0, 0]
    assert not emoji.point.flags.writeable
    with pytest.raises(ValueError, match="expected shape"):
        dataclasses.replace(emoji, point=np.zeros(7))


@pytest.mark.parametrize(
    "value",
    [make_face(), make_emoji(), make_theme(), make_placement(), make_emojified_face()],
)
def test_domain_objects_are_frozen(value):
    name = dataclasses.fields(value)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_a_result_without_faces_as_json():
    assert json.loads(json.dumps(make_result().to_dict())) == {
        "input": None,
        "output": None,
        "width": 40,
        "height": 30,
        "faces": [],
        "alt_text": "…",
        "notes": [],
        "backend": "local",
        "reading": "expressions",
        "frames": 1,
        "seconds": 0.0,
        "milliseconds": {},
    }


def test_a_result_as_json():
    face = make_emojified_face(placement=make_placement(roll_degrees=12.3456))
    result = make_result(face, notes=("A note.",), milliseconds={"decode": 1.2345})

    told = json.loads(json.dumps(result.to_dict("in.jpg", "out.jpg")))

    assert (told["input"], told["output"]) == ("in.jpg", "out.jpg")
    assert told["notes"] == ["A note."]
    assert told["milliseconds"] == {"decode": 1.23}
    (face,) = told["faces"]
    assert face["roll_degrees"] == 12.35
    assert face["emoji"] == {"name": "neutral_face", "character": "😐"}
    assert face["sure"] is True
    assert len(face["box"]) == 4
    assert np.array(face["landmarks"]).shape == (68, 2)
    assert list(face["emotions"]) == [str(emotion) for emotion in EMOTIONS]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("out", b"as it is"),
        ("out.jpg", b"as it is"),
        ("out.JPEG", b"as it is"),
        ("out.png", b".png"),
        ("out.WebP", b".WebP"),
    ],
)
def test_a_result_is_saved_in_the_format_of_its_name(tmp_path, name, written):
    result = make_result()

    result.save(tmp_path / name)
    result.save(str(tmp_path / "as text"))

    assert (tmp_path / name).read_bytes() == written
    assert result.to_bytes() == b"as it is"


def test_a_result_does_not_print_its_bytes():
    assert "as it is" not in repr(make_result())
