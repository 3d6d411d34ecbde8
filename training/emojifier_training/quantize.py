"""Turns a model's weights and activations into eight bits."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from emojifier_bot.errors import ConfigError
from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.local import OnnxLandmarker
from emojifier_bot.vision.crops import (
    Affine,
    canonical_frame,
    cut_frame,
    grey,
    landmark_frame,
)
from emojifier_bot.vision.decode import DecodedImage, from_image
from emojifier_bot.vision.detector import YuNetDetector, padded_planes
from emojifier_bot.vision.emotion import geometry_features, stretch, to_canonical
from emojifier_bot.vision.landmarks import five_points
from emojifier_bot.vision.models import (
    SPEC_FILE,
    ModelSpec,
    pick_model_spec,
    read_model_spec,
)
from emojifier_bot.vision.multi_scale import PROPOSED_CONFIDENCE
from emojifier_bot.vision.rescorer import Cutter
from emojifier_bot.vision.types import BoundingBox, Detection, FloatArray
from emojifier_training.crops import crop_detection, crop_picture
from emojifier_training.data import (
    SET_FOLDERS,
    LabelledPicture,
    is_held_out,
    read_detection,
    read_expressions,
    read_landmarks,
)
from emojifier_training.graph_cost import is_quantized
from emojifier_training.landmarks import face_bounds

#: Faces of the training part that the ranges of the activations are taken from.
CALIBRATION_FACES = 200

#: Pictures of the training part that do the same for both stages of detection.
CALIBRATION_PICTURES = 60

#: So many of the surest that the detector proposes in each set those of the rescorer.
MOST_PROPOSED = 5

#: Inputs of one run by name.
Feed = dict[str, FloatArray]


def shrink(folder: Path, data: Path) -> None:
    """Turn an exported model into eight bits, in place.

    Args:
        folder: The model's.
        data: Folder of the three sets.

    Raises:
        ConfigError: It is in eight bits already.
    """
    spec = read_model_spec(folder)
    content = spec.verified_bytes()
    if is_quantized(content):
        raise ConfigError([f"{folder} is in eight bits already."])
    small = quantized(content, FEEDS[spec.task](spec, data))
    (folder / spec.file).write_bytes(small)
    table = (folder / SPEC_FILE).read_text("utf-8")
    table = table.replace(spec.sha256, hashlib.sha256(small).hexdigest())
    (folder / SPEC_FILE).write_text(table, encoding="utf-8")


def quantized(content: bytes, feeds: Sequence[Feed]) -> bytes:
    """Return a file with eight-bit weights and activations.

    Args:
        content: An ONNX file.
        feeds: Inputs that the ranges of the activations are taken from.
    """
    graph = onnx.load_from_string(content).graph
    with tempfile.TemporaryDirectory() as folder:
        names = ("float.onnx", "ready.onnx", "int8.onnx")
        source, ready, target = (Path(folder, name) for name in names)
        source.write_bytes(content)
        quant_pre_process(source, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            target,
            _Feeds(feeds),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Seven bits of weights: processors without VNNI add pairs of products in
            # sixteen bits, and eight would overflow there.
            reduce_range=True,
            nodes_to_quantize=eight_bit_convolutions(graph),
        )
        return target.read_bytes()


def eight_bit_convolutions(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the convolutions that are worth eight bits.

    Those are full ones over several pixels. Depth-wise and point-wise ones gain no
    time, nor does the first one, which has few inputs. Those that no other one follows
    make maps of points, or boxes, and what follows turns small differences into
    positions: in eight bits they alone would double the error.
    """
    weights = {one.name: one.dims for one in graph.initializer}
    followed: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or followed.intersection(node.output):
            followed.update(node.input)
    _, *others = (node for node in graph.node if node.op_type == "Conv")
    names = []
    for node in others:
        _, inputs, *sides = weights[node.input[1]]
        if followed.intersection(node.output) and inputs > 1 and max(sides) > 1:
            names.append(node.name)
    return names


class _Feeds(CalibrationDataReader):
    """Gives the inputs of one face after the other."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        """Return the next inputs, None at the end."""
        return next(self._left, None)


def _normalised(spec: ModelSpec, picture: DecodedImage, frame: Affine) -> FloatArray:
    pixels = grey(cut_frame(picture, frame, spec.input_px))
    if spec.task == "emotion":
        pixels = stretch(pixels)
    whole = (pixels[None, None].astype(np.float32) - spec.mean) / spec.std
    return np.asarray(whole, np.float32)


def landmark_feeds(spec: ModelSpec, data: Path) -> list[Feed]:
    """Return frames of training faces."""
    crops = [
        one
        for one in read_landmarks(data / SET_FOLDERS["landmarks"])
        if not is_held_out(one.source, one.name, one.subject)
    ]
    feeds = []
    for crop in _spread(crops):
        box = BoundingBox(*map(float, face_bounds(crop.points_xy)))
        frame = landmark_frame(box, five_points(crop.points_xy), spec.input_px)
        picture = from_image(Image.fromarray(crop.image()))
        feeds.append({"frame": _normalised(spec, picture, frame)})
    return feeds


def emotion_feeds(spec: ModelSpec, data: Path) -> list[Feed]:
    """Return geometry and appearance of training faces."""
    landmarker = OnnxLandmarker(pick_model_spec(models_dir(), "landmarks"))
    faces = read_expressions(data / SET_FOLDERS["emotion"])
    feeds = []
    for crop in _spread(faces.images[~faces.is_validation]):
        picture = crop_picture(crop)
        points_xy = landmarker.locate(picture, [crop_detection()])[0].points_xy
        feed = {"geometry": geometry_features(to_canonical(points_xy)[None])}
        if spec.input_px:
            frame = canonical_frame(points_xy, spec.input_px)
            feed["appearance"] = _normalised(spec, picture, frame)
        feeds.append(feed)
    return feeds


def detector_feeds(spec: ModelSpec, data: Path) -> list[Feed]:
    """Return training pictures, padded as in use."""
    feeds = []
    for picture in _training_pictures(data):
        pixels = padded_planes(picture.image(), is_bgr=spec.color == "BGR")
        feeds.append({"input": pixels})
    return feeds


def rescorer_feeds(spec: ModelSpec, data: Path) -> list[Feed]:
    """Return what the detector proposes in training pictures, or labelled faces."""
    detector = YuNetDetector(
        pick_model_spec(models_dir(), "detector"), PROPOSED_CONFIDENCE
    )
    feeds = []
    for picture in _training_pictures(data):
        image = picture.image()
        cut = Cutter(from_image(Image.fromarray(image)), image, spec.input_px)
        boxes = [BoundingBox(*map(float, one)) for one in picture.xyxy]
        labelled = [Detection(one, 1.0) for one in boxes]
        for one in (detector.detect(image) or labelled)[:MOST_PROPOSED]:
            crops = (cut.crops(one)[None].astype(np.float32) - spec.mean) / spec.std
            feeds.append({"crops": crops})
    return feeds


def _training_pictures(data: Path) -> Sequence[LabelledPicture]:
    pictures = [
        one
        for one in read_detection(data / SET_FOLDERS["detector"])
        if not is_held_out(one.source, one.name)
    ]
    return _spread(pictures, CALIBRATION_PICTURES)


def _spread(samples: Any, most: int = CALIBRATION_FACES) -> Any:
    return samples[:: max(len(samples) // most, 1)]


FEEDS: Mapping[str, Callable[[ModelSpec, Path], list[Feed]]] = MappingProxyType(
    {
        "detector": detector_feeds,
        "rescorer": rescorer_feeds,
        "landmarks": landmark_feeds,
        "emotion": emotion_feeds,
    }
)
