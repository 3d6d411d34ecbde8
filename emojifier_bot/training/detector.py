"""The detector recipe: boxes and five points, in YuNet's output format.

Assignment is SimOTA (Ge et al., YOLOX, 2021), the losses are those of YuNet (Wu et
al., 2023): objectness everywhere, the overlap as class target, a distance-aware IoU
loss for boxes and smooth L1 for points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emojifier_bot.core.boxes import turned_boxes
from emojifier_bot.core.frames import centered_frame
from emojifier_bot.core.landmarks import apply_affine
from emojifier_bot.domain import FloatArray, ImageArray
from emojifier_bot.evaluation.datasets import (
    LabelledPicture,
    is_held_out,
    read_detection,
)
from emojifier_bot.training.nets import DetectorNet

CROP_PX = 320
#: Faces lower than this in the crop are neither wanted nor background.
SMALLEST_FACE_PX = 8.0
#: The crowd event has 450 pictures of tiny faces, the masks set near-duplicates.
EVENT_RATES = {"2--Demonstration": 0.35, "masks": 0.6}
#: Heights that a chosen face is scaled to, log-uniform, pixels.
FACE_HEIGHTS_PX = (11.0, 200.0)
SCALES = (0.25, 2.5)
#: Most faces of one crop that are learned; crowds are sampled.
FACES_PER_CROP = 80
TURN_DEGREES = 55.0
BACKGROUND, IGNORED = 0, -1
#: A cell is a candidate within this many strides of the middle of a face.
CENTER_RADIUS = 2.0
BOX_WEIGHT, POINTS_WEIGHT = 5.0, 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One training picture with its faces."""

    #: ``(S, S, 3)`` uint8 BGR.
    image_bgr: ImageArray
    #: ``(N, 4)`` xyxy of wanted faces and ``(M, 4)`` of ignored ones.
    xyxy: FloatArray
    ignored_xyxy: FloatArray
    #: ``(N, 5, 2)``, NaN where unknown.
    points_xy: FloatArray


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

    def loss(self, net: nn.Module, step: int, share_done: float) -> Tensor:
        """Return the sum of the four losses over a batch of crops."""
        picks = self.random.choice(len(self.train), self.batch_size, p=self.rates)
        crops = [
            random_crop(self.images[i], self.train[i], self.random) for i in picks
        ]
        bgr = np.stack([crop.image_bgr for crop in crops])
        batch = torch.from_numpy(bgr).permute(0, 3, 1, 2).float()
        batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            levels = net(batch)
        return detection_loss([level.float() for level in levels], crops)

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Return nothing: ``evaluate detector`` judges the exported file."""
        return {}


def random_crop(
    image: ImageArray, picture: LabelledPicture, random: np.random.Generator
) -> Crop:
    """Scale, turn, mirror and recolour a random square of a picture."""
    matrix, turn = _random_frame(image, picture, random)
    boxes, points = _moved(picture, matrix, turn)
    warped = _warp(image, matrix)
    if random.random() < 0.5:
        warped = np.ascontiguousarray(warped[:, ::-1])
        boxes, points = _mirrored(boxes, points)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    heights = boxes[:, 3] - boxes[:, 1]
    near = ((boxes[:, 2:] > 0) & (boxes[:, :2] < CROP_PX)).all(axis=1)
    within = ((centers > 0) & (centers < CROP_PX)).all(axis=1)
    wanted = near & within & ~picture.invalid & (heights >= SMALLEST_FACE_PX)
    chosen = np.flatnonzero(wanted)
    if len(chosen) > FACES_PER_CROP:
        chosen = random.choice(chosen, FACES_PER_CROP, replace=False)
    rest = near.copy()
    rest[chosen] = False
    return Crop(_recolour(warped, random), boxes[chosen], boxes[rest], points[chosen])


def _random_frame(
    image: ImageArray, picture: LabelledPicture, random: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    height, width = image.shape[:2]
    good = np.flatnonzero(~picture.invalid & (_heights(picture.xyxy) > 4))
    if len(good) and random.random() < 0.85:
        box = picture.xyxy[random.choice(good)]
        goal = np.exp(random.uniform(*np.log(FACE_HEIGHTS_PX)))
        scale = goal / (box[3] - box[1])
        center = (box[:2] + box[2:]) / 2
    else:
        scale = np.exp(random.uniform(np.log(0.4), np.log(1.6)))
        center = random.random(2) * (width, height)
    scale = float(np.clip(scale, max(SCALES[0], 0.7 * CROP_PX / max(image.shape)), SCALES[1]))
    center = _inside(center + random.uniform(-0.45, 0.45, 2) * CROP_PX / scale, scale, image)
    turn = 0.0
    if random.random() < 0.5:
        turn = float(random.uniform(-TURN_DEGREES, TURN_DEGREES))
    x, y = float(center[0]), float(center[1])
    return centered_frame((x, y), scale, np.deg2rad(turn), CROP_PX), turn


def _inside(
    center: NDArray[np.float64], scale: float, image: ImageArray
) -> NDArray[np.float64]:
    """Move the crop so that as little as can be of it lies outside the picture."""
    half = CROP_PX / scale / 2
    size = np.float64([image.shape[1], image.shape[0]])
    low, high = np.minimum(half, size - half), np.maximum(half, size - half)
    inside: NDArray[np.float64] = np.clip(center, low, high)
    return inside


def _heights(xyxy: FloatArray) -> FloatArray:
    return xyxy[:, 3] - xyxy[:, 1]


def _moved(
    picture: LabelledPicture, matrix: NDArray[np.float64], turn: float
) -> tuple[FloatArray, FloatArray]:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    centers = apply_affine(matrix, (picture.xyxy[:, :2] + picture.xyxy[:, 2:]) / 2)
    sizes = (picture.xyxy[:, 2:] - picture.xyxy[:, :2]) * np.float32(scale)
    return turned_boxes(centers, sizes, turn), apply_affine(matrix, picture.points_xy)


def _mirrored(boxes: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    boxes = boxes[:, [2, 1, 0, 3]] * np.float32([-1, 1, -1, 1])
    boxes = boxes + np.float32([CROP_PX, 0, CROP_PX, 0])
    points = points[:, [1, 0, 2, 4, 3]] * np.float32([-1, 1])
    return boxes, points + np.float32([CROP_PX, 0])


def _warp(image: ImageArray, matrix: NDArray[np.float64]) -> ImageArray:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.7:  # noqa: PLR2004 - bilinear sampling skips pixels below about this
        small = cv2.resize(
            image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        shrink = np.float64([small.shape[1], small.shape[0]]) / image.shape[1::-1]
        matrix = np.hstack([matrix[:, :2] / shrink, matrix[:, 2:]])
        image = small
    half = np.float64([0.5, 0.5])
    shift = matrix[:, 2] + matrix[:, :2] @ half - half
    by_index = np.hstack([matrix[:, :2], shift[:, None]])
    return cv2.warpAffine(image, by_index, (CROP_PX, CROP_PX))[..., ::-1]


def _recolour(image_bgr: ImageArray, random: np.random.Generator) -> ImageArray:
    pixels = image_bgr.astype(np.float32)
    if random.random() < 0.2:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    pixels = pixels * random.uniform(0.6, 1.4) + random.uniform(-30, 30)
    if random.random() < 0.5:
        pixels = pixels * random.uniform(0.85, 1.15, 3).astype(np.float32)
    if random.random() < 0.2:
        pixels = cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.3, 1.6))
    result = np.clip(pixels, 0, 255).astype(np.uint8)
    if random.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(25, 90))]
        result = cv2.imdecode(cv2.imencode(".jpg", result, quality)[1], 1)
    if random.random() < 0.25:
        result = _hide_part(result, random)
    return np.ascontiguousarray(result)


def _hide_part(image_bgr: ImageArray, random: np.random.Generator) -> ImageArray:
    hidden = image_bgr.copy()
    for _ in range(int(random.integers(1, 6))):
        width, height = random.integers(4, 60, 2)
        x, y = random.integers(0, CROP_PX, 2)
        hidden[y : y + height, x : x + width] = random.integers(0, 255, 3)
    return hidden


def detection_loss(levels: list[Tensor], crops: list[Crop]) -> Tensor:
    """Return objectness, class, box and point losses, per wanted face."""
    flat = torch.cat(
        [level.permute(0, 2, 3, 1).flatten(1, 2) for level in levels], dim=1
    )
    cells, strides = grid(levels)
    boxes = decode_boxes(flat[..., 2:6], cells, strides)
    parts = [
        _picture_loss(flat[i], boxes[i], cells, strides, crop)
        for i, crop in enumerate(crops)
    ]
    positives = max(sum(count for _, count in parts), 1)
    return torch.stack([loss for loss, _ in parts]).sum() / positives


def grid(levels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return every cell's column and row ``(A, 2)`` and its stride ``(A,)``."""
    cells, strides = [], []
    for level, stride in zip(levels, DetectorNet.strides, strict=True):
        height, width = level.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cells.append(torch.stack([x, y], dim=-1).reshape(-1, 2).float())
        strides.append(torch.full((height * width,), float(stride)))
    return torch.cat(cells), torch.cat(strides)


def decode_boxes(raw: Tensor, cells: Tensor, strides: Tensor) -> Tensor:
    """Turn raw numbers to xyxy pixels, as `cv2.FaceDetectorYN` does."""
    center = (raw[..., :2] + cells) * strides[:, None]
    size = torch.exp(raw[..., 2:].clamp(max=6)) * strides[:, None]
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def _picture_loss(
    flat: Tensor, boxes: Tensor, cells: Tensor, strides: Tensor, crop: Crop
) -> tuple[Tensor, int]:
    truth = torch.from_numpy(crop.xyxy)
    middles = (cells + 0.5) * strides[:, None]
    with torch.no_grad():
        owner = assign(flat, boxes, middles, strides, truth)
        owner = _ignore(owner, middles, torch.from_numpy(crop.ignored_xyxy))
    positive = owner > BACKGROUND
    counted = owner != IGNORED
    loss = functional.binary_cross_entropy_with_logits(
        flat[counted, 1], positive[counted].float(), reduction="sum"
    )
    count = int(positive.sum())
    if count == 0:
        return loss, 0
    face = owner[positive] - 1
    overlap, box_loss = _overlap_losses(boxes[positive], truth[face])
    loss = loss + functional.binary_cross_entropy_with_logits(
        flat[positive, 0], overlap.detach().clamp(0, 1), reduction="sum"
    )
    points = torch.from_numpy(crop.points_xy)[face]
    points_loss = _points_loss(
        flat[positive, 6:], points, truth[face], cells[positive], strides[positive]
    )
    return loss + BOX_WEIGHT * box_loss.sum() + POINTS_WEIGHT * points_loss, count


def assign(
    flat: Tensor, boxes: Tensor, middles: Tensor, strides: Tensor, truth: Tensor
) -> Tensor:
    """Give each face its cheapest cells (SimOTA).

    Args:
        flat: ``(A, 16)`` raw outputs.
        boxes: ``(A, 4)`` decoded xyxy.
        middles: ``(A, 2)`` cell middles, pixels.
        strides: ``(A,)`` pixels.
        truth: ``(G, 4)`` xyxy.

    Returns:
        ``(A,)`` int64: 0 background, else one more than the face's index.
    """
    owner = torch.zeros(len(middles), dtype=torch.int64)
    if len(truth) == 0:
        return owner
    centers = (truth[:, :2] + truth[:, 2:]) / 2
    offset = (middles[None] - centers[:, None]).abs().amax(dim=-1)
    near = offset < CENTER_RADIUS * strides
    inside = (
        (middles[None] > truth[:, None, :2]) & (middles[None] < truth[:, None, 2:])
    ).all(dim=-1)
    candidates = torch.nonzero((near | inside).any(dim=0))[:, 0]
    overlap = _iou(truth, boxes[candidates])
    score = torch.sqrt(torch.sigmoid(flat[candidates, 0]) * torch.sigmoid(flat[candidates, 1]))
    cost = -torch.log(score + 1e-8)[None] - 3 * torch.log(overlap + 1e-8)
    cost = cost + 1e5 * ~(near & inside)[:, candidates] + 1e6 * ~(near | inside)[:, candidates]
    wanted = overlap.topk(min(10, overlap.shape[1]), dim=1).values.sum(dim=1)
    picked = torch.zeros_like(cost, dtype=torch.bool)
    for row, count in enumerate(wanted.int().clamp(min=1).tolist()):
        picked[row, cost[row].topk(min(count, cost.shape[1]), largest=False).indices] = True
    picked &= cost < 1e6
    cheapest = torch.where(picked, cost, torch.inf).min(dim=0)
    owner[candidates] = torch.where(
        torch.isfinite(cheapest.values), cheapest.indices + 1, BACKGROUND
    )
    return owner


def _ignore(owner: Tensor, middles: Tensor, ignored: Tensor) -> Tensor:
    if len(ignored) == 0:
        return owner
    inside = (
        (middles[None] > ignored[:, None, :2]) & (middles[None] < ignored[:, None, 2:])
    ).all(dim=-1)
    return torch.where(inside.any(dim=0) & (owner == BACKGROUND), IGNORED, owner)


def _iou(first: Tensor, second: Tensor) -> Tensor:
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(b[:, 2:] - b[:, :2]).prod(dim=-1) for b in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9)


def _overlap_losses(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and EIoU loss (Zhang et al., 2022) of each pair, ``(P,)`` each."""
    low = torch.maximum(boxes[:, :2], truth[:, :2])
    high = torch.minimum(boxes[:, 2:], truth[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    size, truth_size = boxes[:, 2:] - boxes[:, :2], truth[:, 2:] - truth[:, :2]
    iou = shared / (size.prod(dim=-1) + truth_size.prod(dim=-1) - shared + 1e-9)
    hull = torch.maximum(boxes[:, 2:], truth[:, 2:]) - torch.minimum(
        boxes[:, :2], truth[:, :2]
    )
    apart = (boxes[:, :2] + boxes[:, 2:] - truth[:, :2] - truth[:, 2:]) / 2
    center_term = apart.square().sum(dim=-1) / (hull.square().sum(dim=-1) + 1e-9)
    size_term = ((size - truth_size) / (hull + 1e-9)).square().sum(dim=-1)
    return iou, 1 - iou + center_term + size_term


def _points_loss(
    raw: Tensor, points: Tensor, truth: Tensor, cells: Tensor, strides: Tensor
) -> Tensor:
    known = ~torch.isnan(points).any(dim=-1).any(dim=-1)
    if not known.any():
        return raw.sum() * 0
    found = (raw.unflatten(-1, (5, 2)) + cells[:, None]) * strides[:, None, None]
    size = (truth[:, 2:] - truth[:, :2]).amax(dim=-1)[:, None, None]
    return functional.smooth_l1_loss(
        (found / size)[known], (points / size)[known], beta=0.05, reduction="sum"
    ) / 2
