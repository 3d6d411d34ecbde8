"""What photos do to faces, imitated on whole batches with torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def uniform(count: int, low: float, high: float) -> Tensor:
    """Return ``(count,)`` numbers between ``low`` and ``high``."""
    return torch.rand(count) * (high - low) + low


def chance(count: int, probability: float) -> Tensor:
    """Return ``(count,)`` booleans, each true with ``probability``."""
    return torch.rand(count) < probability


def similarity(
    scale: Tensor, turn_radians: Tensor, center_xy: Tensor, size: int
) -> Tensor:
    """Return ``(N, 2, 3)`` transforms that bring ``center_xy`` to a frame's middle."""
    cos, sin = scale * torch.cos(turn_radians), scale * torch.sin(turn_radians)
    linear = torch.stack(
        [torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2
    )
    shift = size / 2 - (linear @ center_xy[..., None])[..., 0]
    return torch.cat([linear, shift[..., None]], dim=-1)


def transform_points(matrix: Tensor, points_xy: Tensor) -> Tensor:
    """Move ``(N, K, 2)`` points by ``(N, 2, 3)`` transforms."""
    return points_xy @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]


def warp(
    images: Tensor, matrix: Tensor, size: int, moved_px: Tensor | None = None
) -> Tensor:
    """Cut square frames out of pictures, bilinear, repeating the edge.

    Args:
        images: ``(N, 1, H, W)`` float.
        matrix: ``(N, 2, 3)`` picture pixels to frame pixels.
        size: Side of the frame.
        moved_px: ``(N, size * size, 2)`` how far what each pixel shows is moved.

    Returns:
        ``(N, 1, size, size)`` float.
    """
    height, width = images.shape[-2:]
    linear = torch.linalg.inv(matrix[:, :, :2])
    shift = -(linear @ matrix[:, :, 2:])
    centers = torch.arange(size) + 0.5
    y, x = torch.meshgrid(centers, centers, indexing="ij")
    grid = torch.stack([x, y], dim=-1).reshape(1, -1, 2)
    if moved_px is not None:
        grid = grid - moved_px
    source = grid @ linear.transpose(1, 2) + shift.transpose(1, 2)
    source = source * torch.tensor([2 / width, 2 / height]) - 1
    grid = source.reshape(-1, size, size, 2)
    return functional.grid_sample(
        images, grid, padding_mode="border", align_corners=False
    )


def change_light(images: Tensor) -> Tensor:
    """Change contrast, brightness and gamma; light some faces from one side.

    Args:
        images: ``(N, 1, H, W)`` float, 0 to 255.
    """
    count, _, height, width = images.shape

    def each(values: Tensor) -> Tensor:
        return values.reshape(count, 1, 1, 1)

    unit = (images / 255).clamp(0, 1) ** each(torch.exp(uniform(count, -0.5, 0.5)))
    unit = (unit - 0.5) * each(uniform(count, 0.6, 1.4)) + 0.5
    unit = unit + each(uniform(count, -0.2, 0.2))
    across = torch.linspace(-1, 1, width).reshape(1, 1, 1, -1)
    down = torch.linspace(-1, 1, height).reshape(1, 1, -1, 1)
    strength = chance(count, 0.3) * uniform(count, 0.2, 0.8)
    angle = uniform(count, 0, 2 * torch.pi)
    slope = across * each(torch.cos(angle)) + down * each(torch.sin(angle))
    unit = unit * (1 - each(strength) * torch.sigmoid(slope * 4))
    return unit.clamp(0, 1) * 255


def even_light(images: Tensor, probability: float) -> Tensor:
    """Take the large shades out of some pictures, or strengthen them, as studios do.

    Args:
        images: ``(N, 1, S, S)`` float, 0 to 255.
        probability: Share of pictures.
    """
    shade = functional.interpolate(
        functional.interpolate(images, (5, 5), mode="area"),
        images.shape[2:],
        mode="bilinear",
    )
    count = len(images)
    share = chance(count, probability) * uniform(count, -0.4, 0.9)
    return images - (shade - 127.5) * share.reshape(-1, 1, 1, 1)


def crop_tightly(images: Tensor, most_px: int, probability: float) -> Tensor:
    """Repeat an edge further inside of some pictures, as closely cut ones have it."""
    side = images.shape[-1]
    places = torch.arange(side)
    for axis in (-1, -2):
        inset = (
            torch.rand(2, len(images), 1)
            * most_px
            * chance(2, probability)[:, None, None]
        )
        low, high = inset.long()
        at = places.clamp(low, side - 1 - high)
        shape = [len(images), 1, 1, 1]
        shape[axis] = side
        images = images.gather(axis, at.reshape(shape).expand_as(images))
    return images


def lose_detail(images: Tensor, smallest: int, probability: float) -> Tensor:
    """Shrink some pictures and enlarge them again, and add grain to others.

    Args:
        images: ``(N, 1, S, S)`` float, 0 to 255.
        smallest: Least side they are shrunk to, pixels.
        probability: Share of pictures.
    """
    size = images.shape[-1]
    small = int(torch.randint(smallest, size, ()))
    soft = functional.interpolate(
        functional.interpolate(images, (small, small), mode="area"),
        (size, size),
        mode="bilinear",
    )
    pick = chance(len(images), probability).reshape(-1, 1, 1, 1)
    images = torch.where(pick, soft, images)
    grain = chance(len(images), probability) * uniform(len(images), 0, 12)
    return images + torch.randn_like(images) * grain.reshape(-1, 1, 1, 1)


def cover(images: Tensor, probability: float) -> Tensor:
    """Hide a random rectangle of some pictures behind a flat tone or noise."""
    count, _, height, width = images.shape
    half = torch.rand(count, 2) * 0.2 + 0.05
    center = torch.rand(count, 2)
    y = (torch.arange(height) + 0.5).reshape(1, -1, 1) / height
    x = (torch.arange(width) + 0.5).reshape(1, 1, -1) / width
    inside = (
        (y - center[:, 0].reshape(-1, 1, 1)).abs() < half[:, 0].reshape(-1, 1, 1)
    ) & ((x - center[:, 1].reshape(-1, 1, 1)).abs() < half[:, 1].reshape(-1, 1, 1))
    inside &= chance(count, probability).reshape(-1, 1, 1)
    tone = uniform(count, 0, 255).reshape(-1, 1, 1, 1)
    noise = torch.randn_like(images) * uniform(count, 0, 60).reshape(-1, 1, 1, 1)
    return torch.where(inside[:, None], tone + noise, images)
