from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")
pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")

import onnxruntime
import torch

from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.emotion import APPEARANCE_PX, GEOMETRY_COUNT
from emojifier_bot.vision.models import read_model_spec
from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.detector_loss import decode_boxes, grid
from emojifier_training.export import (
    TRACED_PX,
    export_detector,
    export_emotion,
    export_landmarks,
    to_onnx,
    write_model,
)
from emojifier_training.nets import (
    DetectorNet,
    DoubtfulLogits,
    FusedEmotionNet,
    LandmarkEmotionNet,
    LandmarkNet,
    ShiftedLogits,
    YuNetFormat,
)
from tests.images import photo

FRAME_PX = 112
#: Not square, and no multiple of the largest stride.
SIZE_WH = (205, 150)
DETECTOR = {"task": "detector", "title": "Faces"}


def confident_net() -> DetectorNet:
    """Return a detector that was never trained, but claims faces here and there."""
    torch.manual_seed(0)
    net = DetectorNet(width=16).eval()
    for head in net.heads:
        torch.nn.init.normal_(head.weight, std=0.4)
        torch.nn.init.constant_(head.bias[:2], -1.0)
        torch.nn.init.constant_(head.bias[4:6], 1.0)  # boxes that overlap
    return net


@pytest.fixture(scope="module")
def net():
    return confident_net()


@pytest.fixture(scope="module")
def exported(net):
    return export_detector(net)


def by_opencv(content: bytes, image_rgb: np.ndarray, least: float) -> np.ndarray:
    """Return OpenCV's rows for every cell, overlapping ones too, the surest first."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    reader = cv2.FaceDetectorYN.create(
        "onnx",
        np.frombuffer(content, np.uint8),
        np.empty(0, np.uint8),
        image_rgb.shape[1::-1],
        least,
        1.0,
        10_000,
    )
    cv2.utils.logging.setLogLevel(level)
    return reader.detect(np.ascontiguousarray(image_rgb[..., ::-1]))[1]


def by_torch(net: DetectorNet, image_rgb: np.ndarray, least: float) -> np.ndarray:
    """Return the same rows, from the training side's own decoding."""
    height, width = image_rgb.shape[:2]
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
    padded[:height, :width] = image_rgb[..., ::-1]
    with torch.no_grad():
        levels = net(torch.tensor(padded).permute(2, 0, 1)[None])
    flat = torch.cat([one.permute(0, 2, 3, 1).flatten(1, 2) for one in levels], dim=1)
    cells, strides = grid(levels)
    boxes = decode_boxes(flat[0, :, 2:6], cells, strides)
    points = (flat[0, :, 6:].unflatten(-1, (5, 2)) + cells[:, None]) * strides[
        :, None, None
    ]
    confidences = torch.sigmoid(flat[0, :, :2]).prod(dim=1).sqrt()
    rows = torch.cat(
        [
            boxes[:, :2],
            boxes[:, 2:] - boxes[:, :2],
            points.flatten(1),
            confidences[:, None],
        ],
        dim=1,
    )
    order = confidences.argsort(descending=True)
    return rows[order][confidences[order] >= least].numpy()


class TestDetector:
    def test_opencv_reads_what_torch_says(self, net, exported):
        image = np.asarray(photo(*SIZE_WH))

        found = by_opencv(exported, image, 0.3)
        wanted = by_torch(net, image, 0.3)

        assert len(wanted) > 20
        np.testing.assert_allclose(found[:, 14], wanted[:, 14], atol=1e-3)
        # Of equally sure cells the order is open; all are there.
        for row in wanted:
            assert np.abs(found - row).max(axis=1).min() < 0.05

    @pytest.mark.parametrize("size_wh", [(33, 31), SIZE_WH, (320, 320), (640, 400)])
    def test_a_file_of_one_size_reads_pictures_of_any(
        self, size_wh, net, exported, tmp_path
    ):
        # As YuNet's own files are: a static input, and reshapes to constant shapes.
        picture = torch.zeros(1, 3, TRACED_PX, TRACED_PX)
        names = list(YuNetFormat.output_names)
        content = to_onnx(YuNetFormat(net), (picture,), ["input"], names, {})
        write_model(tmp_path / "fixed", content, DETECTOR)
        write_model(tmp_path / "free", exported, DETECTOR)
        image = np.asarray(photo(*size_wh))

        fixed, free = (
            YuNetDetector(read_model_spec(tmp_path / name), 0.3).detect(image)
            for name in ("fixed", "free")
        )

        assert len(fixed) == len(free) > 0
        for first, other in zip(fixed, free, strict=True):
            np.testing.assert_allclose(first.box.xyxy, other.box.xyxy, atol=0.02)
            np.testing.assert_allclose(
                first.landmarks.points_xy, other.landmarks.points_xy, atol=0.02
            )


def trained_alike(net):
    """Give a net statistics that are no longer zero and one, as after training."""
    for part in net.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
    return net.eval()


INPUTS = {
    "frame": (1, FRAME_PX, FRAME_PX),
    "geometry": (GEOMETRY_COUNT,),
    "appearance": (1, APPEARANCE_PX, APPEARANCE_PX),
}
BOTH = ("geometry", "appearance")


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("make", "export", "names"),
    [
        (
            lambda: LandmarkNet(widths=(8, 12, 16)),
            lambda net: export_landmarks(net, FRAME_PX),
            ("frame",),
        ),
        (lambda: FusedEmotionNet(GEOMETRY_COUNT, (4, 6, 8)), export_emotion, BOTH),
        (lambda: LandmarkEmotionNet(GEOMETRY_COUNT), export_emotion, BOTH),
        (
            lambda: ShiftedLogits(
                LandmarkEmotionNet(GEOMETRY_COUNT), torch.arange(8.0)
            ),
            export_emotion,
            BOTH,
        ),
        (
            lambda: DoubtfulLogits(
                FusedEmotionNet(GEOMETRY_COUNT, (4, 6, 8)),
                torch.arange(8.0),
                torch.rand(8 + 96 + 1, 8 + 96),
            ),
            export_emotion,
            BOTH,
        ),
    ],
    ids=["landmarks", "fused", "emotion of landmarks", "shifted", "doubtful"],
)
def test_onnxruntime_computes_what_torch_computes(make, export, names, count):
    net = trained_alike(make())
    session = onnxruntime.InferenceSession(
        export(net), providers=["CPUExecutionProvider"]
    )
    inputs = {name: torch.rand(count, *INPUTS[name]) * 2 - 1 for name in names}
    wanted = [one.name for one in session.get_inputs()]

    (found,) = session.run(None, {name: inputs[name].numpy() for name in wanted})

    with torch.no_grad():
        np.testing.assert_allclose(found, net(*inputs.values()).numpy(), atol=1e-4)


EMOTION = {
    "task": "emotion",
    "variant": "fused",
    "title": 'Eight "emotions" \\ more',
    "input": {"size_px": 56, "color": "grey", "mean": 127.5, "std": 127.5},
    "output": {
        "labels": [str(one) for one in EMOTIONS],
        "temperature": 1.2346,
        "sure_threshold": 0.712,
    },
}


def test_the_back_end_reads_it_again(tmp_path):
    write_model(tmp_path / "models" / "emotion_fused_202601", b"net", EMOTION)

    spec = read_model_spec(tmp_path / "models" / "emotion_fused_202601")

    assert spec.verified_bytes() == b"net"
    assert (spec.task, spec.variant) == ("emotion", "fused")
    assert spec.title == EMOTION["title"]
    assert (spec.input_px, spec.color) == (56, "grey")
    assert (spec.mean, spec.std) == (127.5, 127.5)
    assert spec.labels == EMOTIONS == tuple(Emotion)
    assert (spec.temperature, spec.sure_threshold) == (1.2346, 0.712)
    assert "research" in spec.license_note
