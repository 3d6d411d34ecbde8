"""The detector recipe: boxes and five points, in YuNet's output format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emojifier_bot.evaluation.datasets import is_held_out, read_detection
from emojifier_bot.training.detector_crops import random_crop
from emojifier_bot.training.detector_loss import detection_loss
from emojifier_bot.training.device import autocast, to_device
from emojifier_bot.training.nets import DetectorNet

#: The crowd event has 450 pictures of tiny faces, the masks set near-duplicates.
EVENT_RATES = {"2--Demonstration": 0.35, "masks": 0.6}


class DetectorRecipe:
    """Data, loss and held-out figures of the detector."""

    def __init__(self, data: Path, batch_size: int, seed: int = 20261) -> None:
        """Read the set and hold its share out."""
        pictures = read_detection(data / "detection")
        self.net: nn.Module = DetectorNet()
        self.batch_size = batch_size
        self.train = [p for p in pictures if not is_held_out(p.source, p.name)]
        self.images = [p.image() for p in self.train]
        rates = np.array([EVENT_RATES.get(p.event, 1.0) for p in self.train])
        self.rates = rates / rates.sum()
        self.random = np.random.default_rng(seed)

    def loss(self, net: nn.Module) -> Tensor:
        """Return the sum of the four losses over a batch of crops."""
        picks = self.random.choice(len(self.train), self.batch_size, p=self.rates)
        crops = [random_crop(self.images[i], self.train[i], self.random) for i in picks]
        bgr = np.stack([crop.image_bgr for crop in crops])
        batch = to_device(bgr).permute(0, 3, 1, 2).float()
        batch = batch.contiguous(memory_format=torch.channels_last)
        with autocast():
            levels = net(batch)
        return detection_loss([level.float() for level in levels], crops)

    def evaluate(self, _net: nn.Module) -> dict[str, float]:
        """Return nothing: ``evaluate detector`` judges the exported file."""
        return {}
