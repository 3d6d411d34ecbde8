from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: `make train-env` installs it")
pytest.importorskip("onnx", reason="needs onnx: `make train-env` installs it")

import onnx
import onnxruntime
import torch

from emojifier_bot.vision.detector import YuNetDetector
from emojifier_bot.vision.emotion import APPEARANCE_PX, GEOMETRY_COUNT
from emojifier_bot.vision.models import read_model_spec
from emojifier_bot.vision.types import EMOTIONS, Emotion
from emojifier_training.detector_loss import decode_boxes, grid
from emojifier_training.export import (
    OPSET,
    TRACED_PX,
    emotion_output,
    export_detector,
    export_emotion,
    export_landmarks,
    to_onnx,
    write_model,
)
from emojifier_training.nets import (
    DetectorNet,
    FusedEmotionNet,
    LandmarkEmotionNet,
    LandmarkNet,
    ShiftedLogits,
    YuNetFormat,
)
from tests.images import photo

pytestmark = pytest.mark.requires_torch

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

    def test_the_back_end_drops_overlaps_only(self, exported, tmp_path):
        image = np.asarray(photo(*SIZE_WH))
        write_model(tmp_path, exported, DETECTOR)

        found = YuNetDetector(read_model_spec(tmp_path), 0.3).detect(image)

        every = by_opencv(exported, image, 0.3)
        assert 1 < len(found) < len(every)
        assert found[0].confidence == pytest.approx(every[0, 14], abs=1e-4)

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


def session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def landmark_pair():
    torch.manual_seed(1)
    net = LandmarkNet(widths=(8, 12, 16)).eval()
    return net, session(export_landmarks(net, FRAME_PX))


class TestLandmarks:
    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_onnxruntime_says_what_torch_says(self, count, landmark_pair):
        net, model = landmark_pair
        frames = torch.rand(count, 1, FRAME_PX, FRAME_PX) * 2 - 1

        (found,) = model.run(None, {"frame": frames.numpy()})

        with torch.no_grad():
            wanted = net(frames).numpy()
        assert found.shape == (count, 68, 2)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def emotion_nets():
    torch.manual_seed(2)
    nets = {
        "fused": FusedEmotionNet(GEOMETRY_COUNT, widths=(4, 6, 8)),
        "landmarks": LandmarkEmotionNet(GEOMETRY_COUNT),
    }
    nets["shifted"] = ShiftedLogits(nets["landmarks"], torch.arange(8.0))
    for net in nets.values():
        # As after training, when statistics are no longer zero and one.
        for part in net.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.3)
                part.running_var.uniform_(0.5, 2)
    return {name: net.eval() for name, net in nets.items()}


@pytest.fixture(scope="module", params=["fused", "landmarks", "shifted"])
def emotion_pair(request):
    net = emotion_nets()[request.param]
    return net, session(export_emotion(net))


class TestEmotion:
    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_onnxruntime_says_what_torch_says(self, count, emotion_pair):
        net, model = emotion_pair
        geometry = torch.randn(count, GEOMETRY_COUNT)
        looks = torch.rand(count, 1, APPEARANCE_PX, APPEARANCE_PX) * 2 - 1
        inputs = {"geometry": geometry.numpy(), "appearance": looks.numpy()}
        names = [one.name for one in model.get_inputs()]

        (found,) = model.run(None, {name: inputs[name] for name in names})

        with torch.no_grad():
            wanted = net(geometry, looks).numpy()
        assert found.shape == (count, 8)
        np.testing.assert_allclose(found, wanted, atol=1e-4)

    def test_the_inputs_tell_the_variant(self, emotion_pair):
        net, model = emotion_pair

        names = {one.name for one in model.get_inputs()}

        fused = isinstance(net, FusedEmotionNet)
        assert names == ({"geometry", "appearance"} if fused else {"geometry"})


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda: export_detector(DetectorNet()), 1e6),
        (lambda: export_landmarks(LandmarkNet(), FRAME_PX), 3e6),
        (lambda: export_emotion(FusedEmotionNet(GEOMETRY_COUNT)), 3e6),
        (lambda: export_emotion(LandmarkEmotionNet(GEOMETRY_COUNT)), 3e6),
    ],
    ids=["detector", "landmarks", "fused", "landmarks alone"],
)
def test_files_are_small(make, most):
    content = make()

    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [one.version for one in model.opset_import] == [OPSET]
    assert most / 10 < len(content) <= most


EMOTION = {
    "task": "emotion",
    "variant": "fused",
    "title": 'Eight "emotions" \\ more',
    "input": {"size_px": 56, "color": "grey", "mean": 127.5, "std": 127.5},
    "output": emotion_output(1.23456, 0.71249),
}


class TestWriteModel:
    def test_the_back_end_reads_it_again(self, tmp_path):
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
