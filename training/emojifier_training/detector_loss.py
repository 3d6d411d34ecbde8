"""Assignment and losses of the detector.

Assignment is SimOTA (Ge et al., YOLOX, 2021), the losses are those of YuNet (Wu et
al., 2023): objectness everywhere, the overlap as class target, a distance-aware IoU
loss for boxes and smooth L1 for points.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from emojifier_training.detector_crops import Crop
from emojifier_training.device import to_device
from emojifier_training.nets import DetectorNet

BACKGROUND, IGNORED = 0, -1
#: A cell is a candidate within this many strides of the middle of a face.
CENTER_RADIUS = 2.0
#: A face gets as many cells as its best overlaps add up to, of this many.
MOST_CELLS = 10
#: Weight of the overlap in the cost, and what lying outside adds.
OVERLAP_COST, OFF_CENTER_COST, IMPOSSIBLE_COST = 3.0, 1e5, 1e6
BOX_WEIGHT, POINTS_WEIGHT = 5.0, 4.0
#: Where the points' loss turns from square to linear, shares of the face.
POINTS_BETA = 0.05
#: Largest logarithm of a box's size in strides: exp(6) * 8 is 3,227 pixels.
LARGEST_LOG_SIZE = 6.0
TINY = 1e-9


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
    size = torch.exp(raw[..., 2:].clamp(max=LARGEST_LOG_SIZE)) * strides[:, None]
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def _picture_loss(
    flat: Tensor, boxes: Tensor, cells: Tensor, strides: Tensor, crop: Crop
) -> tuple[Tensor, int]:
    truth = to_device(crop.xyxy)
    middles = (cells + 0.5) * strides[:, None]
    with torch.no_grad():
        owner = assign(flat, boxes, middles, strides, truth)
        owner = _ignore(owner, middles, to_device(crop.ignored_xyxy))
    positive = owner > BACKGROUND
    counted = owner != IGNORED
    loss = functional.binary_cross_entropy_with_logits(
        flat[counted, 1], positive[counted].float(), reduction="sum"
    )
    count = int(positive.sum())
    if count == 0:
        return loss, 0
    face = owner[positive] - 1
    overlap, box_loss = overlap_losses(boxes[positive], truth[face])
    loss = loss + functional.binary_cross_entropy_with_logits(
        flat[positive, 0], overlap.detach().clamp(0, 1), reduction="sum"
    )
    points = to_device(crop.points_xy)[face]
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
    score = torch.sqrt(
        torch.sigmoid(flat[candidates, 0]) * torch.sigmoid(flat[candidates, 1])
    )
    cost = -torch.log(score + TINY)[None] - OVERLAP_COST * torch.log(overlap + TINY)
    cost = (
        cost
        + OFF_CENTER_COST * ~(near & inside)[:, candidates]
        + IMPOSSIBLE_COST * ~(near | inside)[:, candidates]
    )
    wanted = overlap.topk(min(MOST_CELLS, overlap.shape[1]), dim=1).values.sum(dim=1)
    picked = torch.zeros_like(cost, dtype=torch.bool)
    for row, count in enumerate(wanted.int().clamp(min=1).tolist()):
        picked[
            row, cost[row].topk(min(count, cost.shape[1]), largest=False).indices
        ] = True
    picked &= cost < IMPOSSIBLE_COST
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
    return shared / (areas[0][:, None] + areas[1][None] - shared + TINY)


def overlap_losses(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and EIoU loss (Zhang et al., 2022) of each pair, ``(P,)`` each."""
    low = torch.maximum(boxes[:, :2], truth[:, :2])
    high = torch.minimum(boxes[:, 2:], truth[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    size, truth_size = boxes[:, 2:] - boxes[:, :2], truth[:, 2:] - truth[:, :2]
    iou = shared / (size.prod(dim=-1) + truth_size.prod(dim=-1) - shared + TINY)
    hull = torch.maximum(boxes[:, 2:], truth[:, 2:]) - torch.minimum(
        boxes[:, :2], truth[:, :2]
    )
    apart = (boxes[:, :2] + boxes[:, 2:] - truth[:, :2] - truth[:, 2:]) / 2
    center_term = apart.square().sum(dim=-1) / (hull.square().sum(dim=-1) + TINY)
    size_term = ((size - truth_size) / (hull + TINY)).square().sum(dim=-1)
    return iou, 1 - iou + center_term + size_term


def _points_loss(
    raw: Tensor, points: Tensor, truth: Tensor, cells: Tensor, strides: Tensor
) -> Tensor:
    known = ~torch.isnan(points).any(dim=-1).any(dim=-1)
    if not known.any():
        return raw.sum() * 0
    found = (raw.unflatten(-1, (5, 2)) + cells[:, None]) * strides[:, None, None]
    size = (truth[:, 2:] - truth[:, :2]).amax(dim=-1)[:, None, None]
    return (
        functional.smooth_l1_loss(
            (found / size)[known],
            (points / size)[known],
            beta=POINTS_BETA,
            reduction="sum",
        )
        / 2
    )
