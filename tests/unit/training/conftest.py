"""One thread and one seed for whatever runs torch."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _repeatable():
    torch = pytest.importorskip("torch", reason="needs torch: `make train-env`")
    torch.set_num_threads(1)
    torch.manual_seed(0)
