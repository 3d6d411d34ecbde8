"""Writes a trained net as ``model.onnx`` with its ``model.toml``."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import tomlkit
import torch
from torch import Tensor, nn

from emojifier_bot.vision.emotion import APPEARANCE_PX
from emojifier_bot.vision.models import SPEC_FILE
from emojifier_training.emotion import feature_count
from emojifier_training.nets import DetectorNet, YuNetFormat
from emojifier_training.rescorer import CROP_PX

OPSET = 17
#: Any size that is a multiple of 32 would do to trace the detector.
TRACED_PX = 320
LICENSE_NOTE = (
    "Trained on research data that its owners have not cleared for commercial use; "
    "read MODEL_CARD.md before you use it in a company."
)


def export_detector(net: DetectorNet) -> bytes:
    """Return an ONNX file in YuNet's format, for any size."""
    axes = {"input": {2: "height", 3: "width"}}
    axes |= {name: {1: "cells"} for name in YuNetFormat.output_names}
    picture = torch.zeros(1, 3, TRACED_PX, TRACED_PX)
    return to_onnx(
        YuNetFormat(net), (picture,), ["input"], list(YuNetFormat.output_names), axes
    )


def export_rescorer(net: nn.Module) -> bytes:
    """Return an ONNX file that takes a batch of candidates."""
    outputs = ["logits", "boxes"]
    axes = {name: {0: "faces"} for name in ("crops", *outputs)}
    crops = torch.zeros(2, 6, CROP_PX, CROP_PX)
    return to_onnx(net, (crops,), ["crops"], outputs, axes)


def export_landmarks(net: nn.Module, size_px: int) -> bytes:
    """Return an ONNX file that takes a batch of grey frames."""
    axes = {"frame": {0: "faces"}, "points": {0: "faces"}}
    frame = torch.zeros(2, 1, size_px, size_px)
    return to_onnx(net, (frame,), ["frame"], ["points"], axes)


def export_emotion(net: nn.Module, variant: str = "fused") -> bytes:
    """Return an ONNX file that takes a batch of geometry and, if fused, of frames."""
    geometry = torch.zeros(2, feature_count(variant))
    appearance = torch.zeros(2, 1, APPEARANCE_PX, APPEARANCE_PX)
    names = ["geometry", "appearance"]
    axes = {name: {0: "faces"} for name in [*names, "logits"]}
    return to_onnx(net, (geometry, appearance), names, ["logits"], axes)


def to_onnx(
    net: nn.Module,
    inputs: tuple[Tensor, ...],
    input_names: list[str],
    output_names: list[str],
    axes: dict[str, dict[int, str]],
) -> bytes:
    """Return a net as an ONNX file.

    Args:
        net: Is put into its state for use.
        inputs: Examples to trace it with.
        input_names: Of the file.
        output_names: Of the file.
        axes: For each name the axes whose size is free, and what they are called.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter wants one more package; this one does while it lasts.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            net.eval(),
            inputs,
            file,  # type: ignore[arg-type] # a file object is taken too
            input_names=input_names,
            output_names=output_names,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def write_model(folder: Path, content: bytes, table: dict[str, Any]) -> None:
    """Write a model's folder: the file and what `read_model_spec` reads.

    Args:
        folder: ``models/<task>_<architecture>_<yyyymm>``.
        content: The ONNX file.
        table: Keys of ``model.toml`` besides ``file``, ``sha256``, ``license_note``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    # Sections last: what follows one in TOML belongs to it.
    order = sorted(table, key=lambda name: isinstance(table[name], dict))
    whole = {"file": "model.onnx", "sha256": sha256, "license_note": LICENSE_NOTE}
    text = tomlkit.dumps(whole | {name: table[name] for name in order})
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
