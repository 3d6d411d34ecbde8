"""One thread and one seed for whatever runs torch, and no hurry for the first call."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import settings

# The first call into torch or OpenCV takes seconds; later ones do not.
settings.register_profile("training", deadline=None)
settings.load_profile("training")


@pytest.fixture(autouse=True)
def _repeatable():
    if importlib.util.find_spec("torch"):
        import torch  # noqa: PLC0415 - may be missing

        torch.set_num_threads(1)
        torch.manual_seed(0)
