"""Counts the multiply-adds of a model file, from its graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import onnx
from onnx import ModelProto, NodeProto, shape_inference

from emojifier_bot.vision.models import ModelSpec

Shapes = Mapping[str, tuple[int, ...]]
#: What the free sizes of our files are set to: one face, a picture of 320 × 320.
FREE_SIZES: Mapping[str, int] = MappingProxyType(
    {"faces": 1, "height": 320, "width": 320}
)


def use_cost(spec: ModelSpec) -> int:
    """Return the multiply-adds of a face (or a detector's picture) in use.

    A face whose mirror image is read too costs twice what the file does.
    """
    return (1 + spec.mirror) * multiply_adds(spec.verified_bytes())


def multiply_adds(content: bytes) -> int:
    """Return what convolutions and matrix products of one run multiply.

    Everything else (activations, pooling, resizing) is a few per cent on top and by
    custom not counted.

    Args:
        content: An ONNX file; its free sizes become `FREE_SIZES`.
    """
    model = onnx.load_from_string(content)
    shapes = _shapes(model)
    return sum(_node_cost(node, shapes) for node in model.graph.node)


def parameters(content: bytes) -> int:
    """Return how many numbers a file's weights are, scales of eight bits left out."""
    graph = onnx.load_from_string(content).graph
    scales = {
        name
        for node in graph.node
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}
        for name in node.input[1:]
    }
    return sum(
        math.prod(one.dims) for one in graph.initializer if one.name not in scales
    )


def is_quantized(content: bytes) -> bool:
    """Tell whether a file's activations are in eight bits."""
    nodes = onnx.load_from_string(content).graph.node
    return any(node.op_type == "QuantizeLinear" for node in nodes)


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of every value once the free sizes are set."""
    for one in model.graph.input:
        for dim in one.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = FREE_SIZES[dim.dim_param]
    # What the file says of these would hold against what is inferred.
    for one in model.graph.output:
        one.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    inferred = shape_inference.infer_shapes(
        model, strict_mode=True, data_prop=True
    ).graph
    shapes = {one.name: tuple(one.dims) for one in inferred.initializer}
    for one in (*inferred.input, *inferred.output, *inferred.value_info):
        dims = one.type.tensor_type.shape.dim
        shapes[one.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _node_cost(node: NodeProto, shapes: Shapes) -> int:
    if node.op_type == "Conv":
        # Each number of the result: one product for each weight of its filter.
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in {"Gemm", "MatMul"}:
        # Each number of the result sums over one axis of the first matrix.
        turned = any(one.name == "transA" and one.i for one in node.attribute)
        summed = shapes[node.input[0]][0 if turned else -1]
        return math.prod(shapes[node.output[0]]) * summed
    return 0
