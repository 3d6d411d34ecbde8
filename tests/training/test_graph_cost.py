from dataclasses import replace

import pytest

pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.decode import from_image
from emojifier_bot.vision.emotion import load_classifier
from emojifier_bot.vision.models import pick_model_spec
from emojifier_training.graph_cost import (
    multiply_adds,
    use_cost,
)
from tests.builders import make_landmarks
from tests.images import flat


def graph(nodes, weights, input_shape):
    """Return a file with one input ``x`` and one output ``y``."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [
                numpy_helper.from_array(np.zeros(shape, np.float32), name)
                for name, shape in weights.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    ).SerializeToString()


def conv(weight_shape, input_shape, **attributes):
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    return graph([node], {"w": weight_shape}, input_shape)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (graph([helper.make_node("Relu", ["x"], ["y"])], {}, [1, 9]), 0),
        # 8 × 8 places, 4 filters of 3 × 5 × 5.
        (conv((4, 3, 5, 5), [1, 3, 12, 12]), 64 * 4 * 75),
        (conv((4, 3, 3, 3), [1, 3, 8, 8], strides=[2, 2], pads=[1] * 4), 16 * 4 * 27),
        # Depth-wise: each filter sees one channel.
        (conv((6, 1, 3, 3), [1, 6, 8, 8], group=6, pads=[1] * 4), 64 * 6 * 9),
        (
            graph(
                [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": (5, 7)}, [2, 5]
            ),
            70,
        ),
        (
            graph(
                [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
                {"w": (7, 5)},
                ["faces", 5],
            ),
            35,
        ),
        (conv((1, 3, 1, 1), [1, 3, "height", "width"]), 320 * 320 * 3),
    ],
    ids=["none", "conv", "stride", "depth-wise", "product", "a face", "picture"],
)
def test_by_hand(content, expected):
    assert multiply_adds(content) == expected


@pytest.mark.parametrize("mirror", [False, True])
def test_use_reads_a_face_as_often_as_is_counted(mirror):
    shipped = pick_model_spec(models_dir(), "emotion", "fused")
    spec = replace(shipped, mirror=mirror)
    classifier, counted = load_classifier(spec), []

    class Counting:
        input_names = ("geometry", "appearance")

        def run(self, **inputs):
            counted.append(len(inputs["geometry"]))
            return np.zeros((len(inputs["geometry"]), 8), np.float32)

    classifier._session = Counting()
    classifier.classify(from_image(flat((9, 9, 9), (400, 300))), [make_landmarks()])

    assert sum(counted) == 1 + mirror
    assert use_cost(spec) == sum(counted) * multiply_adds(spec.verified_bytes())
