"""The landmark recipe: 68 points from grey frames, jittered as our detector errs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emojifier_bot.vision.crops import LANDMARK_FRAME_MARGIN, MEAN_FACE
from emojifier_bot.vision.landmarks import (
    MIRRORED,
    RIGID,
    apply_affine,
    fit_similarity,
)
from emojifier_bot.vision.types import FloatArray
from emojifier_training import augment
from emojifier_training.data import (
    SET_FOLDERS,
    LabelledCrop,
    is_held_out,
    read_landmarks,
)
from emojifier_training.device import autocast, to_device, to_numpy
from emojifier_training.nets import LandmarkNet

FRAME_PX = 112
STORED_PX = 256
#: How much of the face's height, from brows to chin, a detector's box adds above the
#: brows: the WIDER FACE convention is to start at the hair line.
FOREHEAD = 0.28
#: Hand-labelled sources count in full, video frames with noisy labels less.
SOURCE_WEIGHTS = {"helen": 1.0, "afw": 1.0, "youtube": 0.35}
#: How often a sample of a source is drawn, relative to one of the others.
SOURCE_RATES = {"helen": 2.0, "afw": 2.0, "youtube": 0.7}


@dataclass(frozen=True, slots=True)
class Jitter:
    """Errors of a detector's box and points, and what faces do beyond them."""

    shift: float = 0.06
    log_scale: float = 0.12
    turn_degrees: float = 10.0
    #: Share of samples that are turned evenly up to `wide_turn_degrees` instead.
    wide_turns: float = 0.25
    wide_turn_degrees: float = 40.0


class LandmarkRecipe:
    """Data, loss and held-out figures of the landmark net."""

    def __init__(
        self, data: Path, batch_size: int, *, jitter: Jitter | None = None
    ) -> None:
        """Read the set and hold its share out."""
        crops = read_landmarks(data / SET_FOLDERS["landmarks"])
        held = [is_held_out(c.source, c.name, c.subject) for c in crops]
        self.net: nn.Module = LandmarkNet()
        self.batch_size = batch_size
        self.jitter = jitter or Jitter()
        train = [c for c, h in zip(crops, held, strict=True) if not h]
        self.train = _Stored(train)
        self.held_out = _Stored(
            [c for c, h in zip(crops, held, strict=True) if h and c.source != "youtube"]
        )
        rates = [SOURCE_RATES[c.source] for c in train]
        self.rates = torch.tensor(rates, dtype=torch.float32)

    def loss(self, net: nn.Module) -> Tensor:
        """Return the weighted distance of the points and the spread of the maps."""
        assert isinstance(net, LandmarkNet)
        pick = torch.multinomial(self.rates, self.batch_size, replacement=True)
        frames, targets = self._batch(pick)
        with autocast():
            heat = net.heat_maps(frames)
        heat = heat.float()
        weights = self.train.weights[pick].reshape(-1, 1)
        inside = ((targets > 0) & (targets < 1)).all(dim=-1)
        distance = wing(net.expect(heat) - targets)
        spread = heat_divergence(heat, targets, net.centers) * inside
        return ((distance + 0.3 * spread) * weights).mean() / weights.mean()

    def _batch(self, pick: Tensor) -> tuple[Tensor, Tensor]:
        images = self.train.images[pick].float()
        points = self.train.points[pick]
        images, points = mirror_some(images, points)
        matrix = self._frames(points)
        frames = augment.warp(images, matrix, FRAME_PX)
        frames = augment.change_light(frames)
        frames = augment.lose_detail(frames, 20, 0.35)
        frames = augment.cover(frames, 0.35)
        targets = augment.transform_points(matrix, points) / FRAME_PX
        return normalise(frames), targets

    def _frames(self, points: Tensor) -> Tensor:
        jitter, count = self.jitter, len(points)
        turn, center, side = face_boxes(points)
        error = torch.randn(count) * jitter.turn_degrees
        wide = augment.uniform(
            count, -jitter.wide_turn_degrees, jitter.wide_turn_degrees
        )
        error = torch.where(augment.chance(count, jitter.wide_turns), wide, error)
        center = center + torch.randn(count, 2) * jitter.shift * side[:, None]
        side = side * torch.exp(torch.randn(count) * jitter.log_scale)
        scale = FRAME_PX / (LANDMARK_FRAME_MARGIN * side)
        return augment.similarity(scale, turn + torch.deg2rad(error), center, FRAME_PX)

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Return the mean error over the outer eye distance, on exact boxes."""
        points = self.held_out.points
        turn, center, side = face_boxes(points)
        scale = FRAME_PX / (LANDMARK_FRAME_MARGIN * side)
        matrix = augment.similarity(scale, turn, center, FRAME_PX)
        frames = augment.warp(self.held_out.images.float(), matrix, FRAME_PX)
        with torch.no_grad():
            found = torch.cat([net(part) for part in normalise(frames).split(64)])
        wanted = augment.transform_points(matrix, points) / FRAME_PX
        eyes = (wanted[:, 36] - wanted[:, 45]).norm(dim=-1)
        error = (found - wanted).norm(dim=-1).mean(dim=-1) / eyes
        helen = torch.tensor([s == "helen" for s in self.held_out.sources])
        return {
            "nme_helen": float(error[helen].mean()),
            "nme_afw": float(error[~helen].mean()),
        }


class _Stored:
    """Crops as one uint8 tensor, grey, with their points."""

    def __init__(self, crops: list[LabelledCrop]) -> None:
        images = np.empty((len(crops), 1, STORED_PX, STORED_PX), np.uint8)
        points = np.empty((len(crops), 68, 2), np.float32)
        for index, crop in enumerate(crops):
            grey = cv2.cvtColor(crop.image(), cv2.COLOR_RGB2GRAY)
            images[index, 0] = cv2.resize(grey, (STORED_PX, STORED_PX))
            points[index] = crop.points_xy * (STORED_PX / grey.shape[0])
        self.images, self.points = to_device(images), to_device(points)
        self.sources = [crop.source for crop in crops]
        self.weights = torch.tensor([SOURCE_WEIGHTS[s] for s in self.sources])


def normalise(frames: Tensor) -> Tensor:
    """Map grey 0 to 255 to -1 to 1, as ``model.toml`` says."""
    return ((frames - 127.5) / 127.5).clamp(-1, 1)


def mirror_some(images: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of a batch, points and their meaning too."""
    flip = augment.chance(len(images), 0.5)
    images = torch.where(flip.reshape(-1, 1, 1, 1), images.flip(-1), images)
    mirrored = points[:, list(MIRRORED)] * torch.tensor([-1.0, 1.0])
    mirrored = mirrored + torch.tensor([float(images.shape[-1]), 0.0])
    return images, torch.where(flip.reshape(-1, 1, 1), mirrored, points)


def face_boxes(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the box that a good detector gives to upright copies of these faces.

    Args:
        points: ``(N, 68, 2)`` pixels.

    Returns:
        The turn to upright in radians ``(N,)``, the box's centre ``(N, 2)`` in pixels
        of the unturned picture, and its longer side ``(N,)``.
    """
    rows = [face_box(p) for p in to_numpy(points)]
    turn, x, y, side = torch.tensor(rows, dtype=torch.float32).T
    return turn, torch.stack([x, y], dim=-1), side


def face_box(points_xy: FloatArray) -> tuple[float, float, float, float]:
    """Return turn, centre x, centre y and longer side for one face's 68 points."""
    rigid = list(RIGID)
    frame = fit_similarity(points_xy[rigid], MEAN_FACE[rigid])
    scale = float(np.hypot(frame[0, 0], frame[1, 0]))
    upright = apply_affine(frame, points_xy)
    low, high = upright.min(axis=0), upright.max(axis=0)
    low[1] -= FOREHEAD * (high[1] - low[1])
    back = np.linalg.inv(frame[:, :2])
    center = back @ ((low + high) / 2 - frame[:, 2])
    turn = float(np.arctan2(frame[1, 0], frame[0, 0]))
    return turn, float(center[0]), float(center[1]), float((high - low).max()) / scale


def face_bounds(points_xy: FloatArray) -> FloatArray:
    """Return the upright box ``(4,)`` that a good detector gives to a face.

    Args:
        points_xy: ``(68, 2)`` pixels.
    """
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    top = low[1] - FOREHEAD * (high[1] - low[1])
    return np.array([low[0], top, high[0], high[1]], np.float32)


def wing(error: Tensor, width: float = 0.04, curvature: float = 0.01) -> Tensor:
    """Return the wing loss of each point (Feng et al., 2018), ``(N, K)``.

    Args:
        error: ``(N, K, 2)`` differences in shares of the frame.
        width: Below it the loss is logarithmic.
        curvature: How sharp the logarithm is.
    """
    size = error.abs()
    offset = width - width * float(np.log(1 + width / curvature))
    near = width * torch.log(1 + size / curvature)
    return torch.where(size < width, near, size - offset).sum(dim=-1) * 10


def heat_divergence(heat: Tensor, targets: Tensor, centers: Tensor) -> Tensor:
    """Return how far each softmaxed map is from a narrow Gaussian at its target.

    Args:
        heat: ``(N, K, S, S)`` logits.
        targets: ``(N, K, 2)`` 0 to 1.
        centers: ``(S,)`` cell centres, 0 to 1.
    """
    sigma = 1.2 / len(centers)
    dx = (centers - targets[..., :1]) / sigma
    dy = (centers - targets[..., 1:]) / sigma
    wanted = -0.5 * (dy[..., :, None] ** 2 + dx[..., None, :] ** 2)
    wanted = functional.softmax(wanted.flatten(2), dim=-1)
    return functional.cross_entropy(
        heat.flatten(0, 1).flatten(1), wanted.flatten(0, 1), reduction="none"
    ).reshape(heat.shape[:2])
