"""Where training runs: on the GPU where there is one, else on the CPU, unchanged."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_device() -> None:
    """Make new tensors, random ones too, on the device."""
    if DEVICE.type != "cpu":
        torch.set_default_device(DEVICE)


def to_device(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor on the device."""
    return torch.as_tensor(array, device=DEVICE)


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as an array, wherever it lies."""
    return tensor.detach().cpu().numpy()


def autocast() -> torch.autocast:
    """Run convolutions in bfloat16; both kinds of device have units for it."""
    return torch.autocast(DEVICE.type, dtype=torch.bfloat16)


def device_peak_bytes() -> int:
    """Return the most memory that tensors took on the GPU; 0 without one."""
    return 0 if DEVICE.type == "cpu" else torch.cuda.max_memory_allocated()
