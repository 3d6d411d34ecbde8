import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")
pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")

import shutil

import numpy as np

from emojifier_bot.errors import ConfigError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.models import pick_model_spec, read_model_spec
from emojifier_bot.vision.types import BoundingBox, Detection
from emojifier_training.export import write_model
from emojifier_training.fit import load_warm_start
from emojifier_training.graph_cost import is_quantized, multiply_adds, parameters
from emojifier_training.nets import LandmarkNet
from emojifier_training.quantize import FEEDS, shrink
from emojifier_training.runs import TASKS
from tests.builders import make_landmarks
from tests.datasets import SAMPLE_BOX, sample


def copied(folder, task, variant=""):
    """Return a copy of a shipped model's folder."""
    spec = pick_model_spec(models_dir(), task, variant)
    shutil.copytree(spec.folder, folder / spec.name)
    return folder / spec.name


def test_inputs_are_those_of_use(data):
    spec = pick_model_spec(models_dir(), "emotion", "fused")

    (feed, *_) = FEEDS["emotion"](spec, data)

    assert feed["appearance"].shape == (1, 1, spec.input_px, spec.input_px)
    assert -1 <= feed["appearance"].min() < feed["appearance"].max() <= 1
    assert feed["geometry"].dtype == np.float32


def test_no_held_out_face_sets_a_range(data):
    spec = pick_model_spec(models_dir(), "landmarks")

    # Three of each source are for training, one is held out.
    assert len(FEEDS["landmarks"](spec, data)) == 9


def said_by(spec):
    """Return where a landmark model sees the sample's points."""
    picture = from_image(sample())
    detection = Detection(BoundingBox(*SAMPLE_BOX), 1.0)
    (face,) = OnnxLandmarker(spec).locate(picture, [detection])
    return face.points_xy


def test_a_landmark_model_stays_near_what_it_said(data, tmp_path):
    net = LandmarkNet()
    shipped = pick_model_spec(models_dir(), "landmarks")
    load_warm_start(net, shipped.folder / "state.pt")
    trained = TASKS["landmarks"].export(net)
    write_model(tmp_path, trained, TASKS["landmarks"].table)
    before = said_by(read_model_spec(tmp_path))

    shrink(tmp_path, data)

    small = read_model_spec(tmp_path).verified_bytes()
    assert is_quantized(small)
    assert len(small) < len(trained) / 2
    assert np.abs(said_by(read_model_spec(tmp_path)) - before).mean() < 2
    # Its cost and its parameters are counted without the scales.
    assert multiply_adds(small) == multiply_adds(trained)
    assert parameters(small) == pytest.approx(parameters(trained), rel=0.01)


def test_an_emotion_model_is_still_read_by_use(data, tmp_path):
    folder = copied(tmp_path, "emotion", "fused")

    shrink(folder, data)

    face = make_landmarks(center_xy=(226, 110), eye_distance_px=62)
    classifier = load_classifier(read_model_spec(folder))
    (scores,) = classifier.classify(from_image(sample()), [face])
    assert scores.probabilities.sum() == pytest.approx(1, abs=1e-3)
    with pytest.raises(ConfigError, match="cannot be turned into eight bits"):
        shrink(folder, data)


def test_a_detector_is_refused(data, tmp_path):
    folder = copied(tmp_path, "detector")

    with pytest.raises(ConfigError, match="cannot be turned into eight bits"):
        shrink(folder, data)
