"""Peers of our models' size class, with random weights: how fast their shapes are.

Built from what their authors published; nobody's weights or code. Only their speed is
asked, so what the weights are does not matter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from emojifier_training.export import to_onnx
from emojifier_training.nets import DetectorNet, YuNetFormat, conv_unit

#: Seed of the weights.
SEED = 3
#: Widths of YuNet-n's stages (Wu et al., 2023): each stage's input and output.
YUNET_STAGES = ((16, 64), (64, 64), (64, 64), (64, 64), (64, 64))
YUNET_WIDTH = 64
#: Stages after which the picture is halved, and those that the heads read.
YUNET_HALVED, YUNET_READ = (1, 2, 3), (2, 3, 4)
#: PFLD (Guo et al., 2019): expansion, width, number and stride of its bottlenecks.
PFLD_BLOCKS = ((2, 64, 5, 2), (2, 128, 1, 2), (4, 128, 6, 1), (2, 16, 1, 1))
LANDMARKS_PX = 112
#: mini-XCEPTION (Arriaga et al., 2017): widths of its four modules.
XCEPTION_WIDTHS = (16, 32, 64, 128)


def _dp_unit(inputs: int, outputs: int, *, active: bool = True) -> nn.Sequential:
    """Return YuNet's unit: point-wise, then depth-wise, then norm and ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 1),
        nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs),
    ]
    if active:
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class _YuNetHead(nn.Module):
    """Class, objectness, box and points of one level."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            _dp_unit(YUNET_WIDTH, count, active=False) for count in DetectorNet.splits
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, 64, h, w)`` to ``(N, 16, h, w)``."""
        return torch.cat([part(x) for part in self.parts], dim=1)


class YuNetN(nn.Module):
    """YuNet-n as published: 75,856 parameters."""

    def __init__(self) -> None:
        """Build with random weights."""
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            _dp_unit(16, 16),
        )
        self.stages = nn.ModuleList(
            nn.Sequential(_dp_unit(inputs, inputs), _dp_unit(inputs, outputs))
            for inputs, outputs in YUNET_STAGES
        )
        levels, width = range(len(DetectorNet.strides)), YUNET_WIDTH
        self.laterals = nn.ModuleList(_dp_unit(width, width) for _ in levels)
        self.shared = nn.ModuleList(_dp_unit(width, width) for _ in levels)
        self.heads = nn.ModuleList(_YuNetHead() for _ in levels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map ``(N, 3, H, W)`` to one ``(N, 16, h, w)`` for each stride."""
        x = functional.max_pool2d(self.stem(x), 2)
        levels = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in YUNET_READ:
                levels.append(x)
            if index in YUNET_HALVED:
                x = functional.max_pool2d(x, 2)
        for index in (2, 1):
            levels[index] = self.laterals[index](levels[index])
            larger = functional.interpolate(levels[index], scale_factor=2.0)
            levels[index - 1] = levels[index - 1] + larger
        levels[0] = self.laterals[0](levels[0])
        levels = [unit(x) for unit, x in zip(self.shared, levels, strict=True)]
        return [head(level) for head, level in zip(self.heads, levels, strict=True)]


class Bottleneck(nn.Module):
    """MobileNetV2's block (Sandler et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, expand: int, stride: int) -> None:
        """Build a block that widens, filters and narrows."""
        super().__init__()
        wide = inputs * expand
        self.layers = nn.Sequential(
            conv_unit(inputs, wide, kernel=1),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.keeps_shape = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        y: Tensor = self.layers(x)
        return x + y if self.keeps_shape else y


class PfldLike(nn.Module):
    """PFLD's backbone for 68 points, all widths times a share."""

    def __init__(self, share: float) -> None:
        """Build with random weights."""
        super().__init__()

        def scaled(width: int) -> int:
            return max(round(width * share), 8)

        stem, inputs = scaled(64), scaled(64)
        self.stem = nn.Sequential(
            conv_unit(3, stem, 2),
            nn.Conv2d(stem, stem, 3, padding=1, groups=stem, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        for expand, width, count, stride in PFLD_BLOCKS:
            for index in range(count):
                outputs = scaled(width)
                blocks.append(
                    Bottleneck(inputs, outputs, expand, stride if index == 0 else 1)
                )
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        middle, last = scaled(32), scaled(128)
        self.second = conv_unit(inputs, middle, 2)
        # The map is as large as this kernel, so nothing is left of it.
        self.third = nn.Conv2d(middle, last, 7)
        self.head = nn.Linear(inputs + middle + last, 68 * 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, 3, 112, 112)`` to ``(N, 136)``."""
        first = self.blocks(self.stem(x))
        second = self.second(first)
        third = functional.relu(self.third(second))
        scales = (first.mean(dim=(2, 3)), second.mean(dim=(2, 3)), third.flatten(1))
        points: Tensor = self.head(torch.cat(scales, dim=1))
        return points


class _Separable(nn.Sequential):
    """Depth-wise, then point-wise convolution, norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )


class MiniXception(nn.Module):
    """mini-XCEPTION: emotions from a grey face."""

    def __init__(self, emotions: int = 8) -> None:
        """Build with random weights."""
        super().__init__()
        self.stem = nn.Sequential(conv_unit(1, 8), conv_unit(8, 8))
        pairs = list(zip((8, *XCEPTION_WIDTHS), XCEPTION_WIDTHS, strict=False))
        self.shortcuts = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 1, 2, bias=False), nn.BatchNorm2d(b))
            for a, b in pairs
        )
        self.modules_ = nn.ModuleList(
            nn.Sequential(
                _Separable(a, b),
                nn.ReLU(inplace=True),
                _Separable(b, b),
                nn.MaxPool2d(3, 2, 1),
            )
            for a, b in pairs
        )
        self.head = nn.Conv2d(XCEPTION_WIDTHS[-1], emotions, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, 1, S, S)`` to ``(N, emotions)``."""
        x = self.stem(x)
        for shortcut, module in zip(self.shortcuts, self.modules_, strict=True):
            x = shortcut(x) + module(x)
        logits: Tensor = self.head(x).mean(dim=(2, 3))
        return logits


def yunet_file() -> bytes:
    """Return YuNet-n in YuNet's format, for any size."""
    torch.manual_seed(SEED)
    names = list(YuNetFormat.output_names)
    axes = {
        "input": {2: "height", 3: "width"},
        **{name: {1: "cells"} for name in names},
    }
    picture = torch.zeros(1, 3, 320, 320)
    return to_onnx(YuNetFormat(YuNetN()), (picture,), ["input"], names, axes)


def pfld_file(share: float) -> bytes:
    """Return a PFLD-like net of a share of the published widths."""
    torch.manual_seed(SEED)
    frames = torch.zeros(2, 3, LANDMARKS_PX, LANDMARKS_PX)
    axes = {"frame": {0: "faces"}, "points": {0: "faces"}}
    return to_onnx(PfldLike(share), (frames,), ["frame"], ["points"], axes)


def xception_file(side_px: int) -> bytes:
    """Return a mini-XCEPTION for grey faces of a side."""
    torch.manual_seed(SEED)
    faces = torch.zeros(2, 1, side_px, side_px)
    axes = {"appearance": {0: "faces"}, "logits": {0: "faces"}}
    return to_onnx(MiniXception(), (faces,), ["appearance"], ["logits"], axes)
