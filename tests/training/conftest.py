"""One thread and one seed for whatever runs torch."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(autouse=True)
def _repeatable():
    if importlib.util.find_spec("torch"):
        import torch  # noqa: PLC0415 - may be missing

        torch.set_num_threads(1)
        torch.manual_seed(0)
