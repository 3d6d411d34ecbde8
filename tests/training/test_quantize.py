import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")
pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")

import shutil

import numpy as np
import torch
from onnx import helper, numpy_helper
from torch import nn

from emojifier_bot.errors import ConfigError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.models import pick_model_spec, read_model_spec
from emojifier_bot.vision.rescorer import OnnxRescorer
from emojifier_bot.vision.types import EMOTIONS, BoundingBox, Detection
from emojifier_training.export import write_model
from emojifier_training.fit import load_warm_start
from emojifier_training.graph_cost import is_quantized, multiply_adds, parameters
from emojifier_training.nets import DetectorNet, LandmarkNet, RescorerNet
from emojifier_training.quantize import FEEDS, eight_bit_convolutions, shrink
from emojifier_training.runs import TASKS
from tests.builders import make_landmarks
from tests.datasets import SAMPLE_BOX, sample

OUTPUT = {
    "labels": [str(emotion) for emotion in EMOTIONS],
    "temperature": 1.0,
    "sure_threshold": 0.5,
}


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


def test_full_convolutions_between_others_are_worth_eight_bits():
    weights = {
        "first": (8, 3, 3, 3),
        "full": (8, 8, 3, 3),
        "point": (8, 8, 1, 1),
        "depth": (8, 1, 3, 3),
        "boxes": (4, 8, 3, 3),
        "points": (4, 8, 3, 3),
    }
    sources = {
        "first": "x",
        "full": "active",
        "point": "full",
        "depth": "point",
        "boxes": "full",
        "points": "depth",
    }
    nodes = [helper.make_node("Relu", ["first"], ["active"], name="active")]
    nodes += [
        helper.make_node("Conv", [source, f"{name}_w"], [name], name=name)
        for name, source in sources.items()
    ]
    nodes += [helper.make_node("Gemm", ["points"], ["logits"], name="logits")]
    nodes[:2] = reversed(nodes[:2])
    arrays = [
        numpy_helper.from_array(np.zeros(shape, np.float32), f"{name}_w")
        for name, shape in weights.items()
    ]

    graph = helper.make_graph(nodes, "graph", [], [], arrays)

    assert eight_bit_convolutions(graph) == ["full"]


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


def test_an_emotion_model_stays_near_what_it_said(data, tmp_path):
    shipped = pick_model_spec(models_dir(), "emotion", "fused")
    net = TASKS["emotion-fused"].net()
    load_warm_start(net, shipped.folder / "state.pt")
    table = TASKS["emotion-fused"].table | {"output": OUTPUT}
    write_model(tmp_path, TASKS["emotion-fused"].export(net), table)
    face = make_landmarks(center_xy=(226, 110), eye_distance_px=62)

    def said():
        classifier = load_classifier(read_model_spec(tmp_path))
        return classifier.classify(from_image(sample()), [face])[0].probabilities

    before = said()

    shrink(tmp_path, data)

    assert is_quantized(read_model_spec(tmp_path).verified_bytes())
    # The tiny set gives the activations few ranges.
    np.testing.assert_allclose(said(), before, atol=0.1)


def test_a_detector_stays_near_what_it_said(data, tmp_path):
    torch.manual_seed(3)
    net = DetectorNet(width=16)
    for head in net.heads:
        nn.init.constant_(head.bias[:2], 0.0)
    write_model(tmp_path, TASKS["detector"].export(net), TASKS["detector"].table)
    picture = np.asarray(sample())

    def said():
        return YuNetDetector(read_model_spec(tmp_path), 0.3).detect(picture)[0]

    before = said()

    shrink(tmp_path, data)

    assert is_quantized(read_model_spec(tmp_path).verified_bytes())
    assert said().confidence == pytest.approx(before.confidence, abs=0.05)


def test_a_rescorer_stays_near_what_it_said(data, tmp_path):
    torch.manual_seed(3)
    table = TASKS["rescorer"].table | {"output": {"fusion": [0.5, 0.5, 0.0, 1.0, 0.0]}}
    write_model(tmp_path, TASKS["rescorer"].export(RescorerNet()), table)
    image = np.asarray(sample())
    face = Detection(BoundingBox(*SAMPLE_BOX), 0.5)

    def said():
        rescorer = OnnxRescorer(read_model_spec(tmp_path))
        (found,) = rescorer.rescore(from_image(sample()), [face], image)
        return [found.confidence, *found.box.xyxy]

    before = said()

    shrink(tmp_path, data)

    assert is_quantized(read_model_spec(tmp_path).verified_bytes())
    np.testing.assert_allclose(said(), before, rtol=0.05)


def test_a_model_in_eight_bits_is_refused(data, tmp_path):
    folder = copied(tmp_path, "landmarks")

    with pytest.raises(ConfigError, match="in eight bits already"):
        shrink(folder, data)
